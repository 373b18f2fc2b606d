"""Name units of work by their folders."""

from __future__ import annotations

from pathlib import Path


def unit_name(folder: Path) -> str:
    """Return a unit's name, ``fold-0/seed-1234``, from its folder."""
    return f"{folder.parent.name}/{folder.name}"
