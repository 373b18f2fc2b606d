"""What a signal array holds: chromosomes, datasets, attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tiledb

import kerasac
from kerasac.cache import digest, url_of
from kerasac.errors import StoreError, suggest
from kerasac.genome.assembly import Assembly
from kerasac.store.context import check_reachable, context, explained

FORMAT_VERSION = 3
BIGWIG_DTYPE = np.dtype(np.float32)
BED_DTYPE = np.dtype(np.uint8)  # seqdataloader has int64, which takes twice as long to write and six times to read

TILE_BP = 65536  # with it blocks are read and written fastest: benchmarks/ingest.py
_GENOME_DIM, _TASK_DIM = "genome_coordinate", "task"
_MAX_ROW = np.iinfo(np.uint32).max
_META_BATCH = 500  # keys written at a time: each takes as long as all that were set since the array was opened


@dataclass(frozen=True)
class StoreLayout:
    """Where an array lies and what it holds; small and picklable, the array is opened where it is read.

    ``datasets`` are in the order of the task axis, ``attributes`` in the order of the schema. ``tile_bp`` are the
    rows of a tile. ``state`` changes when the array is written to, not when it is moved or copied.
    """

    path: str
    assembly: Assembly
    datasets: tuple[str, ...]
    attributes: Mapping[str, np.dtype[Any]]
    tile_bp: int
    state: str

    def dataset_index(self, name: str) -> int:
        """Return a dataset's position on the task axis; raises StoreError naming the nearest one."""
        if name not in self.datasets:
            raise StoreError(f"array {self.path} has no dataset {name!r}{suggest(name, self.datasets)}")
        return self.datasets.index(name)

    def require_attributes(self, names: Iterable[str]) -> None:
        """Raise StoreError naming the first attribute that the array lacks and the nearest one it has."""
        for name in names:
            if name not in self.attributes:
                raise StoreError(f"array {self.path} has no attribute {name!r}{suggest(name, self.attributes)}")


def read_layout(path: str) -> StoreLayout:
    """Read the layout of an array that seqdataloader's ``db_ingest`` or ``kerasac-ray ingest`` wrote.

    The path may be a URL of an object store, which is read where it lies.
    """
    path = url_of(path) or path
    if not is_array(path):
        raise StoreError(f"{path} is not a TileDB array; make one with `kerasac-ray ingest`, or correct the path")
    try:
        with explained(path), tiledb.open(path, ctx=context(path)) as array:
            meta = dict(array.meta)
            attributes = {array.attr(i).name: array.attr(i).dtype for i in range(array.nattr)}
            dims = [array.dim(i).name for i in range(array.ndim)]
            tile_bp = int(array.dim(0).tile)
    except tiledb.TileDBError as error:
        raise StoreError(f"array {path} cannot be read: {error}; ingest it again") from error
    if dims != [_GENOME_DIM, _TASK_DIM] or "num_tasks" not in meta or "num_chroms" not in meta:
        raise StoreError(
            f"{path} is a TileDB array, but not one of seqdataloader's schema ({_GENOME_DIM} × {_TASK_DIM});"
            " ingest it with `kerasac-ray ingest`"
        )
    assembly, datasets = _read_assembly(path, meta), _read_datasets(path, meta)
    return StoreLayout(path, assembly, datasets, attributes, tile_bp, _state(path, assembly, datasets, attributes))


def check_unchanged(layout: StoreLayout) -> None:
    """Raise StoreError when the array was written to since its layout was read: windows would not be the same."""
    if read_layout(layout.path).state != layout.state:
        raise StoreError(
            f"array {layout.path} was written to while it was in use; run the command again when nobody writes to it"
        )


def is_array(path: str) -> bool:
    """Whether there is a TileDB array at this path; raises StoreError when an object store does not say."""
    check_reachable(path)
    with explained(path):
        return bool(tiledb.object_type(path, ctx=context(path)) == "array")


def check_length(assembly: Assembly, *, tile_bp: int = TILE_BP) -> None:
    """Raise StoreError when a genome is longer than an array's 32-bit rows can count."""
    if assembly.total_bp > _MAX_ROW - tile_bp:
        raise StoreError(
            f"a genome of {assembly.total_bp:,} bases does not fit the array's 32-bit rows (4.29 Gb);"
            " ingest it in two arrays with part of the chromosomes each"
        )


