"""Read stretches of the signal array's cells, in the narrowest type that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tiledb

from kerasac.genome.intervals import Spans
from kerasac.store.context import context, explained
from kerasac.store.schema import StoreLayout

Array = npt.NDArray[Any]

# Cells read at a time. With more, the allocator gives memory back between reads and takes it again, page by page.
SLAB_BYTES = 8_000_000
MERGE_GAP_BP = 20_000  # stretches closer than this are read together
# Exact types, narrowest first; what fits no integer (negative, fractional) stays float32.
DTYPES = tuple(np.dtype(dtype) for dtype in (np.uint8, np.uint16, np.uint32, np.float32))
_PIECE = 1 << 18  # cells narrowed at a time: they stay in the processor's cache


class Track(NamedTuple):
    """One column of numbers along the genome: an attribute of one dataset."""

    dataset: str
    attribute: str


class Slab(NamedTuple):
    """Cells of genome rows ``low … low + len(cells) - 1``."""

    low: int
    cells: Array


def open_array(path: str) -> Any:
    """Open an array for reading, with one thread: parallel readers are processes, and threads only contend."""
    settings = {
        "sm.compute_concurrency_level": "1",
        "sm.io_concurrency_level": "1",
        "vfs.min_batch_gap": "4096",
        "sm.mem.malloc_trim": "false",  # else memory goes back to the system after every query: a fifth slower
    }
    with explained(path):
        return tiledb.open(path, ctx=context(path, settings))


def read_slabs(layout: StoreLayout, track: Track, spans: Spans) -> Iterator[Slab]:
    """Yield the cells of slabs that together cover the spans; rows between near spans come along."""
    array, task = open_array(layout.path), layout.dataset_index(track.dataset)
    # Column order, one task a query: six times less CPU than row order on arrays of one task a tile.
    query = array.query(attrs=[track.attribute], order="F")
    rows = SLAB_BYTES // layout.attributes[track.attribute].itemsize
    step = max(1, rows // layout.tile_bp) * layout.tile_bp  # no tile is read twice
    for low, high in _stretches(spans):
        while low < high:
            end = min(high, (low // step + 1) * step)
            with explained(layout.path):
                cells = np.asarray(query[low:end, task][track.attribute]).reshape(-1)
            yield Slab(low, cells)
            low = end


def narrowed(cells: Array) -> tuple[Array, int]:
    """Return cells in the narrowest of :data:`DTYPES` that is exact, 0 where there is no value, and count those.

    A cell has no value where it is NaN, or the smallest integer: what TileDB gives where nothing was written.
    """
    for dtype in DTYPES[:-1]:
        found = _cast_exactly(cells, dtype)
        if found is not None:
            return found, 0
    absent = no_value(cells)
    n_absent = int(absent.sum())
    if n_absent:
        return narrowed(np.where(absent, np.zeros(1, cells.dtype), cells))[0], n_absent
    return cells.astype(DTYPES[-1]), 0


def no_value(cells: Array) -> npt.NDArray[np.bool_]:
    """Say where cells have no value; see :func:`narrowed`."""
    if cells.dtype.kind == "f":
        return np.isnan(cells)
    if cells.dtype.kind == "u":
        return np.zeros(cells.shape, dtype=bool)
    return np.asarray(cells == np.iinfo(cells.dtype).min)


def widest(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the one of some of :data:`DTYPES` that holds what any of them holds."""
    return DTYPES[max(DTYPES.index(dtype) for dtype in dtypes)] if dtypes else DTYPES[0]


def _cast_exactly(cells: Array, dtype: np.dtype[Any]) -> Array | None:
    """Cast, or return None at the first piece that does not come out the same."""
    found = np.empty(cells.shape, dtype=dtype)
    with np.errstate(invalid="ignore"):  # NaN and infinity become some integer, which then differs
        for low in range(0, len(cells), _PIECE):
            piece = slice(low, low + _PIECE)
            found[piece] = cells[piece].astype(dtype)
            if not np.array_equal(found[piece], cells[piece]):
                return None
    return found


def _stretches(spans: Spans) -> Iterator[tuple[int, int]]:
    """Join spans that are near enough to be read as one."""
    if not len(spans):
        return
    apart = np.flatnonzero(spans.starts[1:] - spans.ends[:-1] > MERGE_GAP_BP) + 1
    first = np.r_[0, apart]
    last = np.r_[apart - 1, len(spans) - 1]
    yield from zip(spans.starts[first].tolist(), spans.ends[last].tolist(), strict=True)
