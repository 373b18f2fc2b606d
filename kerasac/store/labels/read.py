"""Read label files: HDF5 tables of pandas, and tab-separated text."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from kerasac.errors import StoreError, suggest
from kerasac.genome.assembly import IntArray, naming_hint
from kerasac.store.labels.table import INDEX, OpenTable, open_table

_READ_CELLS = 1 << 22  # cells of text read at a time
_MAGIC: Mapping[bytes, Literal["gzip", "bz2"]] = {b"\x1f\x8b": "gzip", b"BZ": "bz2"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class BinLabels:
    """Labels of bins, in the order of their file.

    ``chrom_index`` (n,) int32 points into ``chroms``; ``start``, ``end`` (n,) int64 are the bin with its flanks;
    ``values`` (n, n_tasks) float32, NaN where ambiguous. ``settings`` is what ``kerasac-ray labels`` noted in an HDF5
    file (approach, bins, transform, …), empty for other files.
    """

    chroms: tuple[str, ...]
    chrom_index: npt.NDArray[np.int32]
    start: IntArray
    end: IntArray
    values: npt.NDArray[np.float32]
    tasks: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start)

    @property
    def chrom(self) -> npt.NDArray[np.str_]:
        """Names of the chromosomes, (n,); ``chrom_index`` takes a fraction of the memory."""
        return np.array(self.chroms, dtype=np.str_)[self.chrom_index]

    @property
    def window_bp(self) -> int:
        """Length of every bin with its flanks; raises StoreError when bins differ in length, or there is none."""
        lengths = self.end - self.start
        if not len(lengths):
            raise StoreError("there are no bins; a model needs some, of one length")
        low, high = int(lengths.min()), int(lengths.max())
        if low != high:
            raise StoreError(f"there are bins of {low:,} to {high:,} bases; a model needs bins of one length")
        return low


class _Piece(NamedTuple):
    """Consecutive rows: chromosome (n,) bytes or str, start and end (n,), labels (n, n_tasks)."""

    chrom: npt.NDArray[Any]
    start: npt.NDArray[Any]
    end: npt.NDArray[Any]
    values: npt.NDArray[np.float32]


class _Source(NamedTuple):
    """An open label file; ``pieces`` reads the labels of some tasks."""

    tasks: tuple[str, ...]
    settings: Mapping[str, Any]
    pieces: Callable[[tuple[str, ...]], Iterator[_Piece]]


def read_labels(path: Path, *, tasks: Sequence[str] | None = None, chroms: Sequence[str] | None = None) -> BinLabels:
    """Read a label file, of ours or seqdataloader's, or only some of its tasks or chromosomes.

    What a file is, is seen from its content: HDF5, gzip, bz2 or plain text. −1, ambiguous in old files, becomes NaN in
    tasks all of whose other labels are 0 or 1. The file is read in pieces: beside what is returned, memory is taken for
    one more copy of its largest column.

    Raises
    ------
    StoreError
        When the file is missing, damaged or no label file, or lacks a task or chromosome that is asked for.
    """
    if not path.is_file():
        raise StoreError(f"label file {path} does not exist")
    with _open(path) as source:
        chosen = tuple(source.tasks if tasks is None else tasks)
        for task in chosen:
            if task not in source.tasks:
                raise StoreError(f"{path} has no task {task!r}{suggest(task, source.tasks)}")
        numbers: dict[str, int] = {}
        pieces = [_numbered(piece, numbers, chroms, path) for piece in source.pieces(chosen)]
        settings = source.settings
    for chrom in chroms or ():
        if chrom not in numbers:
            raise StoreError(f"{path} has no bins of chromosome {chrom!r}{naming_hint([chrom], numbers)}")
    columns = [list(column) for column in zip(*pieces, strict=True)]
    del pieces
    # One column after the other, so that only one is held twice.
    index, start, end, values = (np.concatenate(columns.pop(0)) for _ in _Piece._fields)
    _minus_one_to_nan(values, chosen, path)
    return BinLabels(tuple(numbers), index, start, end, values, chosen, settings)


def _numbered(piece: _Piece, numbers: dict[str, int], chroms: Sequence[str] | None, path: Path) -> _Piece:
    """Turn chromosome names into numbers, given out in the order of the file, and keep the rows that are wanted."""
    start, end = piece.start.astype(np.int64), piece.end.astype(np.int64)
    wrong = np.flatnonzero((start < 0) | (end <= start))
    if len(wrong):
        raise StoreError(f"{path} has a bin {start[wrong[0]]}-{end[wrong[0]]}; bins need 0 <= START < END")
    first = np.flatnonzero(np.r_[True, piece.chrom[1:] != piece.chrom[:-1]])[: len(start)]  # rows of a new chromosome
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in piece.chrom[first].tolist()]
    index = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int32)
    rows = np.repeat(index, np.diff(np.r_[first, len(start)]))
    if chroms is None:
        return _Piece(rows, start, end, piece.values)
    kept = np.isin(rows, [numbers[chrom] for chrom in chroms if chrom in numbers])
    return _Piece(rows[kept], start[kept], end[kept], piece.values[kept])


def _minus_one_to_nan(values: npt.NDArray[np.float32], tasks: tuple[str, ...], path: Path) -> None:
    """Make −1 NaN where it cannot be a signal's logarithm."""
    for column, task in zip(values.T, tasks, strict=True):
        old = column == -1
        if old.any() and (old | (column == 0) | (column == 1) | np.isnan(column)).all():
            logger.info("%s: −1 in %s is read as ambiguous (%d bins)", path, task, old.sum())
            column[old] = np.nan


def _open(path: Path) -> AbstractContextManager[_Source]:
    return _open_table(path) if h5py.is_hdf5(path) else _open_text(path)


@contextmanager
def _open_table(path: Path) -> Iterator[_Source]:
    with open_table(path) as table:
        yield _Source(table.tasks, table.settings, partial(_table_pieces, table))


def _table_pieces(table: OpenTable, tasks: tuple[str, ...]) -> Iterator[_Piece]:
    for records in table.records():
        values = np.empty((len(records), len(tasks)), dtype=np.float32)
        for i, task in enumerate(tasks):
            values[:, i] = table.column(records, task)
        chrom, start, end = (table.column(records, name) for name in INDEX)
        yield _Piece(chrom, start, end, values)


@contextmanager
def _open_text(path: Path) -> Iterator[_Source]:
    with path.open("rb") as file:
        compression = _MAGIC.get(file.read(2))
    read: Callable[..., Any] = partial(pd.read_csv, path, sep="\t", compression=compression)
    try:
        header = [str(name) for name in read(nrows=0).columns]
        if not set(INDEX) <= set(header):
            raise StoreError(
                f"{path} is no label file: its columns are {', '.join(header[:4])} …, not {', '.join(INDEX)} and tasks"
            )
        yield _Source(tuple(name for name in header if name not in INDEX), {}, partial(_text_pieces, read))
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise StoreError(f"{path} cannot be read as a label file: {error}") from None


def _text_pieces(read: Callable[..., Any], tasks: tuple[str, ...]) -> Iterator[_Piece]:
    types = {"CHR": object, "START": np.int64, "END": np.int64} | dict.fromkeys(tasks, np.float32)
    rows_at_a_time = max(1, _READ_CELLS // (len(tasks) + len(INDEX)))
    chunks = read(usecols=[*INDEX, *tasks], dtype=types, chunksize=rows_at_a_time)
    for rows in chunks:
        chrom, start, end = (rows[name].to_numpy() for name in INDEX)
        yield _Piece(chrom, start, end, rows[list(tasks)].to_numpy(dtype=np.float32))
