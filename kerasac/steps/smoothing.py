"""Smooth profiles by a Gaussian along their bases."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from kerasac.errors import ScoreError

Ends = Literal["reflect", "constant"]


class Smoothing(NamedTuple):
    """A Gaussian's standard deviation, the bases that its kernel spans (an odd number), and what lies beyond the ends.

    ``reflect`` keeps all counts: what would leave at an end comes back in, as in kerasAC (of sigma 7 and width 81).
    ``constant`` has nothing there, as in bpnet-lite.
    """

    sigma_bp: float
    width_bp: int
    ends: Ends = "reflect"

    def smooth(self, profiles: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Smooth profiles, (n, L, T), along L."""
        wide = profiles.astype(np.float64)
        radius = (self.width_bp - 1) // 2
        return gaussian_filter1d(wide, self.sigma_bp, axis=1, radius=radius, mode=self.ends).astype(np.float32)

    def __str__(self) -> str:
        return f"Gaussian, σ {self.sigma_bp:g}, {self.width_bp} bases wide"


def read_smoothing(text: str) -> Smoothing:
    """Read ``SIGMA,WIDTH``, such as ``7,81``.

    Raises
    ------
    ScoreError
        When it is not a positive number and an odd number of bases of at least 3.
    """
    sigma, _, width = text.partition(",")
    try:
        smoothing = Smoothing(float(sigma), int(width))
    except ValueError:
        raise ScoreError(f"smoothing {text!r} is not SIGMA,WIDTH in bases, such as 7,81") from None
    if not smoothing.sigma_bp > 0 or smoothing.width_bp < 3 or smoothing.width_bp % 2 == 0:
        raise ScoreError(f"smoothing {text!r} needs a sigma above 0 and an odd width of at least 3, such as 7,81")
    return smoothing
