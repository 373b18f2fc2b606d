"""Weigh the counts loss against the profile loss, as kerasAC does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kerasac.cache import ShardMap, in_process
from kerasac.errors import SamplingError, StoreError
from kerasac.genome.intervals import BoolArray, Spans
from kerasac.sampling.plan import Plan
from kerasac.steps.prepare import PreparedWindows
from kerasac.steps.prepared import Prepared
from kerasac.store.scan import scan_spans
from kerasac.store.schema import StoreLayout
from kerasac.store.slabs import Track
from kerasac.store.window_totals import window_totals

FloatArray = npt.NDArray[np.float64]

DIVISOR = 10  # kerasAC: the counts loss weighs a tenth of the median counts
_PEAKS = 20_000  # of one unit, spread evenly; a median over more windows changes nothing that matters


@dataclass(frozen=True)
class CountsWindows:
    """Which windows of an array a weight is made of.

    Centres are all positions where ``peaks`` reaches ``threshold`` in the dataset and ``ambiguous`` is not set, on
    ``chroms`` (none = all). ``min_log_counts`` and ``max_log_counts`` bound ln(counts) of the windows that count.
    """

    dataset: str
    counts: tuple[str, ...]
    flank: int
    peaks: str
    threshold: float = 1.0
    ambiguous: str | None = None
    chroms: tuple[str, ...] = ()
    min_log_counts: float | None = None
    max_log_counts: float | None = None


@dataclass(frozen=True)
class CountsWeight:
    """A weight, and the windows behind it."""

    weight: float
    median_counts: float
    n_windows: int


def array_weight(layout: StoreLayout, windows: CountsWindows, shards: ShardMap = in_process) -> CountsWeight:
    """Return median(window counts) / 10 over all peak positions of an array (``kerasAC_loss_weights_bpnet``).

    Raises
    ------
    StoreError, GenomeError
        When the array has no such dataset, attribute or chromosome.
    SamplingError
        When no window is left, or the median has no counts.
    """
    layout.dataset_index(windows.dataset)
    layout.require_attributes([*windows.counts, windows.peaks, *([windows.ambiguous] if windows.ambiguous else [])])
    if windows.flank < 1:
        raise StoreError(f"the flank is {windows.flank} bases; windows need at least 1 on each side")
    totals = window_totals(
        layout,
        [Track(windows.dataset, attribute) for attribute in windows.counts],
        _centers(layout, windows, shards),
        windows.flank,
    )
    kept = totals[_within(totals, windows)]
    if not len(kept):
        raise SamplingError(
            f"no window is left of {len(totals):,} at {windows.peaks} >= {windows.threshold:g}; lower the threshold, "
            "widen the range of log counts, or name other chromosomes"
        )
    return _weight(kept, f"{windows.peaks} >= {windows.threshold:g} of {windows.dataset}")


def unit_weight(prepared: Prepared, plan: Plan, output: str) -> CountsWeight:
    """Return the weight of a counts output for one fold and seed: median counts of its training peaks / 10.

    Raises
    ------
    SamplingError
        When the median peak has no counts.
    """
    assert isinstance(prepared, PreparedWindows), "only windows of tracks have counts"
    totals = prepared.source.total_counts(plan.train_peaks(_PEAKS), output)
    return _weight(totals, f"the training peaks of fold {plan.fold.index}, output {output}")


def _weight(totals: FloatArray, where: str) -> CountsWeight:
    median = float(np.median(totals))
    if median <= 0:
        raise SamplingError(
            f"loss.counts: the median window of {where} has {median:g} counts; check the source, or give the weight "
            "as a number"
        )
    return CountsWeight(median / DIVISOR, median, len(totals))


def _centers(layout: StoreLayout, windows: CountsWindows, shards: ShardMap) -> Spans:
    centers = scan_spans(layout, windows.peaks, [windows.dataset], windows.threshold, shards=shards)
    if windows.ambiguous is not None:
        centers = centers.subtract(scan_spans(layout, windows.ambiguous, [windows.dataset], 1, shards=shards))
    if windows.chroms:
        centers = centers.intersect(Spans.of_chromosomes(windows.chroms, layout.assembly))
    return centers


def _within(totals: FloatArray, windows: CountsWindows) -> BoolArray:
    low, high = windows.min_log_counts, windows.max_log_counts
    passed = np.ones(len(totals), dtype=bool)
    with np.errstate(divide="ignore"):  # no counts: the logarithm is below any bound
        logs = np.log(totals)
    if low is not None:
        passed &= logs >= low
    if high is not None:
        passed &= logs <= high
    return passed


def counts_outputs(prepared: Prepared) -> Sequence[str]:
    """Return the names of the outputs that have a counts loss."""
    return [port.name for port in prepared.contract.outputs if port.role == "counts"]
