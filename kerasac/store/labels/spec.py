"""Say what a bin is, how it gets its label, and in which format labels are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from kerasac.errors import StoreError


class Approach(StrEnum):
    """The five labelling approaches, under seqdataloader's names.

    ``…classification`` labels bins 1 or 0. ``…regression`` gives them the signal of a bigWig: ``peak_…`` to the same
    bins as the classification of that name and 0 to all others, ``all_genome_bins_…`` to every bin.
    """

    SUMMIT_CLASSIFICATION = "peak_summit_in_bin_classification"
    OVERLAP_CLASSIFICATION = "peak_percent_overlap_with_bin_classification"
    SUMMIT_REGRESSION = "peak_summit_in_bin_regression"
    OVERLAP_REGRESSION = "peak_percent_overlap_with_bin_regression"
    ALL_BINS_REGRESSION = "all_genome_bins_regression"

    @property
    def is_classification(self) -> bool:
        """Whether labels are 0 and 1."""
        return self in (Approach.SUMMIT_CLASSIFICATION, Approach.OVERLAP_CLASSIFICATION)

    @property
    def by_overlap(self) -> bool:
        """Whether intervals mark the bins that they overlap, rather than those that hold their summit."""
        return self in (Approach.OVERLAP_CLASSIFICATION, Approach.OVERLAP_REGRESSION)

    @property
    def needs_peaks(self) -> bool:
        """Whether every task needs a peak file."""
        return self != Approach.ALL_BINS_REGRESSION

    @property
    def needs_summits(self) -> bool:
        """Whether every task's peaks need summits."""
        return self.needs_peaks and not self.by_overlap

    @property
    def needs_bigwig(self) -> bool:
        """Whether every task needs a bigWig."""
        return not self.is_classification


class Statistic(StrEnum):
    """What of a bin's bigWig values is its signal, as in pyBigWig's ``stats``."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COVERAGE = "coverage"
    STD = "std"


class Transform(StrEnum):
    """What is done to a bin's signal: log and log10 after a pseudocount is added."""

    NONE = "none"
    ASINH = "asinh"
    LOG10 = "log10"
    LOG = "log"


class FileType(StrEnum):
    """Format of a label file; all but HDF5 are tab-separated text."""

    HDF5 = "hdf5"
    GZIP = "gzip"
    BZ2 = "bz2"
    TSV = "tsv"


@dataclass(frozen=True)
class BinShape:
    """Measures of the bins, in bases.

    A model sees the bin with its flanks; peaks and signal are looked at in the bin alone.
    """

    size: int = 200
    stride: int = 50
    left_flank: int = 400
    right_flank: int = 400

    def __post_init__(self) -> None:
        for name in ("size", "stride"):
            if getattr(self, name) < 1:
                raise StoreError(f"the bin {name} is {getattr(self, name)}; give at least 1 base")
        for name in ("left_flank", "right_flank"):
            if getattr(self, name) < 0:
                raise StoreError(f"the {name.replace('_', ' ')} is {getattr(self, name)}; give 0 or more bases")

    @property
    def window_bp(self) -> int:
        """Length of a row's window: the bin with both flanks."""
        return self.left_flank + self.size + self.right_flank


@dataclass(frozen=True)
class LabelSpec:
    """How bins are labelled. ``transform``, ``pseudocount`` and ``statistic`` are for regression.

    ``overlap`` is the part of the bin, or of the interval when that is shorter, that has to overlap. With
    ``ambiguous``, bins beside the marked ones are ambiguous (classification) or get their signal too (regression),
    and those that a task's ambiguous regions mark are ambiguous.
    """

    approach: Approach
    bins: BinShape = field(default_factory=BinShape)
    overlap: float = 0.5
    ambiguous: bool = False
    statistic: Statistic = Statistic.MEAN
    transform: Transform = Transform.ASINH
    pseudocount: float = 0.001

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= 1:
            raise StoreError(f"the overlap threshold is {self.overlap:g}; give a fraction above 0, at most 1")
        if self.pseudocount < 0:
            raise StoreError(f"the pseudocount is {self.pseudocount:g}; give 0 or more")
        if self.approach == Approach.ALL_BINS_REGRESSION and self.statistic != Statistic.MEAN:
            raise StoreError(
                f"{self.approach} labels bins with their mean; {self.statistic} is for the peak_…_regression approaches"
            )
