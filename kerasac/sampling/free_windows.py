"""Lay windows over the stretches of a genome that are free of what they may not touch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.intervals import Spans


class Candidates(NamedTuple):
    """Windows in genome order: the row where each starts, and its level; both (n,) int64.

    Windows of level 1 do not overlap each other. Those of levels 1 and 2 together are twice as dense, and so on: the
    higher the level, the more a window overlaps those of the levels below.
    """

    starts: IntArray
    level: IntArray


def free_centers(assembly: Assembly, blocked: Spans, width_bp: int) -> Spans:
    """Return the centres whose window stays on its chromosome and shares no base with ``blocked``."""
    long_enough = assembly.sizes_bp >= width_bp
    firsts, sizes = assembly.offsets[long_enough], assembly.sizes_bp[long_enough]
    starts = Spans.from_bounds(firsts, firsts + sizes - width_bp + 1)
    free = starts.subtract(Spans.from_bounds(blocked.starts - width_bp + 1, blocked.ends))
    return Spans(free.starts + width_bp // 2, free.ends + width_bp // 2)


def candidate_windows(centers: Spans, width_bp: int, stride_bp: int, rng: np.random.Generator) -> Candidates:
    """Return windows a stride apart within each span of centres, moved at random where it has room.

    A grid for each span, not one for the genome, has a window in every gap that is wide enough for one.
    """
    room = centers.ends - centers.starts - 1
    n = room // stride_bp + 1
    firsts = centers.starts - width_bp // 2 + rng.integers(0, room % stride_bp + 1)
    step = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    apart = 1 << (-(-width_bp // stride_bp) - 1).bit_length()  # steps of a width: a power of two, to be halved
    coarse = step - np.repeat(rng.integers(0, (n - 1) % apart + 1), n)
    halved = np.where(coarse % apart == 0, apart, coarse & -coarse)  # the greatest power of two that divides it
    return Candidates(np.repeat(firsts, n) + stride_bp * step, apart // halved)
