"""Keep a training's per-epoch metrics in history.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from kerasac.cache import write_whole

Row = dict[str, float]


def read_history(path: Path) -> list[Row]:
    """Return one row an epoch, oldest first; no file is no epochs."""
    if not path.exists():
        return []
    with path.open(newline="") as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def write_history(path: Path, rows: Sequence[Row]) -> None:
    """Write all rows (at least one, of equal keys), whole or not at all; numbers keep every digit."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{key: _plain(value) for key, value in row.items()} for row in rows])
    write_whole(path, text.getvalue())


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
