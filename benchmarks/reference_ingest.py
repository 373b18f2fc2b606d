"""Ingest as plainly as can be: one process, bigWig to array chunk by chunk, gzip tiles of 10,000 bases.

What seqdataloader's ``db_ingest`` does without its worker processes: chunks of a chromosome, one attribute after the
other, into a dense array of its schema, with one thread (``sm.compute_concurrency_level`` 1).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import tiledb

CHUNK_BP, TILE_BP = 1_000_000, 10_000


def ingest(metadata: Path, attributes: Path, sizes: Path, out: Path) -> None:
    kinds = dict(pd.read_csv(attributes, sep="\t", header=None).to_numpy().tolist())
    files = pd.read_csv(metadata, sep="\t").iloc[0].to_dict()
    chroms = pd.read_csv(sizes, sep="\t", header=None).to_numpy().tolist()
    total = sum(size for _, size in chroms)
    _create(out, total, kinds)
    opened = {name: _open(kind, files[name]) for name, kind in kinds.items()}
    offset = 0
    context = tiledb.Ctx({"sm.compute_concurrency_level": 1, "sm.io_concurrency_level": 1})
    with tiledb.open(str(out), "w", ctx=context) as array:
        for chrom, size in chroms:
            for start in range(0, size, CHUNK_BP):
                end = min(start + CHUNK_BP, size)
                cells = {name: _cells(kind, opened[name], chrom, start, end) for name, kind in kinds.items()}
                array[offset + start : offset + end, 0] = cells
            offset += size


def _open(kind: str, file: str) -> object:
    return pyBigWig.open(file) if kind == "bigwig" else pd.read_csv(file, sep="\t", header=None)


def _cells(kind: str, source: object, chrom: str, start: int, end: int) -> np.ndarray:
    if kind == "bigwig":
        return np.nan_to_num(source.values(chrom, start, end, numpy=True)).astype(np.float32)  # type: ignore[attr-defined]
    rows = source[(source[0] == chrom) & (source[2] > start) & (source[1] < end)]  # type: ignore[index]
    cells = np.zeros(end - start, dtype=np.int64)
    for low, high in zip(rows[1], rows[2], strict=True):
        cells[max(low - start, 0) : high - start] = 1
    if kind == "bed_summit_from_last_col":
        summits = (rows[1] + rows[9]).to_numpy() - start
        cells[summits[(summits >= 0) & (summits < end - start)]] = 2
    return cells


def _create(out: Path, total: int, kinds: dict[str, str]) -> None:
    if out.exists():
        tiledb.remove(str(out))
    domain = tiledb.Domain(
        tiledb.Dim("genome_coordinate", domain=(0, total), tile=TILE_BP, dtype="uint32"),
        tiledb.Dim("task", domain=(0, 0), tile=1, dtype="uint32"),
    )
    gzip = tiledb.FilterList([tiledb.GzipFilter()])
    types = {name: np.float32 if kind == "bigwig" else np.int64 for name, kind in kinds.items()}
    attrs = [tiledb.Attr(name, dtype=dtype, filters=gzip) for name, dtype in types.items()]
    tiledb.Array.create(str(out), tiledb.ArraySchema(domain=domain, attrs=attrs))


if __name__ == "__main__":
    ingest(*map(Path, sys.argv[1:]))
