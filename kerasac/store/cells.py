"""Turn bigWig and BED files into the cells of a signal array."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyBigWig

from kerasac.errors import GenomeError, StoreError
from kerasac.genome.assembly import Assembly, IntArray, check_same_sizes, naming_hint, renamed_chromosome
from kerasac.genome.intervals import LAST_COLUMN, Spans, read_bed, summit_outside
from kerasac.store.schema import BED_DTYPE, BIGWIG_DTYPE
from kerasac.store.slabs import Track, no_value, read_slabs
from kerasac.store.tables import AttributeType, CountedReads, StoredTrack, TrackSource

Cells = npt.NDArray[np.float32] | npt.NDArray[np.integer[Any]]

_READ_BP = 2**19  # of a bigWig at once: the values stay in the CPU's cache while they are checked
OUTSIDE, IN_PEAK, AT_SUMMIT = 0, 1, 2

logger = logging.getLogger(__name__)


def read_cells(kind: AttributeType, file: TrackSource, assembly: Assembly, low: int, high: int) -> Cells:
    """Return the cells of genome rows ``low … high - 1`` of one source, shape (high − low,).

    A bigWig gives float32: its values, 0 where it has none, NaN on chromosomes that it lacks. A BED gives uint8:
    0 outside, 1 inside an interval, 2 at a summit. Reads give float32: counts of their shifted 5' ends. A stored
    track's cells are copied. Without a source all cells are NaN, or 0.

    Raises
    ------
    StoreError
        When the file cannot be read.
    """
    if isinstance(file, StoredTrack):
        return _stored_cells(file, low, high)
    if isinstance(file, CountedReads):
        return file.counts.cells(file.strand, low, high).astype(BIGWIG_DTYPE)
    if file is None:
        return np.full(high - low, np.nan, BIGWIG_DTYPE) if kind.is_signal else np.full(high - low, OUTSIDE, BED_DTYPE)
    if kind == AttributeType.BIGWIG:
        return _bigwig_cells(file, assembly, low, high)
    return _peaks(file, kind, assembly).cells(low, high)


def check_file(kind: AttributeType, file: Path, assembly: Assembly) -> None:
    """Raise StoreError or GenomeError when a file does not fit the genome, or cannot be read."""
    if kind == AttributeType.BIGWIG:
        _check_bigwig(file, assembly)
    else:
        _peaks(file, kind, assembly)


def _stored_cells(track: StoredTrack, low: int, high: int) -> npt.NDArray[Any]:
    """Read cells of another array, with ones that were never written as no value."""
    stretch = Spans(np.array([low], dtype=np.int64), np.array([high], dtype=np.int64))
    slabs = read_slabs(track.layout, Track(track.dataset, track.attribute), stretch)
    cells = np.concatenate([slab.cells for slab in slabs])
    return cells if cells.dtype.kind == "f" else np.where(no_value(cells), OUTSIDE, cells)


def _bigwig_cells(file: Path, assembly: Assembly, low: int, high: int) -> npt.NDArray[np.float32]:
    cells = np.empty(high - low, dtype=BIGWIG_DTYPE)
    with _open_bigwig(file) as bigwig:
        known = bigwig.chroms()
        for chrom, start, end, row in _pieces(assembly, low, high):
            piece = cells[row - low : row - low + end - start]
            if chrom not in known:
                piece.fill(np.nan)
                continue
            try:
                values = bigwig.values(chrom, start, end, numpy=True)
            except RuntimeError as error:
                raise StoreError(f"{file} cannot be read at {chrom}:{start}-{end} ({error}); is it whole?") from None
            np.copyto(values, 0, where=np.isnan(values))  # numpy's nan_to_num takes eight times as long
            piece[:] = values
            if np.isinf(piece.min()) or np.isinf(piece.max()):
                raise StoreError(f"{file} holds infinite values on {chrom}; make the bigWig again without them")
    return cells


def _pieces(assembly: Assembly, low: int, high: int) -> Iterator[tuple[str, int, int, int]]:
    """Yield (chrom, start, end, first genome row) of the parts of chromosomes that make up rows low … high."""
    whole = Spans(np.array([low], dtype=np.int64), np.array([high], dtype=np.int64)).to_intervals(assembly)
    rows = whole.start + whole.offsets(assembly)
    stretches = zip(whole.chrom.tolist(), whole.start.tolist(), whole.end.tolist(), rows.tolist(), strict=True)
    for chrom, first, last, row in stretches:
        for start in range(first, last, _READ_BP):
            yield chrom, start, min(start + _READ_BP, last), row + start - first


def _open_bigwig(file: Path) -> Any:
    try:
        return pyBigWig.open(str(file))
    except RuntimeError as error:
        raise StoreError(f"{file} is not a whole bigWig file ({error}); make or download it again") from error


def _check_bigwig(file: Path, assembly: Assembly) -> None:
    with _open_bigwig(file) as bigwig:
        if not bigwig.isBigWig():
            raise StoreError(f"{file} is a bigBed; a {AttributeType.BIGWIG} attribute needs a bigWig")
        theirs = bigwig.chroms()
    ours = {name: size for name, size in assembly.as_dict().items() if name in theirs}
    check_same_sizes(ours or assembly.as_dict(), theirs, str(file))
    absent = [name for name in assembly.names if name not in theirs]
    renamed = renamed_chromosome(absent, (name for name in theirs if name not in assembly))
    if renamed is not None:
        name, _ = renamed
        raise GenomeError(f"chromosome {name!r} is not in {file}{naming_hint([name], theirs)}")
    if absent:
        logger.warning("%s lacks chromosomes %s: their cells are NaN", file, ", ".join(absent))


class _Peaks(NamedTuple):
    spans: Spans
    summits: IntArray  # sorted genome rows

    def cells(self, low: int, high: int) -> npt.NDArray[np.uint8]:
        cells = np.full(high - low, OUTSIDE, dtype=BED_DTYPE)
        first = np.searchsorted(self.spans.ends, low, side="right")
        last = np.searchsorted(self.spans.starts, high, side="left")
        for start, end in zip(self.spans.starts[first:last], self.spans.ends[first:last], strict=True):
            cells[max(start - low, 0) : end - low] = IN_PEAK
        # Summits come after all intervals, so that no overlapping interval hides one.
        summits = self.summits[np.searchsorted(self.summits, low) : np.searchsorted(self.summits, high)]
        cells[summits - low] = AT_SUMMIT
        return cells


def _peaks(file: Path, kind: AttributeType, assembly: Assembly) -> _Peaks:
    return _read_peaks(file, kind, assembly, file.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read_peaks(file: Path, kind: AttributeType, assembly: Assembly, mtime_ns: int) -> _Peaks:
    """Read a BED file for painting; a process reads it once for all its partitions."""
    from_column = kind == AttributeType.BED_SUMMIT_FROM_LAST_COL
    intervals = read_bed(file, summits=from_column, summit_column=LAST_COLUMN)
    if not len(intervals):
        logger.warning("%s holds no interval: its cells are %d", file, OUTSIDE)
    intervals = intervals.known(assembly, file).clipped(assembly, file)
    spans, offsets = Spans.from_intervals(intervals, assembly), intervals.offsets(assembly)
    if kind == AttributeType.BED_NO_SUMMIT:
        return _Peaks(spans, np.empty(0, dtype=np.int64))
    if kind == AttributeType.BED_SUMMIT_FROM_PEAK_CENTER:
        return _Peaks(spans, np.sort((intervals.start + intervals.end) // 2 + offsets))
    outside = summit_outside(intervals)
    if outside.any():
        logger.warning("%s: %d summits outside their interval skipped", file, outside.sum())
    return _Peaks(spans, np.sort((intervals.summit + offsets)[~outside]))
