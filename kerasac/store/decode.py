"""Decode tracks of the signal array, once a machine, into flat files that all its processes map."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np

from kerasac.cache import ShardMap, entry, in_process, make_room, reserve
from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.store.scan import SHARD_BP, cuts, entry_name
from kerasac.store.schema import StoreLayout, check_unchanged
from kerasac.store.slabs import DTYPES, Array, Slab, Track, narrowed, no_value, read_slabs, widest

FORMAT_VERSION = 2
BIN_BP = 256  # rows that share an entry of the sparse index

_VALUES = "values.npy"

DecodedKind = Literal["dense", "sparse"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedTrack:
    """A track in the cache of whichever machine opens it; small and picklable.

    ``dense``: the values of the ``spans``, one after the other (of the whole genome without spans), in the
    narrowest of uint8, uint16, uint32 and float32 that is exact. ``sparse``: rows and values of all cells other
    than 0, and the number of the first of them in each :data:`BIN_BP` rows. Without a value is 0.
    """

    layout: StoreLayout
    track: Track
    kind: DecodedKind
    spans: Spans | None = field(default=None, compare=False)

    @cached_property
    def name(self) -> str:
        """Return the entry's name in the cache."""
        where = "genome" if self.spans is None else self.spans.digest()
        facts = {"state": self.layout.state, "kind": self.kind, "where": where, "version": FORMAT_VERSION}
        return entry_name("tracks", self.track, facts)

    def ensure(self, shards: ShardMap = in_process, *, verify: bool = False) -> Path:
        """Return the entry's folder on this machine, decoding the track when it is not there.

        Raises
        ------
        StoreError
            When it is not there, and the array was written to since its layout was read.
        """
        return entry(self.name, partial(self._build, shards), verify=verify)

    def facts(self) -> DecodedFacts:
        """Return what was found while decoding."""
        return DecodedFacts(**json.loads((self.ensure() / "facts.json").read_text()))

    def open(self, column: str) -> Array:
        """Map a column: ``values``, and of a sparse track ``rows`` and ``first``; shared by all processes."""
        return np.asarray(np.load(self.ensure() / f"{column}.npy", mmap_mode="r"))

    def _build(self, shards: ShardMap, folder: Path) -> None:
        logger.info("decoding %s of %s (%s), once", self.track.attribute, self.track.dataset, self.kind)
        check_unchanged(self.layout)
        if self.kind == "dense":
            _reserve_values(folder, self._total_bp)
        parts = sorted(shards(_decode_shard, self._shards(folder)), key=lambda part: part.low)
        if self.kind == "dense":
            _join_dense(parts, folder)
        else:
            _join_sparse(parts, folder, self.layout.assembly)
        facts = DecodedFacts(_total(part.missing for part in parts), _total(part.bases for part in parts))
        (folder / "facts.json").write_text(json.dumps(facts._asdict()))

    @property
    def _total_bp(self) -> int:
        return self.layout.assembly.total_bp if self.spans is None else self.spans.total_bp

    def _shards(self, folder: Path) -> list[_Shard]:
        if self.spans is None:
            pieces = [_one_span(low, high) for low, high in cuts(self._total_bp, SHARD_BP)]
        else:
            pieces = _divided(self.spans)
        places = np.cumsum([0, *(piece.total_bp for piece in pieces)]).tolist()
        return [
            _Shard(self.layout, self.track, self.kind, piece, place, str(folder))
            for piece, place in zip(pieces, places, strict=False)
        ]


class DecodedFacts(NamedTuple):
    """By chromosome: bases that were decoded, and those of them without a value."""

    missing: dict[str, int]
    bases: dict[str, int]


class _Shard(NamedTuple):
    layout: StoreLayout
    track: Track
    kind: DecodedKind
    spans: Spans
    place: int  # of its first value among all
    folder: str


