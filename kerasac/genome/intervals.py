"""Read intervals from BED files and compute with sets of genome positions."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly, IntArray, naming_hint, open_text, renamed_chromosome

BoolArray = npt.NDArray[np.bool_]

logger = logging.getLogger(__name__)

NARROWPEAK_SUMMIT = 9  # 0-based column
LAST_COLUMN = -1
NO_SUMMIT = -1
_HEADERS = ("#", "track", "browser")
_MAX_BP = 2**62  # no position is greater, so that the sum of two is an int64


@dataclass(frozen=True, eq=False)
class Intervals:
    """Rows of a BED file, in the order of the file; equal or overlapping rows are kept.

    ``chrom`` (N,) str; ``start``, ``end`` (N,) int64, 0-based, half-open; ``summit`` (N,) int64, absolute
    position, −1 where the file was read without summits.
    """

    chrom: npt.NDArray[np.str_]
    start: IntArray
    end: IntArray
    summit: IntArray

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, rows: BoolArray | IntArray | slice) -> Intervals:
        return Intervals(self.chrom[rows], self.start[rows], self.end[rows], self.summit[rows])

    def chrom_index(self, assembly: Assembly) -> IntArray:
        """Index of each row's chromosome in the assembly; −1 where the assembly lacks it."""
        index = {name: i for i, name in enumerate(assembly.names)}
        return np.array([index.get(chrom, -1) for chrom in self.chrom.tolist()], dtype=np.int64)

    def offsets(self, assembly: Assembly) -> IntArray:
        """Genome row of base 0 of each row's chromosome: add it to start, end or summit."""
        index = self.chrom_index(assembly)
        if (index < 0).any():
            assembly.index(str(self.chrom[index < 0][0]))  # raises, with a hint
        return assembly.offsets[index]

    def known(self, assembly: Assembly, path: Path) -> Intervals:
        """Return the rows on chromosomes of the assembly; the others are counted and logged.

        Raises
        ------
        GenomeError
            When no row is on one, or a chromosome is one of the assembly's under another name (chr1, 1).
        """
        known = self.chrom_index(assembly) >= 0
        if known.all():
            return self
        names = list(dict.fromkeys(self.chrom[~known].tolist()))
        if not known.any() or renamed_chromosome(names, assembly.names) is not None:
            self._check(assembly, path, self.start, "starts")  # raises, with a hint
        logger.warning(
            "%s: %d intervals on chromosomes that the genome lacks skipped: %s", path, (~known).sum(), ", ".join(names)
        )
        return self[known]

    def distinct(self) -> int:
        """Count the rows that differ in chromosome, start, end or summit."""
        if not len(self):
            return 0
        columns = self.chrom, self.start, self.end, self.summit
        order = np.lexsort(columns)
        differ = [column[order][1:] != column[order][:-1] for column in columns]
        return 1 + int(np.any(differ, axis=0).sum())

    def check_within(self, assembly: Assembly, path: Path) -> None:
        """Raise GenomeError unless every row lies on a chromosome of the assembly, within its length."""
        self._check(assembly, path, self.end, "ends")

    def clipped(self, assembly: Assembly, path: Path) -> Intervals:
        """Return the rows with ends cut at their chromosome's, as peak callers run over it; the cuts are logged.

        Raises
        ------
        GenomeError
            When a row lies on an unknown chromosome or wholly beyond its end: it is of another assembly.
        """
        self._check(assembly, path, self.start + 1, "starts")
        sizes = assembly.sizes_bp[self.chrom_index(assembly)]
        over = int((self.end > sizes).sum())
        if over:
            logger.warning("%s: %d intervals run over the end of their chromosome and were clipped", path, over)
        return Intervals(self.chrom, self.start, np.minimum(self.end, sizes), self.summit)

    def _check(self, assembly: Assembly, path: Path, needed_bp: IntArray, verb: str) -> None:
        index = self.chrom_index(assembly)
        if (index < 0).any():
            unknown = list(dict.fromkeys(self.chrom[index < 0].tolist()))
            hint = naming_hint(unknown, assembly.names)
            raise GenomeError(f"chromosome {unknown[0]!r} of {path} is not in the genome{hint}")
        sizes = assembly.sizes_bp[index]
        beyond = np.flatnonzero(needed_bp > sizes)
        if len(beyond):
            i = int(beyond[0])
            raise GenomeError(
                f"{path}: {self.chrom[i]}:{self.start[i]}-{self.end[i]} {verb} beyond the chromosome's"
                f" {sizes[i]:,} bases ({len(beyond):,} such rows); the file is of another assembly,"
                " or needs clipping"
            )