def create_array(
    path: str,
    assembly: Assembly,
    datasets: Iterable[str],
    attributes: Mapping[str, np.dtype[Any]],
    *,
    tile_bp: int = TILE_BP,
) -> StoreLayout:
    """Create an empty array of seqdataloader's schema and metadata.

    Cells that are never written read as NaN (float32) or 0 (uint8). As in seqdataloader's arrays there
    is one row more than bases, which stays so.

    Raises
    ------
    StoreError
        When there is something at the path, or the genome is longer than its 32-bit rows can count.
    """
    datasets = tuple(datasets)
    if tiledb.object_type(path) is not None:
        raise StoreError(f"{path} already exists; choose another path")
    tile_bp = min(tile_bp, assembly.total_bp)
    check_length(assembly, tile_bp=tile_bp)
    domain = tiledb.Domain(
        tiledb.Dim(_GENOME_DIM, domain=(0, assembly.total_bp), tile=tile_bp, dtype="uint32"),
        tiledb.Dim(_TASK_DIM, domain=(0, len(datasets) - 1), tile=1, dtype="uint32"),
    )
    attrs = [_attribute(name, dtype) for name, dtype in attributes.items()]
    schema = tiledb.ArraySchema(domain=domain, attrs=attrs, cell_order="row-major", tile_order="row-major")
    tiledb.Array.create(path, schema)
    _write_metadata(path, _metadata(assembly, datasets))
    return read_layout(path)


def _attribute(name: str, dtype: np.dtype[Any]) -> tiledb.Attr:
    # What was never written is in no peak; TileDB's own filling of uint8 is 255.
    filling = {"fill": 0} if dtype == BED_DTYPE else {}
    return tiledb.Attr(name, dtype=dtype, filters=_filters(), **filling)


def _filters() -> tiledb.FilterList:
    # benchmarks/ingest.py has the figures: of nine filters the best of size, writing and reading taken together.
    # Shuffling bits or bytes makes counts larger: most cells are runs of zeros.
    return tiledb.FilterList([tiledb.ZstdFilter(level=1)])


def _state(path: str, assembly: Assembly, datasets: tuple[str, ...], attributes: Mapping[str, np.dtype[Any]]) -> str:
    """Tell an array by its fragments, whose names hold the time of their writing and a random number."""
    with explained(path):
        fragments = sorted(Path(uri).name for uri in tiledb.array_fragments(path, ctx=context(path)).uri)
    axes = [list(assembly.as_dict().items()), datasets, list(attributes)]
    return digest({"fragments": fragments, "axes": axes})


def _metadata(assembly: Assembly, datasets: tuple[str, ...]) -> dict[str, Any]:
    """Return seqdataloader's keys, which its readers look for, and ours, which they leave alone."""
    meta: dict[str, Any] = {"num_tasks": len(datasets), "num_chroms": len(assembly.names)}
    meta |= {f"task_{i}": name for i, name in enumerate(datasets)}
    columns = zip(assembly.names, assembly.sizes, assembly.offsets.tolist(), strict=True)
    for i, (name, size, offset) in enumerate(columns):
        meta |= {f"chrom_{i}": name, f"size_{i}": size, f"offset_{i}": offset}
    return meta | {"kerasac_format": FORMAT_VERSION, "kerasac_version": kerasac.__version__}


def _write_metadata(path: str, meta: Mapping[str, Any]) -> None:
    items = list(meta.items())
    for low in range(0, len(items), _META_BATCH):
        with tiledb.open(path, "w") as array:
            array.meta.update(dict(items[low : low + _META_BATCH]))


def _read_assembly(path: str, meta: Mapping[str, Any]) -> Assembly:
    indices = sorted(range(int(meta["num_chroms"])), key=lambda i: int(meta[f"offset_{i}"]))
    assembly = Assembly(tuple(str(meta[f"chrom_{i}"]) for i in indices), tuple(int(meta[f"size_{i}"]) for i in indices))
    if assembly.offsets.tolist() != [int(meta[f"offset_{i}"]) for i in indices]:
        raise StoreError(f"the chromosomes of array {path} overlap or leave gaps; ingest it again")
    return assembly


def _read_datasets(path: str, meta: Mapping[str, Any]) -> tuple[str, ...]:
    datasets = tuple(str(meta[f"task_{i}"]) for i in range(int(meta["num_tasks"])))
    doubled = sorted({name for name in datasets if datasets.count(name) > 1})
    if doubled:
        raise StoreError(f"array {path} has two datasets named {doubled[0]!r}; ingest it again with other names")
    return datasets
