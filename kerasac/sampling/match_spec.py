"""Say how background windows are matched to peaks."""

# The command line reads this module to show its options: it imports nothing that takes time.

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerasac.errors import SamplingError

if TYPE_CHECKING:
    from kerasac.genome.assembly import IntArray
    from kerasac.genome.gc import FloatArray

DEFAULT_WIDTH_BP = 2114  # bpnet's and chrombpnet's input
_CANDIDATES_A_WIDTH = 32
_BINS_A_TOLERANCE = 10
REACH = _BINS_A_TOLERANCE - 1  # bins: so far apart, two values differ by less than the tolerance


@dataclass(frozen=True)
class MatchSpec:
    """How background windows are matched to peaks.

    ``ratio`` windows are wanted for each peak, any number above 0; each within ``tolerance`` of a peak's GC content.
    Candidates are ``stride_bp`` apart (default: a 32nd of the width), so two windows share at most width - stride
    bases; those that share none come first. A candidate has at most ``max_unknown`` of its bases N. A peak is matched
    on its own chromosome, so that whole-chromosome splits of any fold table are matched each; ``across_chromosomes``
    pools them.

    Raises
    ------
    SamplingError
        When a number is out of its range.
    """

    width_bp: int = DEFAULT_WIDTH_BP
    ratio: float = 1.0
    tolerance: float = 0.02
    stride_bp: int | None = None
    max_unknown: float = 0.0
    across_chromosomes: bool = False
    seed: int = 1234

    def __post_init__(self) -> None:
        checks = (
            (self.width_bp >= 2, f"windows of {self.width_bp} bases; the width must be at least 2"),
            (0 < self.ratio < math.inf, f"ratio {self.ratio:g}; the negatives a peak must be more than 0"),
            (0.001 <= self.tolerance <= 0.5, f"tolerance {self.tolerance:g}; it must be 0.001 … 0.5, as 0.02 for 2 %"),
            (self.stride >= 1, f"a stride of {self.stride_bp} bases; it must be at least 1"),
            (0 <= self.max_unknown < 1, f"at most {self.max_unknown:g} of N; it must be at least 0 and less than 1"),
            (self.seed >= 0, f"seed {self.seed}; it must be at least 0"),
        )
        for fine, message in checks:
            if not fine:
                raise SamplingError(message)

    @property
    def half_bp(self) -> int:
        """Bases from a window's start to its centre."""
        return self.width_bp // 2

    @property
    def stride(self) -> int:
        """Bases from one candidate to the next."""
        return -(-self.width_bp // _CANDIDATES_A_WIDTH) if self.stride_bp is None else self.stride_bp

    @property
    def bin_width(self) -> float:
        """GC content that a bin of the matching spans: values in the same one are taken for equal."""
        return self.tolerance / _BINS_A_TOLERANCE

    @property
    def n_bins(self) -> int:
        """Bins of GC content from 0 to 1."""
        return int(1 / self.bin_width) + 1

    def bins(self, gc: FloatArray) -> IntArray:
        """Return the bin of each GC content."""
        return (gc / self.bin_width).astype("int64")
