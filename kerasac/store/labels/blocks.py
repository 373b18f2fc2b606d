"""Label one stretch of bins of one task."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.errors import StoreError
from kerasac.genome.intervals import Spans
from kerasac.store.labels.bin_signal import FloatArray, bin_signal
from kerasac.store.labels.spec import Approach, LabelSpec, Transform


class Block(NamedTuple):
    """Consecutive bins of a chromosome, numbered from 0, the first of which starts at ``first_bp``."""

    spec: LabelSpec
    bigwig: Path | None
    chrom: str
    first_bp: int
    n_bins: int
    marked: Spans
    ambiguous: Spans


def label_block(block: Block) -> npt.NDArray[np.float32]:
    """Return the labels, shape (n_bins,), NaN where ambiguous.

    Bins that are not marked are 0 before the transform, which in a regression by peaks they undergo as the others do.

    Raises
    ------
    StoreError
        When the bigWig cannot be read, or its values have no logarithm.
    """
    labels = np.zeros(block.n_bins)
    if block.spec.approach.is_classification:
        labels[_members(block.marked, block.n_bins)] = 1
    else:
        _fill_signal(labels, block)
        labels = _transformed(labels, block)
    labels[_members(block.ambiguous, block.n_bins)] = np.nan
    return labels.astype(np.float32)


def _fill_signal(labels: FloatArray, block: Block) -> None:
    assert block.bigwig is not None, "check_tasks has seen to it"
    all_bins = block.spec.approach == Approach.ALL_BINS_REGRESSION
    shape, statistic = block.spec.bins, block.spec.statistic
    for low, signal in bin_signal(
        block.bigwig, block.chrom, block.first_bp, block.marked, shape, statistic, gaps_are_zero=all_bins
    ):
        labels[low : low + len(signal)] = signal


def _transformed(signal: FloatArray, block: Block) -> FloatArray:
    transform, pseudocount = block.spec.transform, block.spec.pseudocount
    if transform == Transform.NONE:
        return signal
    if transform == Transform.ASINH:
        return np.asarray(np.arcsinh(signal))
    if (signal + pseudocount <= 0).any():
        raise StoreError(
            f"the signal of a bin of {block.chrom} in {block.bigwig} is {np.nanmin(signal):g}, and {transform} of"
            f" signal + {pseudocount:g} is not a number; take a larger pseudocount, or another transform"
        )
    log = np.log10 if transform == Transform.LOG10 else np.log
    return np.asarray(log(signal + pseudocount))


def _members(bins: Spans, n_bins: int) -> npt.NDArray[np.bool_]:
    """Return the set as flags, shape (n_bins,)."""
    steps = np.zeros(n_bins + 1, dtype=np.int8)
    steps[bins.starts] = 1  # spans of a set do not touch, so no bound is written twice
    steps[bins.ends] = -1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)
