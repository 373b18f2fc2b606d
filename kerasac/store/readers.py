"""Read windows of tracks: from files decoded once a machine, or from the signal array block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from kerasac.genome.assembly import IntArray
from kerasac.genome.intervals import Spans
from kerasac.store.decode import BIN_BP, DecodedTrack
from kerasac.store.schema import StoreLayout, check_unchanged
from kerasac.store.slabs import DTYPES, Array, Track, narrowed, open_array, widest

ReaderKind = Literal["map", "spans", "sparse", "blocks"]
READER_KINDS: tuple[ReaderKind, ...] = ("map", "spans", "sparse", "blocks")

# Windows of one query of the array: a few hundred take the least CPU, 4096 half as much again.
_QUERY_WINDOWS = 512
_SPARSE_WINDOWS = 512  # expanded at a time: what is made on the way stays in the processor's cache
_FLOAT = np.dtype(np.float32)


class TrackReader(Protocol):
    """What every reader does; it is small and picklable, and opens its files where it is used."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks, in the order of the second axis of what ``read`` returns."""

    @property
    def decoded(self) -> tuple[DecodedTrack, ...]:
        """The entries of the cache that the reader maps; none when it reads the array."""

    @property
    def in_memory(self) -> bool:
        """Whether every window that training asks for comes out of decoded tracks."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """A type that holds every value: the narrowest where the tracks are decoded, else float32."""

    def read(self, starts: IntArray, width_bp: int) -> Array:
        """Read windows ``starts … starts + width_bp`` of genome rows, in the order asked for.

        Returns
        -------
        array, shape (len(starts), n_tracks, width_bp), of type ``dtype`` or a narrower one that is exact; a base
        without a value is 0.
        """


@dataclass(frozen=True)
class MapReader:
    """Copies windows out of tracks decoded over the whole genome."""

    decoded: tuple[DecodedTrack, ...]

    @property
    def tracks(self) -> tuple[Track, ...]:
        """See :class:`TrackReader`."""
        return tuple(decoded.track for decoded in self.decoded)

    @property
    def in_memory(self) -> bool:
        """See :class:`TrackReader`."""
        return True

    @property
    def dtype(self) -> np.dtype[Any]:
        """See :class:`TrackReader`."""
        return widest([values.dtype for values in self._values])

    def read(self, starts: IntArray, width_bp: int) -> Array:
        """See :class:`TrackReader`."""
        return _gathered(self._values, starts, width_bp)

    @cached_property
    def _values(self) -> list[Array]:
        return [decoded.open("values") for decoded in self.decoded]

    def __getstate__(self) -> dict[str, Any]:
        return {"decoded": self.decoded}


@dataclass(frozen=True)
class SpanReader:
    """Copies windows out of tracks decoded in spans around the candidates; others are read from the array.

    ``complete`` says that no training window lies outside the spans. Where some may, ``dtype`` is float32, which holds
    whatever the array has there.
    """

    decoded: tuple[DecodedTrack, ...]
    spans: Spans
    outside: BlockReader
    complete: bool

    @property
    def tracks(self) -> tuple[Track, ...]:
        """See :class:`TrackReader`."""
        return self.outside.tracks

    @property
    def in_memory(self) -> bool:
        """See :class:`TrackReader`."""
        return self.complete

    @property
    def dtype(self) -> np.dtype[Any]:
        """See :class:`TrackReader`."""
        return widest([values.dtype for values in self._values]) if self.complete else _FLOAT

    def read(self, starts: IntArray, width_bp: int) -> Array:
        """See :class:`TrackReader`."""
        if not len(self.spans):
            return self.outside.read(starts, width_bp)
        span = np.maximum(np.searchsorted(self.spans.starts, starts, side="right") - 1, 0)
        inside = (starts >= self.spans.starts[span]) & (starts + width_bp <= self.spans.ends[span])
        places = starts - self.spans.starts[span] + self._before[span]
        found = _gathered(self._values, places[inside], width_bp)
        if inside.all():
            return found
        others = self.outside.read(starts[~inside], width_bp)
        out = np.empty((len(starts), *found.shape[1:]), dtype=widest([found.dtype, others.dtype]))
        out[inside] = found
        out[~inside] = others
        return out

    @cached_property
    def _values(self) -> list[Array]:
        return [decoded.open("values") for decoded in self.decoded]

    @cached_property
    def _before(self) -> IntArray:
        """Decoded bases before each span."""
        sizes = self.spans.ends - self.spans.starts
        before: IntArray = np.cumsum(sizes) - sizes
        return before

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class SparseReader:
    """Puts the cells other than 0 of tracks decoded over the whole genome into windows of 0."""

    decoded: tuple[DecodedTrack, ...]

    @property
    def tracks(self) -> tuple[Track, ...]:
        """See :class:`TrackReader`."""
        return tuple(decoded.track for decoded in self.decoded)

    @property
    def in_memory(self) -> bool:
        """See :class:`TrackReader`."""
        return True

    @property
    def dtype(self) -> np.dtype[Any]:
        """See :class:`TrackReader`."""
        return widest([column.values.dtype for column in self._columns])

    def read(self, starts: IntArray, width_bp: int) -> Array:
        """See :class:`TrackReader`."""
        out = np.zeros((len(starts), len(self.decoded), width_bp), dtype=self.dtype)
        for low in range(0, len(starts), _SPARSE_WINDOWS):
            some = slice(low, low + _SPARSE_WINDOWS)
            for track, column in enumerate(self._columns):
                _scatter(column, starts[some], width_bp, out[some], track)
        return out

    @cached_property
    def _columns(self) -> list[_Sparse]:
        return [_Sparse(*(decoded.open(name) for name in ("first", "rows", "values"))) for decoded in self.decoded]

    def __getstate__(self) -> dict[str, Any]:
        return {"decoded": self.decoded}


@dataclass(frozen=True)
class BlockReader:
    """Reads the TileDB array itself: windows in genome order, neighbouring ones together."""

    layout: StoreLayout
    tracks: tuple[Track, ...]

    @property
    def decoded(self) -> tuple[DecodedTrack, ...]:
        """See :class:`TrackReader`."""
        return ()

    @property
    def in_memory(self) -> bool:
        """See :class:`TrackReader`."""
        return False

    @property
    def dtype(self) -> np.dtype[Any]:
        """See :class:`TrackReader`."""
        return _FLOAT

    def read(self, starts: IntArray, width_bp: int) -> Array:
        """See :class:`TrackReader`.

        Raises
        ------
        StoreError
            When the array was written to since its layout was read.
        """
        out = np.empty((len(starts), len(self.tracks), width_bp), dtype=DTYPES[0])
        order = np.argsort(starts, kind="stable")
        for low in range(0, len(starts), _QUERY_WINDOWS):
            rows = order[low : low + _QUERY_WINDOWS]
            for i, windows in enumerate(self._read_sorted(starts[rows], width_bp)):
                out = out.astype(widest([out.dtype, windows.dtype]), copy=False)
                out[rows, i] = windows
        return out

    def _read_sorted(self, starts: IntArray, width_bp: int) -> Iterator[Array]:
        """Yield the windows of each track, given in genome order: one query a track, as two in one take longer."""
        spans = Spans.from_bounds(starts, starts + width_bp)
        ranges = [slice(low, high - 1) for low, high in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)]
        sizes = spans.ends - spans.starts
        span = np.searchsorted(spans.starts, starts, side="right") - 1
        places = starts - spans.starts[span] + (np.cumsum(sizes) - sizes)[span]
        for track in self.tracks:
            query = self._array.query(attrs=[track.attribute], order="F")
            found = query.multi_index[ranges, self.layout.dataset_index(track.dataset)]
            cells, _ = narrowed(np.asarray(found[track.attribute]).reshape(-1))
            yield np.lib.stride_tricks.sliding_window_view(cells, width_bp)[places]

    @cached_property
    def _array(self) -> Any:
        check_unchanged(self.layout)
        return open_array(self.layout.path)

    def __getstate__(self) -> dict[str, Any]:
        return {"layout": self.layout, "tracks": self.tracks}


def make_reader(
    layout: StoreLayout,
    tracks: Sequence[Track],
    kind: ReaderKind,
    *,
    spans: Spans | None = None,
    complete: bool = False,
) -> TrackReader:
    """Return a reader of these tracks; nothing is decoded before it is used, or its ``decoded`` are ensured.

    ``spans`` are the rows that the ``spans`` reader decodes, ``complete`` whether all training windows lie there.

    Raises
    ------
    StoreError
        When the array lacks a dataset or an attribute.
    """
    layout.require_attributes([track.attribute for track in tracks])
    for track in tracks:
        layout.dataset_index(track.dataset)
    tracks = tuple(tracks)
    if kind == "blocks":
        return BlockReader(layout, tracks)
    if kind == "sparse":
        return SparseReader(tuple(DecodedTrack(layout, track, "sparse") for track in tracks))
    if kind == "map":
        return MapReader(tuple(DecodedTrack(layout, track, "dense") for track in tracks))
    assert spans is not None, "the spans reader is asked for with its spans"
    decoded = tuple(DecodedTrack(layout, track, "dense", spans) for track in tracks)
    return SpanReader(decoded, spans, BlockReader(layout, tracks), complete)


@dataclass(frozen=True)
class _Sparse:
    """A sparse track: the number of the first cell in each bin of rows, and the cells' rows and values."""

    first: Array
    rows: Array
    values: Array


