"""Write values of overlapping windows as bigWig files, one value a base: that of the window with the nearest centre."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyBigWig

from kerasac.cache import whole_file
from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly, IntArray

Array = npt.NDArray[Any]

_BLOCK_BYTES = 1 << 26  # of what is read at a time, where windows are in genome order


class WindowTracks(Protocol):
    """Windows of equal length, and what is to be written of each base; read some rows at a time."""

    @property
    def chrom(self) -> npt.NDArray[np.str_]:
        """Chromosome names, (N,); windows of the empty name are left out."""

    @property
    def start(self) -> IntArray:
        """First bases, (N,) int64."""

    @property
    def width_bp(self) -> int:
        """Bases of a window."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tracks."""

    @property
    def row_bytes(self) -> int:
        """Bytes that reading a window takes while its values are worked out."""

    def values(self, rows: slice) -> Mapping[str, Array]:
        """Read values by track, (n, width_bp) each."""


class Written(NamedTuple):
    """A finished file: bases with a value, their sum, and the least and greatest."""

    path: Path
    n_bases: int
    total: float
    least: float
    greatest: float


def write_bigwigs(tracks: WindowTracks, paths: Mapping[str, Path], assembly: Assembly) -> list[Written]:
    """Write one file a track; all of them appear when they are complete.

    Between two neighbours the values change from one's to the other's half way between their centres, as in
    chrombpnet's bigWigs; of windows at one place the first counts. Bases in no window have no value.

    Raises
    ------
    GenomeError
        When a window lies outside of the assembly.
    """
    _check_within(tracks, assembly)
    sums = {name: _Sum() for name in paths}
    with ExitStack() as stack:
        files = {}
        for name, path in paths.items():
            beside = stack.enter_context(whole_file(path))
            files[name] = pyBigWig.open(str(beside), "w")
            stack.callback(files[name].close)
            files[name].addHeader(list(assembly.as_dict().items()))
        names, place = np.unique(tracks.chrom, return_inverse=True)
        for chrom in (name for name in assembly.names if name in set(names.tolist())):
            rows = np.flatnonzero(place == np.searchsorted(names, chrom))
            for start, values in _stretches(tracks, rows):
                for name, file in files.items():
                    stretch = np.ascontiguousarray(values[name], dtype=np.float32)
                    file.addEntries(chrom, int(start), values=stretch, span=1, step=1)
                    sums[name].add(stretch)
    return [Written(path, *sums[name].facts()) for name, path in paths.items()]


class _Sum:
    """What has been written to a file so far."""

    def __init__(self) -> None:
        self.n, self.total, self.least, self.greatest = 0, 0.0, np.inf, -np.inf

    def add(self, values: Array) -> None:
        self.n += len(values)
        self.total += float(values.sum(dtype=np.float64))
        self.least, self.greatest = min(self.least, float(values.min())), max(self.greatest, float(values.max()))

    def facts(self) -> tuple[int, float, float, float]:
        return self.n, self.total, self.least if self.n else 0.0, self.greatest if self.n else 0.0


def nearest_bounds(starts: IntArray, width_bp: int) -> tuple[IntArray, IntArray]:
    """Return which bases, ``low … high - 1``, are nearest to each window's centre, of windows sorted by start.

    A base half way between two centres is the right one's. Of windows at one place the first has all, the others none.
    """
    low, high = starts.copy(), starts + width_bp
    middle = (starts[:-1] + starts[1:] + width_bp) // 2
    same = starts[:-1] == starts[1:]
    high[:-1] = np.minimum(high[:-1], np.where(same, high[:-1], middle))
    low[1:] = np.maximum(low[1:], middle)
    if same.any():  # the first of each place passes on the bound of the last, the others have none
        first = np.flatnonzero(np.append(True, ~same))
        last = np.append(first[1:], len(starts)) - 1
        high[first] = high[last]
        rest = np.append(False, same)
        high[rest] = low[rest] = starts[rest]
    return low, np.maximum(low, high)


def _stretches(tracks: WindowTracks, rows: IntArray) -> Iterator[tuple[int, dict[str, Array]]]:
    """Yield stretches of a chromosome without a gap, from left to right: first base, and values by track."""
    order = rows[np.argsort(tracks.start[rows], kind="stable")]
    low, high = nearest_bounds(tracks.start[order], tracks.width_bp)
    for places, values in _in_order(tracks, order):
        yield from _joined(tracks.start[order[places]], low[places], high[places], values)


def _in_order(tracks: WindowTracks, order: IntArray) -> Iterator[tuple[slice, dict[str, Array]]]:
    """Yield places in ``order`` with the values there: a block at a time where the file has this order too."""
    if not len(order):
        return
    size = max(1, _BLOCK_BYTES // tracks.row_bytes)
    if (np.diff(order) > 0).all() and order[-1] - order[0] < 4 * len(order):
        for at in range(0, len(order), size):
            block = order[at : at + size]
            read = tracks.values(slice(int(block[0]), int(block[-1]) + 1))
            yield slice(at, at + len(block)), {name: read[name][block - block[0]] for name in tracks.names}
        return
    yield slice(0, len(order)), _scattered(tracks, order, size)


def _scattered(tracks: WindowTracks, order: IntArray, size: int) -> dict[str, Array]:
    """Read the rows of a whole chromosome, wherever in the file they are, each part of it once."""
    held = {name: np.empty((len(order), tracks.width_bp), dtype=np.float32) for name in tracks.names}
    places = np.argsort(order)
    ordered = order[places]
    for first in range(int(ordered[0]), int(ordered[-1]) + 1, size):
        low, high = np.searchsorted(ordered, (first, first + size))
        if low == high:
            continue
        block = ordered[low:high]
        read = tracks.values(slice(int(block[0]), int(block[-1]) + 1))
        for name, values in held.items():
            values[places[low:high]] = read[name][block - block[0]]
    return held


def _joined(
    starts: IntArray, low: IntArray, high: IntArray, values: Mapping[str, Array]
) -> Iterator[tuple[int, dict[str, Array]]]:
    """Join the parts of neighbouring windows that touch."""
    kept = np.flatnonzero(high > low)
    gaps = np.flatnonzero(low[kept][1:] != high[kept][:-1]) + 1
    for run in np.split(kept, gaps):
        if len(run):
            yield int(low[run[0]]), {name: _cut(starts, low, high, rows, run) for name, rows in values.items()}


def _cut(starts: IntArray, low: IntArray, high: IntArray, values: Array, run: Sequence[int] | IntArray) -> Array:
    return np.concatenate([values[i, low[i] - starts[i] : high[i] - starts[i]] for i in run])


def _check_within(tracks: WindowTracks, assembly: Assembly) -> None:
    chroms, all_starts = tracks.chrom, tracks.start
    for chrom in filter(None, np.unique(chroms).tolist()):
        size = assembly.sizes[assembly.index(chrom)]
        starts = all_starts[chroms == chrom]
        if starts.min() < 0 or starts.max() + tracks.width_bp > size:
            at = int(starts.min() if starts.min() < 0 else starts.max())
            raise GenomeError(
                f"the window {chrom}:{at:,}-{at + tracks.width_bp:,} leaves the chromosome, which has {size:,} bases; "
                "give the chromosome sizes of the genome that was predicted on"
            )
