"""Find where the windows of an experiment may be centred."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kerasac.config import Experiment
from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.intervals import Intervals, Spans, read_bed
from kerasac.store.reader import scan_spans
from kerasac.store.schema import StoreLayout

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Candidates:
    """Where windows may be centred, in genome rows; no window leaves its chromosome.

    ``positions`` (setting 1) is a set of single bases, ``regions`` (setting 2) a list of regions; one of them
    is None; neither has centres in the blacklist or on ambiguous bases. ``background`` are the centres whose output
    window touches no peak, ambiguous region or blacklist. ``test_peaks`` are the centres that are scored. ``skipped`` counts, by reason, the regions that were left out.
    """

    assembly: Assembly
    positions: Spans | None
    regions: Centers | None
    background: Spans
    negatives: Centers | None
    test_peaks: Centers
    skipped: dict[str, int]

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

    def peaks_by_chrom(self) -> dict[str, int]:
        """Count the peaks on each chromosome."""
        return {chrom: self.on([chrom]).n_peaks for chrom in self.assembly.names}


def find_candidates(experiment: Experiment, layout: StoreLayout) -> Candidates:
    """Find the candidates of an experiment over the whole genome.

    Raises
    ------
    GenomeError
        When a chromosome is too short for a window, or a BED file does not fit the genome.
    StoreError
        When the array lacks the attributes of the sampling section.
    """
    return _Search(experiment, layout).run()


class _Search:
    """The steps of :func:`find_candidates`, which share the experiment, the array and the counts of skips."""

    def __init__(self, experiment: Experiment, layout: StoreLayout) -> None:
        self.experiment, self.layout = experiment, layout
        self.assembly = layout.assembly
        self.skipped: dict[str, int] = {}
        self.inner = self._inner_centers()
        blacklist = experiment.genome.blacklist
        self.excluded = self._ambiguous().union(Spans.empty() if blacklist is None else self._spans(blacklist))

    def run(self) -> Candidates:
        sampling = self.experiment.sampling
        positions, regions, negatives = None, None, None
        if sampling.peaks is not None:
            peaks = scan_spans(
                self.layout, sampling.peaks.attribute, self.experiment.datasets, sampling.peaks.threshold
            )
            positions = peaks.intersect(self.inner).subtract(self.excluded)
            self._count_skips("peak positions", peaks.total_bp, positions.total_bp)
        else:
            assert sampling.regions is not None
            spec = sampling.regions
            read = self._read(spec.bed, summits=spec.center == "summit")
            peaks = Spans.from_intervals(read, self.assembly)
            regions = self._usable("regions", _centers(read, spec.center, self.assembly), spec.jitter)
            if sampling.negatives is not None and sampling.negatives.bed is not None:
                bed = self._read(sampling.negatives.bed, summits=False)
                negatives = self._usable("negatives", _centers(bed, "summit", self.assembly), 0)
        return Candidates(
            assembly=self.assembly,
            positions=positions,
            regions=regions,
            background=self._background(peaks),
            negatives=negatives,
            test_peaks=self._test_peaks(positions, regions),
            skipped=self.skipped,
        )

    def _inner_centers(self) -> Spans:
        """Return the centres whose widest window stays on its chromosome."""
        flank = self.experiment.widest_flank
        sizes, offsets = self.assembly.sizes_bp, self.assembly.offsets
        long_enough = sizes >= 2 * flank
        if not long_enough.any():
            longest = int(sizes.max())
            raise GenomeError(
                f"flank {flank:,} makes windows of {2 * flank:,} bases, but the longest chromosome has "
                f"{longest:,}; use a smaller flank"
            )
        return Spans.from_bounds(offsets[long_enough] + flank, (offsets + sizes)[long_enough] - flank + 1)

    def _centers_touching(self, spans: Spans) -> Spans:
        """Return the centres whose widest output window overlaps the spans."""
        flank = self.experiment.output_flank
        return Spans.from_bounds(spans.starts - flank + 1, spans.ends + flank)

    def _ambiguous(self) -> Spans:
        attribute = self.experiment.sampling.ambiguous
        if attribute is None:
            return Spans.empty()
        return scan_spans(self.layout, attribute, self.experiment.datasets, 1)

    def _background(self, peaks: Spans) -> Spans:
        if self.experiment.score.peaks is not None:
            peaks = peaks.union(self._spans(self.experiment.score.peaks))
        return self.inner.subtract(self._centers_touching(peaks.union(self.excluded)))

    def _test_peaks(self, positions: Spans | None, regions: Centers | None) -> Centers:
        path = self.experiment.score.peaks
        if path is not None:
            centers = _centers(self._read(path, summits=True), "summit", self.assembly)
            return self._usable("score.peaks", centers, 0)
        if regions is not None:
            return Centers(regions.middle, regions.middle + 1)
        assert positions is not None
        middle = Centers(positions.starts, positions.ends).middle
        return Centers(middle, middle + 1)

    def _usable(self, what: str, centers: Centers, jitter: int) -> Centers:
        """Drop regions whose windows could leave their chromosome, or that are centred on excluded bases."""
        low, high = centers.low - jitter, centers.high + jitter
        inside = self.inner.contains(low) & self.inner.contains(high - 1)
        clear = inside & ~self.excluded.contains(centers.middle)
        self._count_skips(f"{what} too near chromosome ends", len(centers), int(inside.sum()))
        self._count_skips(f"{what} on ambiguous or blacklisted bases", int(inside.sum()), int(clear.sum()))
        return Centers(centers.low[clear], centers.high[clear])

    def _count_skips(self, what: str, before: int, after: int) -> None:
        if before > after:
            self.skipped[what] = before - after
            logger.info("left out %s %s of %s", f"{before - after:,}", what, f"{before:,}")

    def _read(self, path: Path, *, summits: bool) -> Intervals:
        return read_bed(path, summits=summits).clipped(self.assembly, path)

    def _spans(self, path: Path) -> Spans:
        return Spans.from_intervals(self._read(path, summits=False), self.assembly)


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
