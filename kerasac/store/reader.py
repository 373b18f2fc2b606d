"""Read windows of tracks from a signal array, block by block or from tracks decoded once a machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import tiledb

from kerasac.cache import built_once, cache_folder, content_digest, digest
from kerasac.genome.assembly import IntArray
from kerasac.genome.intervals import Spans
from kerasac.store.schema import StoreLayout

Array = npt.NDArray[Any]

FORMAT_VERSION = 1
SLAB_BP = 4_000_000  # bases read at a time: bounds memory at 16 MB a float32 track
MERGE_GAP_BP = 4096  # windows closer than this are read together: a gap costs less than a query
# Exact integer types, narrowest first; what fits none (negative, fractional) stays float32.
_COUNT_DTYPES = (np.uint8, np.uint16, np.uint32)

logger = logging.getLogger(__name__)


class Track(NamedTuple):
    """One column of numbers along the genome: an attribute of one dataset."""

    dataset: str
    attribute: str


class TrackReader(Protocol):
    """What every reader does; it is small and picklable, and opens its files where it is used."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks, in the order of the last axis of what ``read`` returns."""

    def read(self, starts: IntArray, width_bp: int) -> Array:
        """Read windows ``starts … starts + width_bp`` of genome rows, in the order asked for.

        Returns
        -------
        array, shape (len(starts), width_bp, n_tracks); a base without a value is 0.
        """

    def content(self) -> list[str]:
        """Return what changes when the values do."""


@dataclass(frozen=True)
class BlockReader:
    """Reads the TileDB array itself: neighbouring windows together, one task a query."""

    path: str
    tracks: tuple[Track, ...]
    task_of: tuple[int, ...]

    def read(self, starts: IntArray, width_bp: int) -> Array:
        """See :class:`TrackReader`; values are float32."""
        out = np.empty((len(starts), width_bp, len(self.tracks)), dtype=np.float32)
        order = np.argsort(starts, kind="stable")
        ordered = starts[order]
        for first, last in _coalesce(ordered, width_bp):
            low, high = int(ordered[first]), int(ordered[last - 1]) + width_bp
            block = self._read_span(low, high)
            views = np.lib.stride_tricks.sliding_window_view(block, width_bp, axis=0)
            out[order[first:last]] = views[ordered[first:last] - low].transpose(0, 2, 1)
        return out

    def content(self) -> list[str]:
        """Return the state of the array: its cells are not read for this."""
        return store_state(self.path)

    def _read_span(self, low: int, high: int) -> Array:
        block = np.empty((high - low, len(self.tracks)), dtype=np.float32)
        for task in sorted(set(self.task_of)):
            columns = [i for i, owner in enumerate(self.task_of) if owner == task]
            names = list(dict.fromkeys(self.tracks[i].attribute for i in columns))
            cells = self._array.query(attrs=names, order="F")[low:high, task]
            for i in columns:
                block[:, i], _ = _filled(np.asarray(cells[self.tracks[i].attribute]).reshape(-1))
        return block

    @cached_property
    def _array(self) -> Any:
        return open_array(self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "tracks": self.tracks, "task_of": self.task_of}


@dataclass(frozen=True)
class MapReader:
    """Reads tracks that were decoded once to flat files, which all processes of a machine map and share."""

    tracks: tuple[Track, ...]
    files: tuple[str, ...]

    def read(self, starts: IntArray, width_bp: int) -> Array:
        """See :class:`TrackReader`; values have the narrowest dtype that holds every track exactly."""
        dtype = np.result_type(*(values.dtype for values in self._values))
        out = np.empty((len(starts), width_bp, len(self.tracks)), dtype=dtype)
        for i, values in enumerate(self._values):
            out[:, :, i] = np.lib.stride_tricks.sliding_window_view(values, width_bp)[starts]
        return out

    def content(self) -> list[str]:
        """Return the digests of the decoded tracks: an array that is moved, or ingested again, gives the same."""
        return [content_digest(Path(file)) for file in self.files]

    @cached_property
    def _values(self) -> list[Array]:
        return [np.load(file, mmap_mode="r") for file in self.files]

    def __getstate__(self) -> dict[str, Any]:
        return {"tracks": self.tracks, "files": self.files}


def make_reader(layout: StoreLayout, tracks: Sequence[Track], kind: str) -> TrackReader:
    """Return a reader of these tracks; ``kind`` is ``map`` (decoding what is not yet in the cache) or ``blocks``.

    Raises
    ------
    StoreError
        When the array lacks a dataset or an attribute.
    """
    layout.require_attributes([track.attribute for track in tracks])
    tasks = tuple(layout.dataset_index(track.dataset) for track in tracks)
    if kind == "blocks":
        return BlockReader(layout.path, tuple(tracks), tasks)
    files = [str(decoded_track(layout, track) / "values.npy") for track in tracks]
    return MapReader(tuple(tracks), tuple(files))


def decoded_track(layout: StoreLayout, track: Track) -> Path:
    """Return the cached folder of one decoded track: ``values.npy`` (total_bp,) and ``facts.json``.

    It is built anew when the array was written to since: the key holds the names of the array's fragments.
    """
    key = digest({"store": store_state(layout.path), "track": track, "version": FORMAT_VERSION})
    target = cache_folder() / "tracks" / f"{track.dataset}.{track.attribute}-{key}"
    return built_once(target, partial(_decode, layout, track))


