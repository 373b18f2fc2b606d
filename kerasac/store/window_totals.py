"""Sum a track over the windows at many centres, most of which overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.store.schema import StoreLayout
from kerasac.store.slabs import Array, Track, narrowed, read_slabs

_STRETCH_BP = 16_000_000  # centres summed at a time


def window_totals(layout: StoreLayout, tracks: Sequence[Track], centers: Spans, flank: int) -> npt.NDArray[np.float64]:
    """Sum tracks over ``center − flank … center + flank`` for every centre of the spans, in genome order.

    Returns
    -------
    array, shape (n,), float64: the sum over positions and tracks. Centres whose window leaves its chromosome are
    left out; a base without a value counts as 0.
    """
    usable = centers.intersect(_inner(layout.assembly, flank))
    totals = [np.empty(0)]
    for piece in _stretches(usable):
        low, high = int(piece.starts[0]) - flank, int(piece.ends[-1]) - 1 + flank
        before = np.zeros(high - low + 1)
        for track in tracks:
            before[1:] += np.cumsum(_cells(layout, track, low, high), dtype=np.float64)
        at = piece.rows_at(np.arange(piece.total_bp)) - low
        totals.append(before[at + flank] - before[at - flank])
    return np.concatenate(totals)


def _inner(assembly: Assembly, flank: int) -> Spans:
    """Return the centres whose window stays on its chromosome."""
    ends = assembly.offsets + assembly.sizes_bp
    starts, ends = assembly.offsets + flank, ends - flank + 1
    return Spans.from_bounds(starts, np.maximum(starts, ends))


def _stretches(spans: Spans) -> Iterator[Spans]:
    """Cut spans into neighbourhoods that are read at once."""
    if not len(spans):
        return
    first, last = int(spans.starts[0]), int(spans.ends[-1])
    for low in range(first, last, _STRETCH_BP):
        high = min(low + _STRETCH_BP, last)
        begin, end = np.searchsorted(spans.ends, low, "right"), np.searchsorted(spans.starts, high)
        if begin < end:
            yield Spans(np.maximum(spans.starts[begin:end], low), np.minimum(spans.ends[begin:end], high))


def _cells(layout: StoreLayout, track: Track, low: int, high: int) -> Array:
    whole = Spans(np.array([low], dtype=np.int64), np.array([high], dtype=np.int64))
    return np.concatenate([narrowed(slab.cells)[0].astype(np.float64) for slab in read_slabs(layout, track, whole)])
