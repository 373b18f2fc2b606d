"""Count G and C in windows of a genome's tokens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.genome.assembly import IntArray
from kerasac.genome.sequence import C, G, N, TokenArray

FloatArray = npt.NDArray[np.float64]
CountArray = npt.NDArray[np.int32]

_BLOCK_BP = 1 << 20  # bases summed at a time, so that memory does not grow with the genome
_N_SHIFT = np.int64(32)

# One running sum counts both: G and C in its lower 32 bits, N in its upper ones.
_COUNTED = np.zeros(N + 1, dtype=np.int64)
_COUNTED[[G, C]] = 1
_COUNTED[N] = 1 << _N_SHIFT


class WindowBases(NamedTuple):
    """What windows of ``width_bp`` bases hold: G and C, and bases that are not known (N); each (n,) int32."""

    gc: CountArray
    unknown: CountArray
    width_bp: int

    @property
    def gc_content(self) -> FloatArray:
        """G + C as a part of the known bases, (n,) float64; NaN where none is known.

        kerasAC and chrombpnet divide by the width, which calls a window poor in GC for being half unknown. Without N
        the two are the same.
        """
        known = self.width_bp - self.unknown
        content: FloatArray = np.divide(self.gc, known, out=np.full(len(known), np.nan), where=known > 0)
        return content


def count_bases(tokens: TokenArray, starts: IntArray, width_bp: int) -> WindowBases:
    """Count the bases of the windows that start at these genome rows, (n,) in any order, and end within the tokens."""
    order = np.argsort(starts, kind="stable")
    ordered = starts[order]
    counts = np.empty(len(starts), dtype=np.int64)
    low = 0
    while low < len(ordered):
        first = ordered[low]
        high = int(np.searchsorted(ordered, first + _BLOCK_BP))
        upto = _running_counts(tokens[first : ordered[high - 1] + width_bp])
        at = ordered[low:high] - first
        counts[order[low:high]] = upto[at + width_bp] - upto[at]
        low = high
    unknown = counts >> _N_SHIFT
    gc = counts - (unknown << _N_SHIFT)
    return WindowBases(gc.astype(np.int32), unknown.astype(np.int32), width_bp)


def _running_counts(tokens: TokenArray) -> IntArray:
    """Return the counts of the bases before each one, and of all: shape (len(tokens) + 1,)."""
    upto = np.zeros(len(tokens) + 1, dtype=np.int64)
    np.cumsum(_COUNTED[tokens], out=upto[1:])
    return upto
