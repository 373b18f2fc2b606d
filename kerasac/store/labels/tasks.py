"""Read the task table of seqdataloader's ``genomewide_labels``: each task's peaks, bigWig and ambiguous regions."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from kerasac.errors import StoreError, suggest
from kerasac.store.labels.spec import LabelSpec
from kerasac.store.tables import Dataset, check_files, resolve_cell, table_lines

COLUMNS = ("task", "narrowPeak", "bigwig", "ambig")
_RESERVED = ("CHR", "START", "END", "index")

logger = logging.getLogger(__name__)


class LabelTask(NamedTuple):
    """A column of labels, and the files that it is made from."""

    name: str
    peaks: Path | None
    bigwig: Path | None
    ambiguous: Path | None


def read_tasks(path: Path, *, base: Path | None = None) -> tuple[LabelTask, ...]:
    """Read a table of tab-separated columns ``task narrowPeak bigwig ambig``.

    With a header line its columns are found by name, and only ``task`` has to be there; without one (older tables)
    they are in this order. Empty cells mean no such file. Relative paths are relative to ``base``, by default the
    table's folder, else to the working directory. Cells may be URLs, whose files are fetched.

    Raises
    ------
    StoreError
        When a column is unknown, a task is listed twice or has a reserved name, or files are missing (all are listed).
    """
    if not path.exists():
        raise StoreError(f"task table {path} does not exist")
    lines = list(table_lines(path))
    header = tuple(lines[0][1]) if lines and lines[0][1][0] == "task" else None
    _check_header(header or COLUMNS, path)
    tasks: dict[str, LabelTask] = {}
    for number, fields in lines[1:] if header else lines:
        columns = header or COLUMNS
        if len(fields) > len(columns):
            raise StoreError(f"{path} line {number} has {len(fields)} columns; expected {', '.join(columns)}")
        cells = dict(zip(columns, fields, strict=False))
        _check_name(cells["task"], tasks, f"{path} line {number}")
        files = (resolve_cell(cells.get(column, ""), base or path.parent) for column in COLUMNS[1:])
        tasks[cells["task"]] = LabelTask(cells["task"], *files)
    if not tasks:
        raise StoreError(f"{path} lists no task; expected a header '{'<TAB>'.join(COLUMNS)}' and a line for each")
    named = [Dataset(name, dict(zip(COLUMNS[1:], files, strict=True))) for name, *files in tasks.values()]
    return tuple(LabelTask(found.name, *_paths(found)) for found in check_files(named, path))


def check_tasks(tasks: tuple[LabelTask, ...], spec: LabelSpec) -> None:
    """Raise StoreError when a task lacks a file that the approach needs; say when one will not be used."""
    for task in tasks:
        for column, needed, file in (
            ("narrowPeak", spec.approach.needs_peaks, task.peaks),
            ("bigwig", spec.approach.needs_bigwig, task.bigwig),
        ):
            if needed and file is None:
                raise StoreError(f"task {task.name} has no {column} file, which {spec.approach} needs; fill its cell")
    if not spec.ambiguous and any(task.ambiguous for task in tasks):
        logger.warning("ambiguous regions of the tasks are not used: ambiguous bins were not asked for")


def _paths(found: Dataset) -> list[Path | None]:
    """Return the files of this machine: of a URL its copy."""
    return [file if isinstance(file, Path) else None for file in found.files.values()]


def _check_header(header: tuple[str, ...], path: Path) -> None:
    for name in header:
        if name not in COLUMNS:
            raise StoreError(f"{path} has a column {name!r}{suggest(name, COLUMNS)}; name it so, or take it out")
        if header.count(name) > 1:
            raise StoreError(f"{path} has two columns named {name!r}; keep one")


def _check_name(name: str, tasks: dict[str, LabelTask], where: str) -> None:
    if not name:
        raise StoreError(f"{where} names no task; fill its first column")
    if name in tasks:
        raise StoreError(f"{where}: task {name} is listed twice; give each its own name")
    if name in _RESERVED:
        raise StoreError(f"{where}: a task cannot be called {name}, which is a column of every label file")
