"""Count 5' ends base by base, in bounded memory, into sparse columns on disk."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.cache import remove
from kerasac.genome.assembly import IntArray
from kerasac.store.reads.ends import Chunk, Ends
from kerasac.store.reads.spec import Strand

UInt32Array = npt.NDArray[np.uint32]
_Keys = npt.NDArray[Any]  # uint32 rows, or uint64 of row and span

STRANDS = (Strand.PLUS, Strand.MINUS)
BUCKET_BP = 1 << 23  # genome rows that are counted together
PIECE_ENDS = 1 << 23  # 5' ends of a bucket that are in memory together
_DUPLICATE = "a copy of one that counts"
_FACTS = "facts.json"
_SPAN_BITS = 32


class SparseCounts(NamedTuple):
    """Rows of a genome where 5' ends lie, (N,) uint32, ascending, and how many there, (N,) uint32 above 0."""

    rows: UInt32Array
    counts: UInt32Array


@dataclass(frozen=True)
class ReadFacts:
    """What a file held: lines or reads, 5' ends counted on each strand, and those left out by reason."""

    n_records: int
    plus: int
    minus: int
    skipped: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class EndCounts:
    """5' ends of a file where it says they are, unshifted, on each strand."""

    plus: SparseCounts
    minus: SparseCounts
    facts: ReadFacts

    def strand(self, strand: Strand) -> SparseCounts:
        """Return one strand's counts."""
        return self.plus if strand == Strand.PLUS else self.minus


def write_counts(chunks: Iterable[Chunk], folder: Path, *, unique: bool) -> ReadFacts:
    """Count 5' ends and write them to ``folder``; with ``unique``, those of one row and span count once.

    The ends are first divided into buckets of the genome on disk (4 bytes an end, 8 with ``unique``), then each
    bucket is sorted: memory does not grow with the file, and its order does not matter.
    """
    spills = {strand: _Spill(folder / f"{strand}.spill", unique=unique) for strand in STRANDS}
    skipped: Counter[str] = Counter()
    n_records = 0
    for chunk in chunks:
        n_records += chunk.n_records
        skipped.update(chunk.skipped)
        spills[Strand.PLUS].add(chunk.plus)
        spills[Strand.MINUS].add(chunk.minus)
    counted = {strand: _write_strand(spill, folder, strand) for strand, spill in spills.items()}
    skipped[_DUPLICATE] = sum(spill.n_ends - counted[strand] for strand, spill in spills.items())
    found = {reason: n for reason, n in skipped.items() if n}
    facts = ReadFacts(n_records, counted[Strand.PLUS], counted[Strand.MINUS], found)
    (folder / _FACTS).write_text(json.dumps(asdict(facts)))
    return facts


def open_counts(folder: Path) -> EndCounts:
    """Map what :func:`write_counts` wrote; read-only, and shared by all processes of the machine."""
    facts = ReadFacts(**json.loads((folder / _FACTS).read_text()))
    plus, minus = (SparseCounts(*(_mapped(path) for path in _column_files(folder, strand))) for strand in STRANDS)
    return EndCounts(plus, minus, facts)


class _Spill:
    """Keys of one strand's 5' ends on disk, in a file a bucket."""

    def __init__(self, folder: Path, *, unique: bool) -> None:
        self.folder = folder
        self.n_ends = 0
        self._shift = _SPAN_BITS if unique else 0
        self.dtype: np.dtype[Any] = np.dtype(np.uint64 if unique else np.uint32)
        folder.mkdir()

    def add(self, ends: Ends) -> None:
        packed = (ends.row << self._shift | ends.span) if self._shift else ends.row
        keys = np.sort(packed.astype(self.dtype))
        self.n_ends += len(keys)
        bucket = self.rows(keys) // BUCKET_BP
        starts = np.flatnonzero(np.diff(bucket, prepend=-1))
        for start, end in pairwise([*starts.tolist(), len(keys)]):
            with (self.folder / str(bucket[start])).open("ab") as out:
                keys[start:end].tofile(out)

    def rows(self, keys: _Keys) -> IntArray:
        rows: IntArray = (keys >> self._shift).astype(np.int64)
        return rows

    def buckets(self) -> Iterator[Path]:
        yield from sorted(self.folder.iterdir(), key=lambda path: int(path.name))


def _write_strand(spill: _Spill, folder: Path, strand: Strand) -> int:
    """Write the columns of one strand; return the number of its 5' ends that count."""
    row_file, count_file = _column_files(folder, strand)
    n_counted = 0
    with row_file.open("wb") as rows_out, count_file.open("wb") as counts_out:
        for bucket in spill.buckets():
            keys, counts = _tally(bucket, spill.dtype)
            if spill.dtype == np.uint64:
                keys, counts = np.unique(spill.rows(keys), return_counts=True)
            keys.astype(np.uint32).tofile(rows_out)
            counts.astype(np.uint32).tofile(counts_out)
            n_counted += int(counts.sum())
            bucket.unlink()  # columns grow as spills shrink
    remove(spill.folder)
    return n_counted


def _tally(bucket: Path, dtype: np.dtype[Any]) -> tuple[_Keys, IntArray]:
    """Return the distinct keys of a bucket, ascending, and how often each is there."""
    keys: _Keys = np.empty(0, dtype)
    counts: IntArray = np.empty(0, np.int64)
    with bucket.open("rb") as source:
        while len(piece := np.fromfile(source, dtype, PIECE_ENDS)):
            more_keys, more = np.unique(piece, return_counts=True)
            keys, inverse = np.unique(np.r_[keys, more_keys], return_inverse=True)
            # Below 2**53, float64 sums of whole numbers are exact.
            counts = np.bincount(inverse, weights=np.r_[counts, more]).astype(np.int64)
    return keys, counts


def _column_files(folder: Path, strand: Strand) -> tuple[Path, Path]:
    return folder / f"{strand}.rows", folder / f"{strand}.counts"


def _mapped(path: Path) -> UInt32Array:
    if path.stat().st_size == 0:  # nothing cannot be mapped
        return np.empty(0, np.uint32)
    return np.asarray(np.memmap(path, np.uint32, mode="r"))
