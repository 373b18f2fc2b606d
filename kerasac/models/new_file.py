"""Check a file that is to be written, before any work."""

from __future__ import annotations

from pathlib import Path

from kerasac.errors import ModelError


def check_new(path: Path, ending: str, *, overwrite: bool) -> None:
    """Raise ModelError when a path to write is taken, or has a name that does not say what it will be."""
    if not path.name.endswith(ending):
        raise ModelError(f"{path} does not end in {ending}; give it such a name")
    if path.exists() and not overwrite:
        raise ModelError(f"{path} exists; choose another name, or add --overwrite")
