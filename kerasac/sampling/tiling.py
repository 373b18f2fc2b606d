"""Cover peaks with windows of one width."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.centering import Center
from kerasac.genome.intervals import BoolArray
from kerasac.sampling.tiling_spec import Edges, Overlaps, TilingSpec


class Tiling(NamedTuple):
    """Windows in the order of the peaks, from left to right in each.

    ``starts`` (n,) int64, genome rows. ``n_shifted`` windows were moved into their chromosome, ``n_dropped`` left it
    and were left out, or their chromosome is shorter than a window. ``n_overlapping`` were left out for others.
    """

    starts: IntArray
    n_shifted: int
    n_dropped: int
    n_overlapping: int


def tile_peaks(assembly: Assembly, starts: IntArray, ends: IntArray, centers: IntArray, spec: TilingSpec) -> Tiling:
    """Cover peaks, genome rows ``start … end - 1`` with a centre each, all (n,), with windows."""
    firsts, counts = _grids(starts, ends, centers, spec)
    windows = np.repeat(firsts, counts) + spec.stride * _ranks(counts)
    chrom = np.repeat(np.searchsorted(assembly.offsets, starts, side="right") - 1, counts)
    first, last = assembly.offsets[chrom], (assembly.offsets + assembly.sizes_bp)[chrom] - spec.width_bp
    inside = (windows >= first) & (windows <= last)
    kept = inside if spec.edges is Edges.DROP else first <= last
    shifted = np.clip(windows, first, last)[kept]
    alone = _without_overlaps(shifted, spec)
    return Tiling(
        starts=shifted[alone],
        n_shifted=int((kept & ~inside).sum()),
        n_dropped=int((~kept).sum()),
        n_overlapping=int((~alone).sum()),
    )


def _grids(starts: IntArray, ends: IntArray, centers: IntArray, spec: TilingSpec) -> tuple[IntArray, IntArray]:
    """Return each peak's first window and number of windows."""
    width, stride = spec.width_bp, spec.stride
    if spec.one_a_peak:
        return centers - width // 2, np.ones_like(centers)
    if spec.center is Center.CENTER:
        extra = _steps(ends - starts - width, stride)
        return centers - (width + extra * stride) // 2, extra + 1
    middle = centers - width // 2
    before, after = _steps(middle - starts, stride), _steps(ends - middle - width, stride)
    return middle - before * stride, before + 1 + after


def _steps(uncovered_bp: IntArray, stride_bp: int) -> IntArray:
    """Return how many strides reach over so many bases; none where they are covered."""
    steps: IntArray = -(-np.maximum(uncovered_bp, 0) // stride_bp)
    return steps


def _ranks(counts: IntArray) -> IntArray:
    """Return 0, 1, … for each group of so many."""
    return np.asarray(np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts), np.int64)


def _without_overlaps(starts: IntArray, spec: TilingSpec) -> BoolArray:
    """Return which windows are kept."""
    kept = np.ones(len(starts), dtype=bool)
    if spec.overlaps is Overlaps.KEEP or not len(starts):
        return kept
    kept[:] = False
    distinct, where = np.unique(starts, return_index=True)
    if spec.overlaps is Overlaps.NONE:
        where = where[_first_apart(distinct, spec.width_bp)]
    kept[where] = True
    return kept


def _first_apart(ordered: IntArray, width_bp: int) -> BoolArray:
    """Return which of the sorted starts are met by going from the first to the next that is a width away, and so on."""
    n = len(ordered)
    jump = np.append(np.searchsorted(ordered, ordered + width_bp), n)  # n: past the last
    met = np.zeros(n + 1, dtype=bool)
    met[0] = True
    # Jumps of 1, 2, 4, … windows in turn: each round doubles how far the chain is known.
    for _ in range(n.bit_length()):
        met[jump[met]] = True
        jump = jump[jump]
    return met[:n]
