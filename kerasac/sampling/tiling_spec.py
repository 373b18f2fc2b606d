"""Say how peaks are covered with windows."""

# The command line reads this module to show its options: it imports nothing that takes time.

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kerasac.errors import SamplingError
from kerasac.genome.centering import Center


class Edges(StrEnum):
    """What becomes of a window that leaves its chromosome: it is moved in, or left out."""

    SHIFT = "shift"
    DROP = "drop"


class Overlaps(StrEnum):
    """Which windows are kept: all, equal ones once, or in genome order those that overlap none kept before."""

    KEEP = "keep"
    DISTINCT = "distinct"
    NONE = "none"


@dataclass(frozen=True)
class TilingSpec:
    """How peaks are covered.

    With ``Center.CENTER`` as few windows as reach from end to end, ``stride_bp`` apart (default: the width), reaching
    over both ends alike. With ``Center.SUMMIT`` one window on the summit, and as many on either side of it as it takes.
    ``one_a_peak``: only the window on the centre or summit.

    Raises
    ------
    SamplingError
        When a number is out of its range.
    """

    width_bp: int
    stride_bp: int | None = None
    center: Center = Center.SUMMIT
    one_a_peak: bool = False
    edges: Edges = Edges.SHIFT
    overlaps: Overlaps = Overlaps.KEEP

    def __post_init__(self) -> None:
        if self.width_bp < 1:
            raise SamplingError(f"windows of {self.width_bp} bases; the width must be at least 1")
        if not 1 <= self.stride <= self.width_bp:
            raise SamplingError(
                f"a stride of {self.stride:,} bases; it must be 1 … {self.width_bp:,}, the width, to leave no gaps"
            )

    @property
    def stride(self) -> int:
        """Bases from one window of a peak to the next."""
        return self.width_bp if self.stride_bp is None else self.stride_bp