@dataclass(frozen=True, eq=False)
class Spans:
    """A set of genome rows (``assembly.offsets[chrom] + position``), as sorted, disjoint, half-open spans.

    Equal sets have equal arrays: spans that touch are one span. A set knows no chromosomes, so a span may run
    from the end of one into the next; :meth:`to_intervals` cuts it there. ``starts``, ``ends``: (N,) int64.
    """

    starts: IntArray
    ends: IntArray

    @classmethod
    def empty(cls) -> Spans:
        """Return the set of no rows."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))

    @classmethod
    def from_bounds(cls, starts: IntArray, ends: IntArray) -> Spans:
        """Return the union of any half-open spans; empty ones (start == end) add nothing."""
        starts, ends = (np.asarray(bound, dtype=np.int64) for bound in (starts, ends))
        order = np.argsort(starts, kind="stable")
        order = order[starts[order] < ends[order]]
        starts, reach = starts[order], np.maximum.accumulate(ends[order])
        if not len(starts):
            return cls.empty()
        apart = starts[1:] > reach[:-1]
        return cls(starts[np.r_[True, apart]], reach[np.r_[apart, True]])

    @classmethod
    def from_intervals(cls, intervals: Intervals, assembly: Assembly) -> Spans:
        """Return the union of intervals; raises GenomeError for an unknown chromosome."""
        offsets = intervals.offsets(assembly)
        return cls.from_bounds(intervals.start + offsets, intervals.end + offsets)

    @classmethod
    def of_chromosomes(cls, chroms: Sequence[str], assembly: Assembly) -> Spans:
        """Return all rows of these chromosomes."""
        indices = [assembly.index(chrom) for chrom in chroms]
        starts = assembly.offsets[indices]
        return cls.from_bounds(starts, starts + assembly.sizes_bp[indices])

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def total_bp(self) -> int:
        """Rows in the set."""
        return int((self.ends - self.starts).sum())

    def digest(self) -> str:
        """Return 16 hex digits of the set's content."""
        bounds = (np.ascontiguousarray(bound, dtype="<i8") for bound in (self.starts, self.ends))
        return hashlib.sha256(b";".join(bound.tobytes() for bound in bounds)).hexdigest()[:16]

    def union(self, other: Spans) -> Spans:
        """Rows in either."""
        return Spans.from_bounds(np.r_[self.starts, other.starts], np.r_[self.ends, other.ends])

    def subtract(self, other: Spans) -> Spans:
        """Rows in this set and not in the other."""
        return self._where(other, lambda ours, theirs: ours & ~theirs)

    def intersect(self, other: Spans) -> Spans:
        """Rows in both."""
        return self._where(other, lambda ours, theirs: ours & theirs)

    def complement(self, assembly: Assembly) -> Spans:
        """Rows of the genome not in this set."""
        return Spans.of_chromosomes(assembly.names, assembly).subtract(self)

    def contains(self, rows: IntArray) -> BoolArray:
        """Whether each row is in the set."""
        return self.overlaps(rows, np.asarray(rows) + 1)

    def overlaps(self, starts: IntArray, ends: IntArray) -> BoolArray:
        """Whether each half-open window shares a row with the set; an empty window does not."""
        starts, ends = np.asarray(starts), np.asarray(ends)
        if not len(self):
            return np.zeros(starts.shape, dtype=bool)
        nearest = np.searchsorted(self.ends, starts, side="right")
        begins = np.append(self.starts, np.iinfo(np.int64).max)[nearest]
        hit: BoolArray = (begins < ends) & (starts < ends)
        return hit

    def rows_at(self, ranks: IntArray) -> IntArray:
        """Return the rows at these ranks (0 … total_bp − 1) of the set, in genome order: to draw from it."""
        before = np.concatenate([[0], np.cumsum(self.ends - self.starts)])
        span = np.searchsorted(before, ranks, side="right") - 1
        rows: IntArray = self.starts[span] + (ranks - before[span])
        return rows

    def to_intervals(self, assembly: Assembly) -> Intervals:
        """Return the spans in chromosome coordinates, cut where chromosomes meet; they have no summits."""
        chrom_ends = assembly.offsets + assembly.sizes_bp
        inner = np.unique(chrom_ends[self.contains(chrom_ends) & self.contains(chrom_ends - 1)])
        starts, ends = np.sort(np.r_[self.starts, inner]), np.sort(np.r_[self.ends, inner])
        index = np.searchsorted(chrom_ends, starts, side="right")
        offsets = assembly.offsets[index]
        chrom = np.array(assembly.names, dtype=np.str_)[index]
        return Intervals(chrom, starts - offsets, ends - offsets, np.full(len(starts), NO_SUMMIT))

    def _where(self, other: Spans, keep: Callable[[BoolArray, BoolArray], BoolArray]) -> Spans:
        """Cut both sets at each other's bounds and keep the pieces that ``keep`` chooses."""
        cuts = np.unique(np.concatenate([self.starts, self.ends, other.starts, other.ends]))
        kept = keep(self.contains(cuts[:-1]), other.contains(cuts[:-1]))
        return Spans.from_bounds(cuts[:-1][kept], cuts[1:][kept])


