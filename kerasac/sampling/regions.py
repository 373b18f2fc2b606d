"""Find where the windows of an experiment may be centred."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kerasac.cache import ShardMap, in_process
from kerasac.config import Experiment, PeakPositions, RegionSampling
from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.intervals import Intervals, Spans, read_bed, summit_outside
from kerasac.genome.sequence import token_genome
from kerasac.sampling.match_spec import MatchSpec
from kerasac.sampling.negatives import match_negatives
from kerasac.store.scan import scan_spans
from kerasac.store.schema import StoreLayout

_MATCHES = 2  # windows to draw from for each GC-matched one that an epoch has

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Centers:
    """Regions by where their windows may be centred, before jitter: any genome row of ``low … high - 1``.

    ``low`` and ``high`` have shape (n_regions,), int64. A summit has one row; a region with ``center: random``
    has all of its bases.
    """

    low: IntArray
    high: IntArray

    def __len__(self) -> int:
        return len(self.low)

    @property
    def middle(self) -> IntArray:
        """The one centre that a region has when nothing is random."""
        return (self.low + self.high - 1) // 2

    def within(self, spans: Spans) -> Centers:
        """Keep the regions whose middle lies in the spans."""
        keep = spans.contains(self.middle)
        return Centers(self.low[keep], self.high[keep])


@dataclass(frozen=True, eq=False)
class Candidates:
    """Where windows may be centred, in genome rows; no window leaves its chromosome.

    ``positions`` (setting 1) is a set of single bases, ``regions`` (setting 2) a list of regions; one of them
    is None. ``excluded`` are the blacklisted and ambiguous bases: no region's middle is one of them, nor any
    position. ``background`` are the centres whose output window touches no peak and no excluded base,
    ``negatives`` the background regions of a file, if one is given. ``test_peaks`` are the centres that are
    scored. ``skipped`` counts, by reason, what was left out, ``totals`` out of how many; ``repeated`` counts, by
    file, rows that are another row again.
    """

    assembly: Assembly
    positions: Spans | None
    regions: Centers | None
    excluded: Spans
    background: Spans
    negatives: Centers | None
    test_peaks: Centers
    skipped: dict[str, int]
    totals: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)

    def on(self, chroms: Sequence[str]) -> Candidates:
        """Keep what lies on these chromosomes."""
        spans = Spans.of_chromosomes(list(chroms), self.assembly)
        return replace(
            self,
            positions=None if self.positions is None else self.positions.intersect(spans),
            regions=None if self.regions is None else self.regions.within(spans),
            background=self.background.intersect(spans),
            negatives=None if self.negatives is None else self.negatives.within(spans),
            test_peaks=self.test_peaks.within(spans),
        )

    @property
    def n_peaks(self) -> int:
        """Number of peaks: regions in setting 2, runs of peak positions in setting 1."""
        if self.regions is not None:
            return len(self.regions)
        return 0 if self.positions is None else len(self.positions)

    def surroundings(self, reach_bp: int, *, jitter: int) -> Spans:
        """Return all rows within reach of a peak's centre, jittered, of a background region's or a scored peak's."""
        lows, highs = [], []
        if self.positions is not None:
            lows.append(self.positions.starts)
            highs.append(self.positions.ends)
        moved = (self.regions, jitter), (self.negatives, 0), (self.test_peaks, 0)
        for centers, by in ((centers, by) for centers, by in moved if centers is not None):
            lows.append(centers.low - by)
            highs.append(centers.high + by)
        low, high = np.concatenate(lows) - reach_bp, np.concatenate(highs) - 1 + reach_bp
        return Spans.from_bounds(np.maximum(low, 0), np.minimum(high, self.assembly.total_bp))

    def digest(self) -> str:
        """Return 16 hex digits of all centres: what the experiment's BED files and attributes come to."""
        text = hashlib.sha256()
        for spans in (self.positions, self.excluded, self.background):
            for bound in (spans.starts, spans.ends) if spans is not None else ():
                text.update(np.ascontiguousarray(bound).tobytes() + b";")
        for centers in (self.regions, self.negatives, self.test_peaks):
            for bound in (centers.low, centers.high) if centers is not None else ():
                text.update(np.ascontiguousarray(bound).tobytes() + b";")
        return text.hexdigest()[:16]

    def peaks_by_chrom(self) -> dict[str, int]:
        """Count the peaks on each chromosome."""
        # Centres keep a flank from both ends of their chromosome, so no run of positions spans two of them.
        rows = self.regions.middle if self.regions is not None else _starts(self.positions)
        index = np.searchsorted(self.assembly.offsets, rows, side="right") - 1
        counts = np.bincount(index, minlength=len(self.assembly.names))
        return dict(zip(self.assembly.names, counts.tolist(), strict=True))


