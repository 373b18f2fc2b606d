"""A simulated genome of any size, in an array as seqdataloader's ``db_ingest`` writes it, for the benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tiledb

from kerasac.cache import entry
from kerasac.config import Experiment, make_experiment
from kerasac.genome.assembly import Assembly

CHROM_BP = 20_000_000
PEAK_EVERY_BP = 20_000
_PEAK_HALF = 250
_BACKGROUND_RATE = 0.01  # cuts a base and strand
_CUTS_A_PEAK = 150  # and strand
_TILE = 10_000
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
INPUT_FLANK, OUTPUT_FLANK = 1057, 500


def benchmark_genome(megabases: int) -> Path:
    """Return the folder of a genome with genome.fa, signal.tdb and peaks.narrowPeak, from the cache or made now."""
    return entry(f"benchmarks/genome-{megabases}-v1", lambda folder: _make(megabases, folder))


def benchmark_experiment(folder: Path, **sampling: Any) -> Experiment:
    """Return a BPNet experiment on it: 2114 bases in, 1000 positions × 2 strands and their log counts out."""
    strands = {"source": ["plus", "minus"], "flank": OUTPUT_FLANK}
    document = {
        "name": "benchmark",
        "genome": {"fasta": "genome.fa"},
        "store": "signal.tdb",
        "datasets": "simulated",
        "inputs": [{"name": "sequence", "source": "seq", "flank": INPUT_FLANK}],
        "outputs": [
            {"name": "profile", **strands},
            {"name": "logcount", **strands, "aggregate": "sum", "transform": "log"},
        ],
        "sampling": {
            "peaks": {"attribute": "peak", "ratio": 0.8},
            "train_size": 10_000,
            "valid_size": 1_000,
            **sampling,
        },
    }
    return make_experiment(document, base=folder, origin="benchmark")


def _make(megabases: int, folder: Path) -> None:
    sizes = [CHROM_BP] * (megabases * 1_000_000 // CHROM_BP)
    assembly = Assembly(tuple(f"chr{i + 1}" for i in range(len(sizes))), tuple(sizes))
    path = str(folder / "signal.tdb")
    _create(path, assembly)
    with (folder / "genome.fa").open("wb") as fasta, (folder / "peaks.narrowPeak").open("w") as peaks:
        for number, (chrom, offset) in enumerate(zip(assembly.names, assembly.offsets.tolist(), strict=True)):
            rng = np.random.default_rng([megabases, number])
            summits = _summits(rng)
            with tiledb.open(path, "w") as array:
                array[offset : offset + CHROM_BP, 0] = dict(_tracks(rng, summits))
            bases = rng.choice(_LETTERS, CHROM_BP).reshape(-1, 100)
            lines = np.hstack([bases, np.full((len(bases), 1), ord("\n"), dtype=np.uint8)])
            fasta.write(f">{chrom}\n".encode() + lines.tobytes())
            start = summits - _PEAK_HALF
            peaks.writelines(f"{chrom}\t{s}\t{s + 500}\t.\t0\t.\t0\t0\t0\t{_PEAK_HALF}\n" for s in start.tolist())


def _create(path: str, assembly: Assembly) -> None:
    domain = tiledb.Domain(
        tiledb.Dim("genome_coordinate", domain=(0, assembly.total_bp), tile=_TILE, dtype="uint32"),
        tiledb.Dim("task", domain=(0, 0), tile=1, dtype="uint32"),
    )
    filters = tiledb.FilterList([tiledb.GzipFilter()])
    dtypes = {"plus": np.float32, "minus": np.float32, "peak": np.int64}
    attrs = [tiledb.Attr(name, dtype=dtype, filters=filters) for name, dtype in dtypes.items()]
    tiledb.Array.create(path, tiledb.ArraySchema(domain=domain, attrs=attrs))
    meta: dict[str, Any] = {"num_tasks": 1, "task_0": "simulated", "num_chroms": len(assembly.names)}
    for i, (name, size) in enumerate(assembly.as_dict().items()):
        meta |= {f"chrom_{i}": name, f"size_{i}": size, f"offset_{i}": int(assembly.offsets[i])}
    with tiledb.open(path, "w") as array:
        array.meta.update(meta)


def _summits(rng: np.random.Generator) -> np.ndarray:
    n = CHROM_BP // PEAK_EVERY_BP
    return np.sort(rng.choice(CHROM_BP // 1_000 - 10, n, replace=False) * 1_000 + 5_000 + rng.integers(0, 400, n))


def _tracks(rng: np.random.Generator, summits: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for name in ("plus", "minus"):
        cuts = [rng.integers(0, CHROM_BP, round(CHROM_BP * _BACKGROUND_RATE))]
        cuts.append((summits[:, None] + rng.normal(0, 120, (len(summits), _CUTS_A_PEAK))).astype(np.int64).ravel())
        yield name, np.bincount(np.concatenate(cuts), minlength=CHROM_BP).astype(np.float32)
    marks = np.zeros(CHROM_BP, dtype=np.int64)
    for summit in summits.tolist():
        marks[summit - _PEAK_HALF : summit + _PEAK_HALF] = 1
    marks[summits] = 2
    yield "peak", marks


def clock(work: Callable[[], object]) -> float:
    """Return the CPU-seconds of this process that some work takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


@contextlib.contextmanager
def empty_cache() -> Iterator[None]:
    """Use a cache folder that is empty, and gone afterwards."""
    before = os.environ.get("KERASAC_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KERASAC_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("KERASAC_CACHE")
            if before is not None:
                os.environ["KERASAC_CACHE"] = before


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write figures."""
    path.write_text(json.dumps(figures, indent=1) + "\n")