class _Row(NamedTuple):
    chrom: str
    start: int
    end: int
    summit: int


def read_bed(path: Path, *, summits: bool = False, summit_column: int = NARROWPEAK_SUMMIT) -> Intervals:
    """Read BED3+ or narrowPeak, gzipped or not; lines of ``track``, ``browser`` and ``#`` are skipped.

    With ``summits``, column ``summit_column`` (0-based, or :data:`LAST_COLUMN`) is the summit's offset from the
    start; −1 there means none was called and the middle is taken. Summits outside their interval are left as
    they are: see :func:`summit_outside`.

    Raises
    ------
    GenomeError
        When a line is malformed (named by file and number) or has no summit where one is required.
    """
    with open_text(path) as lines:
        rows = list(_rows(lines, path, summit_column if summits else None))
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    start, end, summit = (np.array(column, dtype=np.int64) for column in columns[1:])
    return Intervals(np.array(columns[0], dtype=np.str_), start, end, summit)


def summit_outside(intervals: Intervals) -> BoolArray:
    """Whether each row has a summit that is not one of its bases."""
    outside: BoolArray = intervals.summit >= intervals.end
    return outside


def _rows(lines: Iterable[str], path: Path, summit_column: int | None) -> Iterator[_Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(_HEADERS):
            continue
        fields = line.rstrip("\n").split("\t")
        if len(fields) < 3:
            fields = line.split()  # BED allows blanks for tabs
        try:
            start, end = int(fields[1]), int(fields[2])
        except (IndexError, ValueError):
            raise GenomeError(
                f"{path} line {number}: expected 'chrom<TAB>start<TAB>end', found {line.strip()[:80]!r}"
            ) from None
        if start < 0 or end <= start:
            raise GenomeError(
                f"{path} line {number}: {fields[0]}:{start}-{end} is not an interval; BED needs 0 <= start < end"
            )
        if end > _MAX_BP:
            raise GenomeError(f"{path} line {number}: {fields[0]}:{start}-{end} ends beyond any chromosome; correct it")
        summit = NO_SUMMIT if summit_column is None else _summit(fields, summit_column, start, end, path, number)
        yield _Row(fields[0], start, end, summit)


def _summit(fields: list[str], column: int, start: int, end: int, path: Path, number: int) -> int:
    """Return the absolute summit; the middle rounds down, as seqdataloader's does."""
    if len(fields) <= max(column, 3):
        raise GenomeError(
            f"{path} line {number} has {len(fields)} columns and no summit; give a narrowPeak file (10 columns),"
            " or use the peaks' centers instead of summits (center: center, --center center)"
        )
    if not fields[column].strip().removeprefix("-").isdigit() or not -1 <= (offset := int(fields[column])) < _MAX_BP:
        raise GenomeError(
            f"{path} line {number}: the summit column holds {fields[column]!r}; expected the summit's offset"
            " from the start in bases. Give a narrowPeak file, or use the peaks' centers instead of summits"
            " (center: center, --center center)"
        )
    return (start + end) // 2 if offset == -1 else start + offset
