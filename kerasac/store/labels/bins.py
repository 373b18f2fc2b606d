"""Lay a grid of bins over a genome."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.store.labels.spec import BinShape


class Windows(NamedTuple):
    """Rows of a label file, each (n,) int64: chromosome index, and start and end of the bin with its flanks."""

    chrom_index: IntArray
    start: IntArray
    end: IntArray


@dataclass(frozen=True)
class BinGrid:
    """All bins whose window lies on its chromosome, numbered through the genome from 0.

    The window of a chromosome's bin ``k`` starts at ``k × stride``, its bin at ``k × stride + left_flank``: the rows of
    seqdataloader's ``genomewide_labels`` (``get_indices``). That leaves out the last bin of some chromosomes where
    ``left_flank`` is no multiple of ``stride``, and always a chromosome's only one; here they are labelled too.
    """

    assembly: Assembly
    shape: BinShape

    def __post_init__(self) -> None:
        if not self.total:
            raise StoreError(
                f"no chromosome is as long as one bin with its flanks ({self.shape.window_bp:,} bases);"
                " give smaller bins or flanks"
            )

    @cached_property
    def n_bins(self) -> IntArray:
        """Bins of each chromosome, shape (n_chroms,), int64."""
        fitting: IntArray = (self.assembly.sizes_bp - self.shape.window_bp) // self.shape.stride + 1
        return np.maximum(fitting, 0)

    @cached_property
    def bounds(self) -> IntArray:
        """Number of the first bin of each chromosome, and of one past the last, shape (n_chroms + 1,), int64."""
        return np.concatenate([[0], np.cumsum(self.n_bins)]).astype(np.int64)

    @property
    def total(self) -> int:
        """Bins in the whole genome."""
        return int(self.n_bins.sum())

    @property
    def too_short(self) -> list[str]:
        """Names of the chromosomes without a bin."""
        return [name for name, n in zip(self.assembly.names, self.n_bins.tolist(), strict=True) if n == 0]

    def windows(self, low: int, high: int) -> Windows:
        """Return the windows of bins ``low … high - 1``."""
        numbers = np.arange(low, high, dtype=np.int64)
        chrom_index = np.searchsorted(self.bounds, numbers, side="right") - 1
        start = (numbers - self.bounds[chrom_index]) * self.shape.stride
        return Windows(chrom_index, start, start + self.shape.window_bp)

    def starting_between(
        self, chrom_index: IntArray, first: IntArray, last: IntArray, *, margin: int = 0
    ) -> tuple[IntArray, IntArray]:
        """Return half-open bounds (low, high) of the bins that start at ``first … last`` of a chromosome, both ends in.

        ``margin`` bins are added on either side. All arrays are (n,) int64; what is off the chromosome is cut off.
        """
        stride, flank = self.shape.stride, self.shape.left_flank
        n_bins, offset = self.n_bins[chrom_index], self.bounds[chrom_index]
        low = -((flank - first) // stride) - margin  # rounded up
        high = (last - flank) // stride + 1 + margin
        return offset + np.clip(low, 0, n_bins), offset + np.clip(high, 0, n_bins)