def missing_bases(layout: StoreLayout, track: Track) -> dict[str, int]:
    """Return, by chromosome, how many bases of a decoded track have no value (read as 0)."""
    facts = json.loads((decoded_track(layout, track) / "facts.json").read_text())
    return {str(chrom): int(count) for chrom, count in facts["missing_bases"].items()}


def scan_spans(layout: StoreLayout, attribute: str, datasets: Sequence[str], threshold: float) -> Spans:
    """Return the positions, as spans of genome rows, where an attribute reaches a threshold in any dataset."""
    layout.require_attributes([attribute])
    found = Spans.empty()
    for dataset in datasets:
        track = Track(dataset, attribute)
        facts = {"store": store_state(layout.path), "track": track, "threshold": threshold}
        key = digest({**facts, "version": FORMAT_VERSION})
        target = cache_folder() / "scans" / f"{dataset}.{attribute}-{key}.npy"
        bounds = np.load(built_once(target, partial(_scan, layout, track, threshold)))
        found = found.union(Spans.from_bounds(bounds[0], bounds[1]))
    return found


def open_array(path: str) -> Any:
    """Open an array for reading, with one thread: parallel readers are processes, and threads only contend."""
    config = tiledb.Config({"sm.compute_concurrency_level": 1, "sm.io_concurrency_level": 1, "vfs.min_batch_gap": 4096})
    return tiledb.open(path, ctx=tiledb.Ctx(config))


def store_state(path: str) -> list[str]:
    """Return what changes when an array is written to: its place and the names of its fragments."""
    return [str(Path(path).resolve()), *(Path(uri).name for uri in tiledb.array_fragments(path).uri)]


def _coalesce(starts: IntArray, width_bp: int) -> Iterator[tuple[int, int]]:
    """Yield index ranges of sorted windows that are near enough to be read as one span of bounded length."""
    first = 0
    for i in range(1, len(starts) + 1):
        ends_here = i == len(starts)
        if ends_here or starts[i] - starts[i - 1] > width_bp + MERGE_GAP_BP or starts[i] - starts[first] > SLAB_BP:
            yield first, i
            first = i


def _slabs(layout: StoreLayout, track: Track) -> Iterator[tuple[str, int, Array]]:
    """Yield (chromosome, first genome row, cells) over the whole genome."""
    array, task = open_array(layout.path), layout.dataset_index(track.dataset)
    # Column order, one task a query: six times less CPU than row order on arrays of one task a tile.
    query = array.query(attrs=[track.attribute], order="F")
    for chrom, size, offset in zip(
        layout.assembly.names, layout.assembly.sizes, layout.assembly.offsets.tolist(), strict=True
    ):
        for low in range(0, size, SLAB_BP):
            high = min(low + SLAB_BP, size)
            cells = query[offset + low : offset + high, task][track.attribute]
            yield chrom, offset + low, np.asarray(cells).reshape(-1)


def _decode(layout: StoreLayout, track: Track, target: Path) -> None:
    logger.info("decoding %s of %s, once", track.attribute, track.dataset)
    target.mkdir(parents=True)
    for dtype in (*_COUNT_DTYPES, np.float32):
        missing = _decode_as(layout, track, target / "values.npy", np.dtype(dtype))
        if missing is not None:
            break
    facts = {"track": track, "store": layout.path, "missing_bases": missing}
    (target / "facts.json").write_text(json.dumps(facts))


def _decode_as(layout: StoreLayout, track: Track, file: Path, dtype: np.dtype[Any]) -> dict[str, int] | None:
    """Write the track with this dtype; stop and return None at the first value that it does not hold."""
    values = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=(layout.assembly.total_bp,))
    missing = dict.fromkeys(layout.assembly.names, 0)
    for chrom, row, cells in _slabs(layout, track):
        whole, n_absent = _filled(cells)
        if dtype.kind == "u" and not _fits(whole, dtype):
            return None
        missing[chrom] += n_absent
        values[row : row + len(cells)] = whole
    values.flush()
    return {chrom: count for chrom, count in missing.items() if count}


def _filled(cells: Array) -> tuple[Array, int]:
    """Put 0 where cells have no value (NaN, or the smallest integer where none was written); count those."""
    absent = np.isnan(cells) if cells.dtype.kind == "f" else cells == np.iinfo(cells.dtype).min
    return np.where(absent, 0, cells), int(absent.sum())


def _fits(values: Array, dtype: np.dtype[Any]) -> bool:
    """Whether every value is a whole number in the range of an unsigned dtype."""
    # As Python's floats: float32 rounds the limit of uint32 up.
    in_range = values.min() >= 0 and float(values.max()) <= float(np.iinfo(dtype).max)
    return bool(in_range and np.array_equal(values, np.trunc(values)))


def _scan(layout: StoreLayout, track: Track, threshold: float, target: Path) -> None:
    logger.info("scanning %s of %s for values >= %g, once", track.attribute, track.dataset, threshold)
    starts, ends = [], []
    for _, row, cells in _slabs(layout, track):
        reached = np.concatenate([[False], cells >= threshold, [False]])
        edges = np.flatnonzero(reached[1:] != reached[:-1]) + row
        starts.append(edges[::2])
        ends.append(edges[1::2])
    bounds = np.stack([np.concatenate(starts), np.concatenate(ends)]).astype(np.int64)
    with target.open("wb") as out:
        np.save(out, bounds)
