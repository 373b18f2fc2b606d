"""Plan the files that labels go to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from kerasac.errors import StoreError
from kerasac.store.labels.bins import BinGrid
from kerasac.store.labels.spec import FileType

UNIVERSAL_NEGATIVES = "universal_negatives"


_SUFFIXES = {
    ".hdf5": FileType.HDF5,
    ".h5": FileType.HDF5,
    ".gz": FileType.GZIP,
    ".bz2": FileType.BZ2,
    ".tsv": FileType.TSV,
    ".bed": FileType.TSV,
    ".txt": FileType.TSV,
}


class Rows(StrEnum):
    """Which bins a file holds: all, those with a label above a threshold in some task, or those with none in all."""

    ALL = "all"
    ABOVE = "above"
    NOT_ABOVE = "not_above"


@dataclass(frozen=True)
class OutputSpec:
    """Where labels go. ``file_type`` is by default what the name of ``path`` says.

    With ``above``, ``path`` gets the bins that are above it in some task, and ``universal_negatives.<name>`` beside it
    the coordinates of those that are at or below it in all; bins that are ambiguous in a task and above it in none are
    in neither. Labels are compared as they are stored, after the transform. Files of one chromosome or one task have
    its name before theirs; with ``chrom_last`` the chromosome's is behind it, with ``negatives_last`` the word
    ``universal_negatives``.

    Raises
    ------
    StoreError
        When neither ``file_type`` nor the name says what to write.
    """

    path: Path
    file_type: FileType | None = None
    above: float | None = None
    by_chrom: bool = False
    by_task: bool = False
    chrom_last: bool = False
    negatives_last: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.file_type is None and self.path.suffix not in _SUFFIXES:
            known = ", ".join(_SUFFIXES)
            raise StoreError(f"the name {self.path.name} does not say its format; end it in {known}, or give the type")

    @property
    def format(self) -> FileType:
        """What is written."""
        return self.file_type or _SUFFIXES[self.path.suffix]


class LabelFile(NamedTuple):
    """A file to write: some rows of bins ``low … high - 1`` of a grid, columns of some tasks (indices).

    ``compared`` are the tasks whose labels decide which rows.
    """

    path: Path
    low: int
    high: int
    tasks: tuple[int, ...]
    compared: tuple[int, ...]
    rows: Rows


def plan_files(output: OutputSpec, grid: BinGrid, tasks: Sequence[str]) -> list[LabelFile]:
    """Return the files that labels of these tasks go to.

    Raises
    ------
    StoreError
        When one of them exists and may not be replaced, or two have the same name.
    """
    stretches = [("", 0, grid.total)]
    if output.by_chrom:
        bounds = zip(grid.assembly.names, grid.bounds[:-1].tolist(), grid.bounds[1:].tolist(), strict=True)
        stretches = [(chrom, low, high) for chrom, low, high in bounds if high > low]
    groups = [("", tuple(range(len(tasks))))]
    if output.by_task:
        groups = [(f"{name.replace('/', '.')}.", (i,)) for i, name in enumerate(tasks)]
    files = []
    for chrom, low, high in stretches:
        for task, columns in groups:
            path = _named(output.path.with_name(f"{task}{output.path.name}"), chrom, last=output.chrom_last)
            if output.above is None:
                files.append(LabelFile(path, low, high, columns, columns, Rows.ALL))
            else:
                negatives = _named(path, UNIVERSAL_NEGATIVES, last=output.negatives_last)
                files.append(LabelFile(path, low, high, columns, columns, Rows.ABOVE))
                files.append(LabelFile(negatives, low, high, (), columns, Rows.NOT_ABOVE))
    _check(files, overwrite=output.overwrite)
    return files


def _named(path: Path, word: str, *, last: bool) -> Path:
    parts = [path.name, word] if last else [word, path.name]
    return path.with_name(".".join(filter(None, parts)))


def _check(files: Sequence[LabelFile], *, overwrite: bool) -> None:
    for path, n_files in Counter(file.path for file in files).items():
        if n_files > 1:
            raise StoreError(f"two tasks would be written to {path}; give them names that differ in more than / and .")
        if path.is_dir():
            raise StoreError(f"{path} is a folder; give the name of a file")
        if path.exists() and not overwrite:
            raise StoreError(f"{path} already exists; use it as it is, or replace it with --overwrite")
