"""Summarise a bigWig's values bin by bin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyBigWig
from numpy.lib.stride_tricks import sliding_window_view

from kerasac.errors import StoreError
from kerasac.genome.intervals import Spans
from kerasac.store.labels.spec import BinShape, Statistic

FloatArray = npt.NDArray[np.float64]

_READ_BP = 4_000_000  # bases read at a time


def bin_signal(
    file: Path,
    chrom: str,
    first_bp: int,
    bins: Spans,
    shape: BinShape,
    statistic: Statistic,
    *,
    gaps_are_zero: bool,
) -> Iterator[tuple[int, FloatArray]]:
    """Yield (number of the first bin, signal) of stretches that together are ``bins``.

    Bin ``k`` is ``first_bp + k × stride`` … ``+ size`` of the chromosome. The statistic is that of the bases that have
    a value, as in pyBigWig's ``stats(exact=True)``, and 0 where none has one; with ``gaps_are_zero``, bases without a
    value count as 0. The signal is NaN when the file lacks the chromosome.

    seqdataloader's regressions by peaks take it from ``left_flank`` bases before the bin, and by ``stats`` without
    ``exact``: approximately, from zoom levels. To it, bins without a value are ambiguous, and those of a chromosome
    that the file lacks are 0.

    Raises
    ------
    StoreError
        When the file cannot be read, or holds infinite values.
    """
    with pyBigWig.open(str(file)) as bigwig:
        known = chrom in bigwig.chroms()
        for low, high in _stretches(bins, shape):
            if not known:
                yield low, np.full(high - low, np.nan)
                continue
            start = first_bp + low * shape.stride
            values = _values(bigwig, file, chrom, start, start + (high - low - 1) * shape.stride + shape.size)
            yield low, summarise(np.nan_to_num(values) if gaps_are_zero else values, shape, statistic)


def summarise(values: npt.NDArray[np.float32], shape: BinShape, statistic: Statistic) -> FloatArray:
    """Return the statistic of each whole bin along ``values``, (n bases,), NaN where a base has no value.

    ``std`` is that of a sample (n − 1), and 0 of a single value, as in pyBigWig.
    """
    covered = ~np.isnan(values)
    count = _windows(covered, shape).sum(axis=-1, dtype=np.float64)
    if statistic == Statistic.COVERAGE:
        return np.asarray(count / shape.size)
    if statistic in (Statistic.MIN, Statistic.MAX):
        reduce = np.fmin.reduce if statistic == Statistic.MIN else np.fmax.reduce
        return np.nan_to_num(np.asarray(reduce(_windows(values, shape), axis=-1), dtype=np.float64))
    # Summed a bin at a time, not as differences of a running sum: a bin of zeros has to be exactly 0.
    filled = np.where(covered, values, 0).astype(np.float64)
    mean = _windows(filled, shape).sum(axis=-1) / np.maximum(count, 1)
    if statistic == Statistic.MEAN:
        return np.asarray(mean, dtype=np.float64)
    squares = _windows(filled**2, shape).sum(axis=-1) - count * mean**2
    return np.asarray(np.sqrt(np.maximum(squares, 0) / np.maximum(count - 1, 1)) * (count > 1), dtype=np.float64)


def _windows(values: npt.NDArray[Any], shape: BinShape) -> npt.NDArray[Any]:
    return sliding_window_view(values, shape.size)[:: shape.stride]


def _stretches(bins: Spans, shape: BinShape) -> Iterator[tuple[int, int]]:
    """Yield the spans, cut into pieces of about so many bases as are read at a time."""
    step = max(1, _READ_BP // shape.stride)
    for start, end in zip(bins.starts.tolist(), bins.ends.tolist(), strict=True):
        yield from ((low, min(low + step, end)) for low in range(start, end, step))


def _values(bigwig: Any, file: Path, chrom: str, start: int, end: int) -> npt.NDArray[np.float32]:
    try:
        values: npt.NDArray[np.float32] = bigwig.values(chrom, start, end, numpy=True)
    except RuntimeError as error:
        raise StoreError(f"{file} cannot be read at {chrom}:{start}-{end} ({error}); is it whole?") from None
    if np.isinf(values).any():
        raise StoreError(f"{file} holds infinite values on {chrom}; make the bigWig again without them")
    return values