class _Part(NamedTuple):
    """What a shard found; its columns are in files, or have their place in the whole already."""

    low: int
    place: int
    n: int
    dtype: str
    missing: dict[str, int]
    bases: dict[str, int]

    def file(self, folder: Path, column: str) -> Path:
        return folder / f"{column}-{self.low}.part"


def _decode_shard(shard: _Shard) -> _Part:
    low, folder = int(shard.spans.starts[0]), Path(shard.folder)
    part = _Part(low, shard.place, 0, DTYPES[0].name, {}, _bases_by_chrom(shard.spans, shard.layout.assembly))
    missing: dict[str, int] = {}
    rows: list[Array] = []
    whole = (folder / _VALUES) if shard.kind == "dense" else None
    # What is decoded is written at once: held until the end, it makes every read of the array a third slower.
    with _ShardValues(part.file(folder, "values"), whole, shard.place) as values:
        for slab in read_slabs(shard.layout, shard.track, shard.spans):
            cells, n_missing = narrowed(slab.cells)
            if n_missing:
                _count_missing(missing, slab, shard)
            if shard.kind == "sparse":
                at = np.flatnonzero(cells)
                rows.append((at + slab.low).astype(np.uint32))
                values.add(cells[at])
            else:
                for start, end in _within(shard.spans, slab):
                    values.add(cells[start - slab.low : end - slab.low])
    if shard.kind == "sparse":
        np.concatenate(rows).tofile(part.file(folder, "rows"))
    return part._replace(n=values.n, dtype=values.dtype.name, missing=missing)


class _ShardValues:
    """Writes a shard's values: to their place in the whole while they are of the narrowest type, else to a part.

    Without a whole file all go to the part.
    """

    def __init__(self, part: Path, whole: Path | None, place: int) -> None:
        self.n, self.dtype = 0, DTYPES[0]
        self._part = part
        self._out = (part if whole is None else whole).open("r+b" if whole is not None else "w+b")
        self._start = _npy_header(self._out) + place if whole is not None else 0
        self._out.seek(self._start)

    def add(self, values: Array) -> None:
        """Write the next values."""
        dtype = widest([self.dtype, values.dtype])
        if dtype != self.dtype:
            self._widen(dtype)
        self._out.write(values.astype(dtype, copy=False).data)
        self.n += len(values)

    def _widen(self, dtype: np.dtype[Any]) -> None:
        """Go on in a wider type, with what was written so far."""
        self._out.seek(self._start)
        before = np.frombuffer(self._out.read(self.n * self.dtype.itemsize), dtype=self.dtype)
        self._out.close()
        self._out, self._start, self.dtype = self._part.open("w+b"), 0, dtype
        self._out.write(before.astype(dtype).data)

    def __enter__(self) -> _ShardValues:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()


def _within(spans: Spans, slab: Slab) -> list[tuple[int, int]]:
    """Return the parts of spans that lie in a slab; together with its neighbours' they are the spans."""
    low, high = slab.low, slab.low + len(slab.cells)
    first = int(np.searchsorted(spans.ends, low, side="right"))
    last = int(np.searchsorted(spans.starts, high, side="left"))
    starts = np.maximum(spans.starts[first:last], low)
    ends = np.minimum(spans.ends[first:last], high)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _count_missing(missing: dict[str, int], slab: Slab, shard: _Shard) -> None:
    absent = no_value(slab.cells)
    for start, end in _within(shard.spans, slab):
        rows = np.flatnonzero(absent[start - slab.low : end - slab.low]) + start
        chroms = np.searchsorted(shard.layout.assembly.offsets, rows, side="right") - 1
        for index, count in enumerate(np.bincount(chroms, minlength=1).tolist()):
            if count:
                name = shard.layout.assembly.names[index]
                missing[name] = missing.get(name, 0) + count


def _bases_by_chrom(spans: Spans, assembly: Assembly) -> dict[str, int]:
    intervals = spans.to_intervals(assembly)
    sizes = np.bincount(intervals.chrom_index(assembly), weights=intervals.end - intervals.start)
    return {assembly.names[index]: int(size) for index, size in enumerate(sizes.tolist()) if size}


