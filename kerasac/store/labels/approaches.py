"""Find the bins that a task's peaks and ambiguous regions mark.

What seqdataloader does was read in its source (``seqdataloader/labelgen``, version 1.2), and its program was run.

*Summit*: an interval marks the bins whose start lies in ``summit − bin_size … summit``, both ends included: also the
bin that ends right before its summit. *Overlap*: it marks the bins that share ``round(overlap × min(bin_size, length of
the interval))`` bases or more with it. With ambiguous bins allowed, the next bin on either side of the marked ones is
ambiguous (classification), or gets its signal too (regression); then all bins that a task's ambiguous regions mark, by
the same rule, are ambiguous.

Here it is otherwise where seqdataloader's labels are wrong or hang on the order of a file:

- it cuts peaks at the first and last bin's start, which moves summits and loses peaks in a chromosome's last bin; here
  peaks count as they are;
- a bin beside one peak's bins that another peak marks is ambiguous when the latter comes first in the file, else
  positive; here it is positive;
- by overlap, a peak that starts before the first bin marks none (the bin counter stands still); here it marks its own;
- by summit, a chromosome's first and last bin are never ambiguous for being beside a marked one; here they are;
- its regression by overlap marks bins by another rule (``(start − overlap × bin_size) // stride``: from a quarter of
  the bin); here by that of the classification, as its documentation says;
- it takes the end of a BED3 ambiguous region for a summit's offset, which marks bins somewhere else; here a region
  without a summit column makes every bin that it touches ambiguous.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly, IntArray, open_text
from kerasac.genome.intervals import NARROWPEAK_SUMMIT, Intervals, Spans, read_bed, summit_outside
from kerasac.store.labels.bins import BinGrid
from kerasac.store.labels.spec import LabelSpec
from kerasac.store.labels.tasks import LabelTask

logger = logging.getLogger(__name__)


class TaskBins(NamedTuple):
    """Sets of a grid's bin numbers: those that get a 1 or their signal, and those that are ambiguous in the end."""

    marked: Spans
    ambiguous: Spans


def find_bins(task: LabelTask, spec: LabelSpec, grid: BinGrid, genome: Assembly) -> TaskBins:
    """Return the bins that a task's files mark.

    Parameters
    ----------
    genome: all chromosomes that the files may name; the grid may leave some out.

    Raises
    ------
    GenomeError, StoreError
        When a file cannot be read, is of another assembly, or its peaks have no summits where they are needed.
    """
    regions = Spans.empty()
    if spec.ambiguous and task.ambiguous is not None:
        regions = _ambiguous_regions(task.ambiguous, spec, grid, genome)
    if not spec.approach.needs_peaks:
        return TaskBins(Spans.from_bounds(np.array([0]), np.array([grid.total])), regions)
    assert task.peaks is not None, "check_tasks has seen to it"
    if spec.approach.needs_summits and not _has_summits(task.peaks):
        raise StoreError(
            f"{task.peaks} (task {task.name}) has no summit column; {spec.approach} needs a narrowPeak file"
            " (10 columns). For other BED files take one of the peak_percent_overlap_… approaches"
        )
    peaks = _read(task.peaks, genome, summits=spec.approach.needs_summits)
    marked = _marked(peaks, spec, grid)
    if not spec.ambiguous:
        return TaskBins(marked, regions)
    with_neighbours = _marked(peaks, spec, grid, margin=1)
    if spec.approach.is_classification:
        return TaskBins(marked, with_neighbours.subtract(marked).union(regions))
    return TaskBins(with_neighbours, regions)


def _ambiguous_regions(file: Path, spec: LabelSpec, grid: BinGrid, genome: Assembly) -> Spans:
    if spec.approach.by_overlap or _has_summits(file):
        return _marked(_read(file, genome, summits=not spec.approach.by_overlap), spec, grid)
    regions = _read(file, genome, summits=False)
    return _bins(regions, grid, *_overlapping(regions, grid, np.ones(len(regions), dtype=np.int64)))


def _marked(intervals: Intervals, spec: LabelSpec, grid: BinGrid, *, margin: int = 0) -> Spans:
    size = grid.shape.size
    if not spec.approach.by_overlap:
        return _bins(intervals, grid, intervals.summit - size, intervals.summit, margin=margin)
    needed = np.rint(spec.overlap * np.minimum(size, intervals.end - intervals.start)).astype(np.int64)
    return _bins(intervals, grid, *_overlapping(intervals, grid, np.maximum(needed, 1)), margin=margin)


def _overlapping(intervals: Intervals, grid: BinGrid, needed_bp: IntArray) -> tuple[IntArray, IntArray]:
    """Return the first and last start of a bin that shares so many bases with each interval."""
    return intervals.start - grid.shape.size + needed_bp, intervals.end - needed_bp


def _bins(intervals: Intervals, grid: BinGrid, first: IntArray, last: IntArray, *, margin: int = 0) -> Spans:
    """Return the bins that start at ``first … last`` of the intervals' chromosomes, where the grid has these."""
    chrom_index = intervals.chrom_index(grid.assembly)
    on_grid = chrom_index >= 0
    return Spans.from_bounds(*grid.starting_between(chrom_index[on_grid], first[on_grid], last[on_grid], margin=margin))


def _read(file: Path, genome: Assembly, *, summits: bool) -> Intervals:
    """Read intervals; those on other chromosomes, and those whose summit is not in them, are skipped and counted."""
    intervals = read_bed(file, summits=summits).known(genome, file).clipped(genome, file)
    outside = summit_outside(intervals)
    if outside.any():
        logger.warning("%s: %d intervals skipped, whose summits are outside them", file, outside.sum())
    return intervals[~outside]


def _has_summits(file: Path) -> bool:
    """Whether the first interval of a BED file has narrowPeak's summit column; true of an empty file."""
    with open_text(file) as lines:
        rows = (line for line in lines if line.strip() and not line.startswith(("#", "track", "browser")))
        return len(next(rows, "\t" * NARROWPEAK_SUMMIT).split("\t")) > NARROWPEAK_SUMMIT
