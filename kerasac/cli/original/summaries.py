"""kerasAC_aggregate_summaries: many summaries in one table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cache import write_whole
from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint
from kerasac.errors import ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_FILE = "File"


def aggregate_summaries(given: Given, console: Console) -> Done:
    """Write what the table says of each summary, and the summary's numbers."""
    del console
    listed = given.path("summary_stats_file")
    rows = _read(listed)
    if not rows or _FILE not in rows[0]:
        raise ConfigError(f"{listed} has no column {_FILE}, which names the summaries")
    columns = given.texts("performance_fields")
    facts = [name for name in rows[0] if name != _FILE]
    lines = ["\t".join([*facts, *columns])]
    lines += ["\t".join([*(row[name] for name in facts), *_numbers(Path(row[_FILE]), columns)]) for row in rows]
    out = given.path("out")
    write_whole(out, "\n".join(lines) + "\n")
    return Done(hint("summarize", listed, out="comparison"), (str(out),))


def _numbers(path: Path, columns: Sequence[str]) -> list[str]:
    """Return the columns of a summary, which has one row."""
    rows = _read(path)
    if not rows:
        raise ConfigError(f"{path} has no row")
    for name in columns:
        if name not in rows[0]:
            raise ConfigError(f"{path} has no column {name!r}{suggest(name, rows[0])}")
    return [rows[0][name] for name in columns]


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="\t"))
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})") from None
