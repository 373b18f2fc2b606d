"""Choose background windows whose GC content is that of peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.errors import SamplingError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.gc import FloatArray, count_bases
from kerasac.genome.intervals import Spans
from kerasac.genome.sequence import TokenArray
from kerasac.sampling.allotment import allot
from kerasac.sampling.free_windows import candidate_windows
from kerasac.sampling.match_spec import REACH, MatchSpec


class GcCounts(NamedTuple):
    """Windows by GC content, in bins of ``MatchSpec.bin_width`` from 0 on; each (n_bins,) int64.

    ``wanted`` and ``missing`` are the negatives that peaks of this GC content want, and do not get.
    """

    candidates: IntArray
    wanted: IntArray
    missing: IntArray


class ChromCounts(NamedTuple):
    """What was wanted and found on a chromosome; GC contents are means, NaN of nothing."""

    chrom: str
    n_peaks: int
    n_candidates: int
    n_wanted: int
    n_found: int
    gc_peaks: float
    gc_negatives: float


@dataclass(frozen=True, eq=False)
class Negatives:
    """Background windows in genome order: genome rows of their centres, (n,) int64, and GC content, (n,) float64.

    ``n_overlapping`` of them share a base with another. ``peak_gc`` (n_peaks,) float64 is of the peaks that were
    matched, in their order; ``n_off_chromosome`` peaks, whose window leaves their chromosome, and ``n_unknown``, whose
    window is all N, were not. ``chroms`` are those with peaks or negatives.
    """

    centers: IntArray
    gc: FloatArray
    n_overlapping: int
    peak_gc: FloatArray
    n_off_chromosome: int
    n_unknown: int
    by_gc: GcCounts
    chroms: tuple[ChromCounts, ...]

    @property
    def n_wanted(self) -> int:
        """Negatives that were asked for: ratio × peaks."""
        return int(self.by_gc.wanted.sum())

    @property
    def n_missing(self) -> int:
        """Negatives for which no candidate was left."""
        return int(self.by_gc.missing.sum())


def match_negatives(
    tokens: TokenArray, assembly: Assembly, allowed: Spans, peaks: IntArray, spec: MatchSpec
) -> Negatives:
    """Draw background windows with the GC contents of peaks: a pure function of what it is given.

    ``peaks`` (n,) are genome rows of centres, in any order, each as often as it counts; ``allowed`` the centres that a
    background window may have, none of whose windows leaves its chromosome. Of all choices from the candidates, one
    with the fewest missing and then the least difference in GC content, to a tenth of the tolerance, is drawn; of
    equals, those that do not overlap come first. Time grows with the bases of the genome, the candidates and the peaks.

    Raises
    ------
    SamplingError
        When there is no peak to match.
    """
    found = _read_peaks(tokens, assembly, peaks, spec)
    if not len(found.gc):
        raise SamplingError(
            f"none of {len(peaks):,} peaks has a window of {spec.width_bp:,} bases, known ones among them, on its "
            "chromosome; use a smaller width"
        )
    if not found.wanted.any():
        raise SamplingError(f"{spec.ratio:g} negatives for each of {len(found.gc):,} peaks is none; use a larger ratio")
    everywhere = range(len(assembly.names))
    groups = [everywhere] if spec.across_chromosomes else [range(i, i + 1) for i in np.unique(found.chrom).tolist()]
    draws = [_draw(tokens, assembly, allowed, found, spec, group) for group in groups]
    starts = np.concatenate([draw.starts for draw in draws])
    gc = np.concatenate([draw.gc for draw in draws])
    n_candidates = np.zeros(len(assembly.names), np.int64)
    for group, draw in zip(groups, draws, strict=True):
        n_candidates[group.start : group.stop] = draw.n_candidates
    return Negatives(
        centers=starts + spec.half_bp,
        gc=gc,
        n_overlapping=_n_overlapping(starts, spec.width_bp),
        peak_gc=found.gc,
        n_off_chromosome=found.n_off_chromosome,
        n_unknown=found.n_unknown,
        by_gc=GcCounts(*np.sum([draw.by_gc for draw in draws], axis=0)),
        chroms=_by_chrom(assembly, found, starts, gc, n_candidates),
    )


class _Peaks(NamedTuple):
    """Peaks whose GC content is known: index of the chromosome, GC content, negatives wanted; each (n_peaks,)."""

    chrom: IntArray
    gc: FloatArray
    wanted: IntArray
    n_off_chromosome: int
    n_unknown: int


class _Pool(NamedTuple):
    """Windows that may be drawn on a chromosome, each (n,): small types, as a genome has tens of millions of them."""

    starts: IntArray
    gc: FloatArray
    bins: npt.NDArray[np.uint16]
    level: npt.NDArray[np.uint32]


class _Draw(NamedTuple):
    """Windows drawn on some chromosomes, in genome order, and how many candidates each chromosome has."""

    starts: IntArray
    gc: FloatArray
    by_gc: GcCounts
    n_candidates: list[int]


def _read_peaks(tokens: TokenArray, assembly: Assembly, centers: IntArray, spec: MatchSpec) -> _Peaks:
    chrom = _chrom_of(assembly, centers)
    starts = centers - spec.half_bp
    first = assembly.offsets[chrom]
    inside = (starts >= first) & (starts + spec.width_bp <= first + assembly.sizes_bp[chrom])
    gc = count_bases(tokens, starts[inside], spec.width_bp).gc_content
    known = ~np.isnan(gc)
    chrom, gc = chrom[inside][known], gc[known]
    return _Peaks(chrom, gc, _wanted(chrom, gc, spec.ratio), int((~inside).sum()), int((~known).sum()))


def _wanted(chrom: IntArray, gc: FloatArray, ratio: float) -> IntArray:
    """Deal out ``ratio`` negatives a peak to peaks in order of chromosome and GC content, rounding their running sum.

    So 0.1 a peak is one for every ten neighbours.
    """
    upto = np.floor(np.arange(len(gc) + 1) * ratio + 0.5).astype(np.int64)
    wanted = np.empty(len(gc), np.int64)
    wanted[np.lexsort((gc, chrom))] = np.diff(upto)
    return wanted


def _draw(
    tokens: TokenArray, assembly: Assembly, allowed: Spans, peaks: _Peaks, spec: MatchSpec, chroms: range
) -> _Draw:
    """Draw windows on some chromosomes for the peaks on them."""
    rng = np.random.default_rng([spec.seed, chroms.start])
    pools = [_pool(tokens, assembly, chrom, allowed, spec, rng) for chrom in chroms]
    starts, gc, bins, level = (np.concatenate(column) for column in zip(*pools, strict=True))
    ours = (peaks.chrom >= chroms.start) & (peaks.chrom < chroms.stop)
    demand = np.bincount(spec.bins(peaks.gc[ours]), peaks.wanted[ours], minlength=spec.n_bins).astype(np.int64)
    supply = np.bincount(bins, minlength=spec.n_bins)
    met, taken = allot(demand, supply, REACH)
    chosen = np.sort(_choose(bins, level, taken, rng))
    by_gc = GcCounts(supply, demand, demand - met)
    return _Draw(starts[chosen], gc[chosen], by_gc, [len(pool.starts) for pool in pools])


def _pool(
    tokens: TokenArray, assembly: Assembly, chrom: int, allowed: Spans, spec: MatchSpec, rng: np.random.Generator
) -> _Pool:
    first = assembly.offsets[chrom]
    low, high = np.searchsorted(allowed.starts, [first, first + assembly.sizes_bp[chrom]])
    centers = Spans(allowed.starts[low:high], allowed.ends[low:high])
    starts, level = candidate_windows(centers, spec.width_bp, spec.stride, rng)
    bases = count_bases(tokens, starts, spec.width_bp)
    known = bases.unknown <= spec.max_unknown * spec.width_bp
    gc = bases.gc_content[known]
    return _Pool(starts[known], gc, spec.bins(gc).astype(np.uint16), level[known].astype(np.uint32))


def _choose(
    bins: npt.NDArray[np.uint16], level: npt.NDArray[np.uint32], taken: IntArray, rng: np.random.Generator
) -> IntArray:
    """Draw ``taken`` of the candidates of each bin, the lowest levels first; return their indices."""
    order = np.argsort(bins, kind="stable")  # 16 bits are sorted in linear time
    members = np.split(order, np.cumsum(np.bincount(bins, minlength=len(taken)))[:-1])
    drawn = [np.empty(0, np.int64)]
    for at, n in ((members[i], taken[i]) for i in np.flatnonzero(taken)):
        drawn.append(at[np.argpartition(level[at] + rng.random(len(at)), n - 1)[:n]])
    return np.concatenate(drawn)


def _n_overlapping(ordered: IntArray, width_bp: int) -> int:
    close = np.diff(ordered) < width_bp
    return int((np.append(close, False) | np.append(False, close)).sum())


def _by_chrom(
    assembly: Assembly, peaks: _Peaks, starts: IntArray, gc: FloatArray, n_candidates: IntArray
) -> tuple[ChromCounts, ...]:
    n_chroms = len(assembly.names)
    chrom = _chrom_of(assembly, starts)
    n_peaks, n_found = (np.bincount(index, minlength=n_chroms) for index in (peaks.chrom, chrom))
    n_wanted = np.bincount(peaks.chrom, peaks.wanted, minlength=n_chroms).astype(np.int64)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the mean of nothing
        gc_peaks = np.bincount(peaks.chrom, peaks.gc, minlength=n_chroms) / n_peaks
        gc_negatives = np.bincount(chrom, gc, minlength=n_chroms) / n_found
    columns = (n_peaks, n_candidates, n_wanted, n_found, gc_peaks, gc_negatives)
    rows = zip(assembly.names, *(column.tolist() for column in columns), strict=True)
    return tuple(row for row in (ChromCounts(*row) for row in rows) if row.n_peaks or row.n_found)


def _chrom_of(assembly: Assembly, rows: IntArray) -> IntArray:
    return np.searchsorted(assembly.offsets, rows, side="right") - 1