def find_candidates(experiment: Experiment, layout: StoreLayout, shards: ShardMap = in_process) -> Candidates:
    """Find the candidates of an experiment over the whole genome.

    ``shards`` runs the scan of arrays that do not keep the runs of their peak attributes.

    Raises
    ------
    GenomeError
        When a chromosome is too short for a window, or a BED file does not fit the genome.
    StoreError
        When the array lacks the attributes of the sampling section.
    """
    return _Search(experiment, layout, shards).run()


class _Search:
    """The steps of :func:`find_candidates`, which share the experiment, the array and the counts of skips."""

    def __init__(self, experiment: Experiment, layout: StoreLayout, shards: ShardMap) -> None:
        self.experiment, self.layout, self.shards = experiment, layout, shards
        self.assembly = layout.assembly
        self.skipped: dict[str, int] = {}
        self.totals: dict[str, int] = {}
        self.repeated: dict[str, int] = {}
        self.inner = self._inner_centers()
        self.near_ends = self.inner.complement(self.assembly)
        blacklist = experiment.genome.blacklist
        self.excluded = self._ambiguous().union(Spans.empty() if blacklist is None else self._spans(blacklist))

    def run(self) -> Candidates:
        sampling = self.experiment.sampling
        positions, regions = None, None
        if sampling.peaks is not None:
            peaks, positions = self._positions(sampling.peaks)
        else:
            assert sampling.regions is not None, "SamplingSpec has one of the two"
            peaks, regions = self._regions(sampling.regions)
        background = self._background(peaks)
        return Candidates(
            assembly=self.assembly,
            positions=positions,
            regions=regions,
            excluded=self.excluded,
            background=background,
            negatives=self._negatives(regions, background),
            test_peaks=self._test_peaks(positions, regions),
            skipped=self.skipped,
            totals=self.totals,
            repeated=self.repeated,
        )

    def _positions(self, spec: PeakPositions) -> tuple[Spans, Spans]:
        """Return all peak positions, and those of them where a window may be centred."""
        peaks = self._scan(spec.attribute, spec.threshold)
        positions = peaks.intersect(self.inner).subtract(self.excluded)
        self._count_skips("peak positions", peaks.total_bp, positions.total_bp)
        return peaks, positions

    def _regions(self, spec: RegionSampling) -> tuple[Spans, Centers]:
        """Return all bases of the regions, and where windows of the usable ones may be centred."""
        read = self._regions_of("regions", spec.bed, summits=spec.center == "summit")
        centers = self._centers("regions", read, spec.center)
        return Spans.from_intervals(read, self.assembly), self._usable("regions", centers, jitter=spec.jitter)

    def _negatives(self, regions: Centers | None, background: Spans) -> Centers | None:
        spec = self.experiment.sampling.negatives
        if spec is None or not spec.are_listed:
            return None
        if spec.bed is None:
            assert regions is not None, "negatives belong to regions"
            return self._matched(regions, background, max(1.0, spec.ratio))
        read = self._regions_of("negatives", spec.bed, summits=False)
        return self._usable("negatives", self._centers("negatives", read, "center"))

    def _matched(self, regions: Centers, background: Spans, ratio: float) -> Centers:
        """Find background windows with the GC content of the regions' windows, several for each that is drawn."""
        tokens = token_genome(self.experiment.genome.fasta, self.assembly).open()
        spec = MatchSpec(width_bp=2 * self.experiment.widest_flank, ratio=_MATCHES * ratio)
        found = match_negatives(tokens, self.assembly, background, regions.middle, spec)
        self._count_skips("GC-matched negatives that were not found", found.n_wanted, len(found.centers))
        return Centers(found.centers, found.centers + 1)

    def _inner_centers(self) -> Spans:
        """Return the centres whose widest window stays on its chromosome."""
        flank = self.experiment.widest_flank
        sizes, offsets = self.assembly.sizes_bp, self.assembly.offsets
        long_enough = sizes >= 2 * flank
        if not long_enough.any():
            widest = max((*self.experiment.inputs, *self.experiment.outputs), key=lambda track: track.flank)
            longest = int(sizes.argmax())
            raise GenomeError(
                f"{widest.name} has flank {flank:,}: windows of {2 * flank:,} bases, but the longest chromosome "
                f"({self.assembly.names[longest]}) has {sizes[longest]:,}; use a smaller flank"
            )
        self.short = Spans.of_chromosomes(np.array(self.assembly.names)[~long_enough].tolist(), self.assembly)
        return Spans.from_bounds(offsets[long_enough] + flank, (offsets + sizes)[long_enough] - flank + 1)

    def _centers_touching(self, spans: Spans) -> Spans:
        """Return the centres whose widest output window overlaps the spans."""
        flank = self.experiment.output_flank
        return Spans.from_bounds(spans.starts - flank + 1, spans.ends + flank)

    def _ambiguous(self) -> Spans:
        attribute = self.experiment.sampling.ambiguous
        if attribute is None:
            return Spans.empty()
        return self._scan(attribute, 1)

    def _scan(self, attribute: str, threshold: float) -> Spans:
        return scan_spans(self.layout, attribute, self.experiment.datasets, threshold, shards=self.shards)

    def _background(self, peaks: Spans) -> Spans:
        if self.experiment.score.peaks is not None:
            peaks = peaks.union(self._spans(self.experiment.score.peaks))
        return self.inner.subtract(self._centers_touching(peaks.union(self.excluded)))

    def _test_peaks(self, positions: Spans | None, regions: Centers | None) -> Centers:
        path = self.experiment.score.peaks
        if path is not None:
            read = self._regions_of("score.peaks", path, summits=True)
            return self._usable("score.peaks", self._centers("score.peaks", read, "summit"))
        if regions is None:
            assert positions is not None, "one of the two settings was searched"
            regions = Centers(positions.starts, positions.ends)
        return Centers(regions.middle, regions.middle + 1)

    def _centers(self, what: str, intervals: Intervals, rule: str) -> Centers:
        """Apply a centring rule to regions; those whose summit is not one of their bases are dropped."""
        outside = summit_outside(intervals)
        self._count_skips(f"{what} with a summit outside", len(intervals), int((~outside).sum()))
        return _centers(intervals[~outside], rule, self.assembly)

    def _usable(self, what: str, centers: Centers, *, jitter: int = 0) -> Centers:
        """Drop regions whose windows could leave their chromosome, or that are centred on excluded bases."""
        # Overlap, not both ends inside: with a wide jitter the two could lie on neighbouring chromosomes.
        inside = ~self.near_ends.overlaps(centers.low - jitter, centers.high + jitter)
        on_short = self.short.contains(centers.middle)
        self._count_skips(f"{what} on chromosomes shorter than a window", len(centers), int((~on_short).sum()))
        clear = inside & ~self.excluded.contains(centers.middle)
        self._count_skips(f"{what} too near chromosome ends", int((~on_short).sum()), int(inside.sum()))
        self._count_skips(f"{what} on ambiguous or blacklisted bases", int(inside.sum()), int(clear.sum()))
        return Centers(centers.low[clear], centers.high[clear])

    def _count_skips(self, what: str, before: int, after: int) -> None:
        if before > after:
            self.skipped[what], self.totals[what] = before - after, before
            logger.info("left out %s %s of %s", f"{before - after:,}", what, f"{before:,}")

    def _regions_of(self, what: str, path: Path, *, summits: bool) -> Intervals:
        """Read regions that windows are made of, and count what is odd about them."""
        read = read_bed(path, summits=summits)
        if not len(read):
            raise GenomeError(f"{path} holds no interval; check what wrote it")
        n_repeated = len(read) - read.distinct()
        if n_repeated:
            self.repeated[what] = n_repeated
        known = read.known(self.assembly, path)
        self._count_skips(f"{what} on chromosomes that the genome lacks", len(read), len(known))
        return known.clipped(self.assembly, path)

    def _spans(self, path: Path) -> Spans:
        """Read a set of bases; an empty file is the empty set."""
        read = read_bed(path).known(self.assembly, path).clipped(self.assembly, path)
        return Spans.from_intervals(read, self.assembly)


def _starts(spans: Spans | None) -> IntArray:
    return np.empty(0, np.int64) if spans is None else spans.starts


def _centers(intervals: Intervals, rule: str, assembly: Assembly) -> Centers:
    """Apply a centring rule to regions; the order of the file is kept."""
    offset = intervals.offsets(assembly)
    start, end = intervals.start + offset, intervals.end + offset
    if rule == "random":
        return Centers(start, end)
    if rule == "edges":
        both = np.stack([start, end - 1], axis=1).reshape(-1)
        return Centers(both, both + 1)
    middle = (start + end) // 2
    if rule == "summit":
        middle = np.where(intervals.summit >= 0, intervals.summit + offset, middle)
    return Centers(middle, middle + 1)