def _gathered(values: Sequence[Array], places: IntArray, width_bp: int) -> Array:
    """Copy windows out of flat arrays, shape (len(places), len(values), width_bp)."""
    out = np.empty((len(places), len(values), width_bp), dtype=widest([flat.dtype for flat in values]))
    for i, flat in enumerate(values):
        if len(places):  # a flat array may be shorter than a window only when there is none to copy
            out[:, i] = np.lib.stride_tricks.sliding_window_view(flat, width_bp)[places]
    return out


def _scatter(column: _Sparse, starts: IntArray, width_bp: int, out: Array, track: int) -> None:
    """Write a sparse track's cells into zeroed windows, (len(starts), n_tracks, width_bp)."""
    low = column.first[starts // BIN_BP]
    counts = column.first[(starts + width_bp - 1) // BIN_BP + 1] - low
    before = np.cumsum(counts) - counts
    # Numbers of all cells of the bins that each window touches, one window after the other.
    cells = np.arange(int(counts.sum())) + np.repeat(low - before, counts)
    window_starts = np.repeat(starts, counts)
    at = column.rows[cells] - window_starts
    inside = (at >= 0) & (at < width_bp)
    window = np.repeat(np.arange(len(starts)), counts)[inside]
    out[window, track, at[inside]] = column.values[cells[inside]]