def _reserve_values(folder: Path, n: int) -> None:
    """Make the file of all values in the narrowest type: most shards of most tracks write to their place there."""
    make_room(n)
    with (folder / _VALUES).open("wb") as out:
        _write_npy_header(out, DTYPES[0], n)
        out.flush()
        reserve(out, out.tell() + n)


def _join_dense(parts: Sequence[_Part], folder: Path) -> None:
    """Write the values anew in a wider type, when a shard needed one."""
    dtype = widest([np.dtype(part.dtype) for part in parts])
    if dtype == DTYPES[0]:
        return
    narrow = (folder / _VALUES).rename(folder / "narrow.npy")
    in_place = np.load(narrow, mmap_mode="r")
    wide = {part.low: _column(part, folder, "values", part.dtype) for part in parts if part.dtype != DTYPES[0].name}
    columns = [wide.get(part.low, in_place[part.place : part.place + part.n]) for part in parts]
    _write_column(columns, dtype, folder / _VALUES)
    _remove_parts(parts, folder, "values")
    narrow.unlink()


def _join_sparse(parts: Sequence[_Part], folder: Path, assembly: Assembly) -> None:
    dtype = widest([np.dtype(part.dtype) for part in parts])
    _write_column([_column(part, folder, "values", part.dtype) for part in parts], dtype, folder / _VALUES)
    rows = [_column(part, folder, "rows", "uint32") for part in parts]
    _write_column(rows, np.dtype(np.uint32), folder / "rows.npy")
    per_bin = np.zeros(-(-assembly.total_bp // BIN_BP), dtype=np.int64)
    for part, column in zip(parts, rows, strict=True):
        counts = np.bincount(column // BIN_BP - part.low // BIN_BP)
        per_bin[part.low // BIN_BP :][: len(counts)] += counts
    np.save(folder / "first.npy", np.concatenate([[0], np.cumsum(per_bin)]))
    for name in ("values", "rows"):
        _remove_parts(parts, folder, name)


def _column(part: _Part, folder: Path, name: str, dtype: str) -> Array:
    """Map a column of a part; parts of a human genome are more than fit the memory."""
    if not part.n:
        return np.empty(0, dtype=dtype)
    column = np.memmap(part.file(folder, name), dtype=dtype, mode="r")
    if len(column) != part.n:
        raise StoreError(f"{part.file(folder, name)} has {len(column):,} values instead of {part.n:,}; decode again")
    return column


def _remove_parts(parts: Sequence[_Part], folder: Path, name: str) -> None:
    for part in parts:
        part.file(folder, name).unlink(missing_ok=True)


def _write_column(columns: Sequence[Array], dtype: np.dtype[Any], path: Path) -> None:
    total = sum(map(len, columns))
    make_room(total * dtype.itemsize)
    with path.open("wb") as out:
        _write_npy_header(out, dtype, total)
        for column in columns:
            out.write(column.astype(dtype, copy=False).data)


def _write_npy_header(out: BinaryIO, dtype: np.dtype[Any], n: int) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (n,)}
    np.lib.format.write_array_header_1_0(out, header)


def _npy_header(file: BinaryIO) -> int:
    """Return the length of a .npy file's header."""
    file.seek(0)
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return file.tell()


def _divided(spans: Spans) -> list[Spans]:
    """Divide spans into shards of about :data:`SHARD_BP` bases; no span is cut."""
    before = np.cumsum(spans.ends - spans.starts) - (spans.ends - spans.starts)
    firsts = np.flatnonzero(np.diff(before // SHARD_BP, prepend=-1))
    bounds = np.r_[firsts, len(spans)]
    return [Spans(spans.starts[a:b], spans.ends[a:b]) for a, b in itertools.pairwise(bounds)]


def _one_span(low: int, high: int) -> Spans:
    return Spans(np.array([low], dtype=np.int64), np.array([high], dtype=np.int64))


def _total(counts: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in counts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total
