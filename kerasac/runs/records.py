"""Keep beside an output what it was made of, so that the same command does not make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasac import __version__
from kerasac.cache import write_whole
from kerasac.errors import RunError


def finished(record: Path, job: str, output: Path, *, overwrite: bool) -> Mapping[str, Any] | None:
    """Return what is recorded of an output that this job made before; None when it is still to be made.

    Raises
    ------
    RunError
        When the output is there, and another job or another tool made it.
    """
    if overwrite or not output.exists():
        return None
    try:
        facts: Mapping[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = {}
    if facts.get("job") != job:
        raise RunError(
            f"{output} is there already, and not of these models and inputs; choose another --out, or --overwrite"
        )
    return facts


def write_record(record: Path, job: str, facts: Mapping[str, Any]) -> None:
    """Write facts of a finished job as JSON."""
    whole = {"job": job, "kerasac_version": __version__, **facts}
    write_whole(record, json.dumps(whole, indent=2, default=str) + "\n")
