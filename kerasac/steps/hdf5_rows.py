"""Write rows of datasets to HDF5 files in parts, and join the parts without decoding them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy.typing as npt

_CHUNK_BYTES, _CHUNK_ROWS = 1 << 20, 1 << 10  # at most: windows are written by the thousand, as whole chunks
_COMPRESSION: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def create_rows(file: h5py.File, name: str, n_rows: int, like: npt.NDArray[Any], part_rows: int) -> None:
    """Create a dataset of ``n_rows`` rows of an array's kind, in compressed chunks that divide ``part_rows``.

    ``part_rows``, a power of two, are the rows of a part, all but the last of which have as many.
    """
    shape = (n_rows, *like.shape[1:])
    if not all(shape):
        file.create_dataset(name, shape, like.dtype)
        return
    row_bytes = like[:1].nbytes
    rows = min(part_rows, _CHUNK_ROWS, 1 << max(0, (_CHUNK_BYTES // row_bytes).bit_length() - 1))
    chunks = (rows, *like.shape[1:])
    file.create_dataset(name, shape, like.dtype, chunks=chunks, maxshape=(None, *shape[1:]), **_COMPRESSION)


def join_rows(
    parts: Sequence[Path], joined: h5py.File, part_rows: int, rename: Callable[[str], str | None] = str
) -> None:
    """Append all rows of the parts' datasets; compressed chunks are copied as they are, as fast as the disk is.

    ``rename`` says what a dataset becomes, None = it is left out.
    """
    for number, path in enumerate(parts):
        with h5py.File(path, "r") as part:
            for name, dataset in part.items():
                if (becomes := rename(name)) is not None:
                    _append(joined, becomes, dataset, number * part_rows)


def _append(joined: h5py.File, name: str, part: h5py.Dataset, at: int) -> None:
    if name not in joined:
        shape, chunks = part.shape, part.chunks
        joined.create_dataset(name, shape, part.dtype, chunks=chunks, maxshape=(None, *shape[1:]), **_COMPRESSION)
    target = joined[name]
    target.resize(at + len(part), axis=0)
    for i in range(part.id.get_num_chunks()):
        where = part.id.get_chunk_info(i).chunk_offset
        mask, data = part.id.read_direct_chunk(where)
        target.id.write_direct_chunk((at + where[0], *where[1:]), data, mask)
