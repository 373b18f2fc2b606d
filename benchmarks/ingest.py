"""Measure layouts of the signal array, and our ingest, on a simulated genome.

    python benchmarks/ingest.py

The first table writes the same cells with several filters and tile sizes and reads them back in stretches (what
decoding does) and in windows (what the block reader does); figures are medians over rounds in which all layouts take
turns. The second part ingests six tracks as a user would, with one thread and with two Ray workers, in turns with a
plain reference (reference_ingest.py), and starts a training from the result and from an array of db_ingest's.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pyBigWig
import tiledb
from bench_genome import CHROM_BP, benchmark_experiment, benchmark_genome, clock, empty_cache

from kerasac.genome.intervals import Spans
from kerasac.sampling.batches import make_source
from kerasac.sampling.regions import find_candidates
from kerasac.store.readers import BlockReader
from kerasac.store.schema import StoreLayout, read_layout
from kerasac.store.slabs import Track, open_array, read_slabs

ROUNDS = 5
INGEST_ROUNDS = 3
REFERENCE = Path(__file__).with_name("reference_ingest.py")
TRACKS = {
    "plus": ("bigwig", "plus.bw"),
    "minus": ("bigwig", "minus.bw"),
    "control_plus": ("bigwig", "plus.bw"),
    "control_minus": ("bigwig", "minus.bw"),
    "peak": ("bed_summit_from_last_col", "peaks.narrowPeak"),
    "ambig": ("bed_no_summit", "peaks.narrowPeak"),
}
_WINDOWS = 8_192
_STRETCH = 4_000_000
FILTERS: dict[str, list[object]] = {
    "gzip": [tiledb.GzipFilter()],
    "zstd 1": [tiledb.ZstdFilter(level=1)],
    "zstd 3": [tiledb.ZstdFilter(level=3)],
    "lz4": [tiledb.LZ4Filter()],
    "bitshuffle + lz4": [tiledb.BitShuffleFilter(), tiledb.LZ4Filter()],
    "bitshuffle + zstd 1": [tiledb.BitShuffleFilter(), tiledb.ZstdFilter(level=1)],
    "byteshuffle + zstd 1": [tiledb.ByteShuffleFilter(), tiledb.ZstdFilter(level=1)],
}
TILES = (10_000, 16_384, 65_536)


class Figures(NamedTuple):
    """Of one layout: CPU-s a 100 million cells written, MB, CPU-s a 100 million cells read, windows a CPU-second."""

    write: float
    megabytes: float
    counts: float
    peaks: float
    windows: float


def measure_layouts(layout: StoreLayout) -> None:
    """Print what each layout of the first chromosomes' cells costs."""
    n = min(layout.assembly.total_bp, 2 * CHROM_BP)
    cells = {name: _cells(layout, name, n) for name in layout.attributes}
    places = np.random.default_rng(0).integers(2_000, n - 2_000, _WINDOWS)
    found: dict[tuple[str, int], list[Figures]] = {}
    for _ in range(ROUNDS):
        for name, filters in FILTERS.items():
            for tile in TILES:
                found.setdefault((name, tile), []).append(_measure_layout(layout, cells, filters, tile, places))
    headings = ("write", "MB", "read counts", "read peaks", "windows/CPU-s")
    print(f"{'filters':22} {'tile':>7}" + "".join(f"{heading:>14}" for heading in headings))
    for (name, tile), rounds in found.items():
        medians = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{name:22} {tile:7,}" + "".join(f"{median:14,.2f}" for median in medians))


def _cells(layout: StoreLayout, name: str, n: int) -> np.ndarray:
    everything = Spans(np.array([0]), np.array([n]))
    return np.concatenate([slab.cells for slab in read_slabs(layout, Track("simulated", name), everything)])


def _measure_layout(
    layout: StoreLayout, cells: dict[str, np.ndarray], filters: list[object], tile: int, places: np.ndarray
) -> Figures:
    n = len(cells["plus"])
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a.tdb"
        domain = tiledb.Domain(
            tiledb.Dim("genome_coordinate", domain=(0, n), tile=tile, dtype="uint32"),
            tiledb.Dim("task", domain=(0, 0), tile=1, dtype="uint32"),
        )
        attrs = [tiledb.Attr(k, dtype=v.dtype, filters=tiledb.FilterList(filters)) for k, v in cells.items()]
        tiledb.Array.create(path, tiledb.ArraySchema(domain=domain, attrs=attrs))
        with tiledb.open(path, "w") as array:
            array.meta.update({"num_tasks": 1, "task_0": "simulated", "num_chroms": 1})
            array.meta.update({"chrom_0": "chr1", "size_0": n, "offset_0": 0})
        write = clock(partial(_write, path, cells, tile))
        megabytes = sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file()) / 1e6
        counts, peaks = (clock(partial(_read, path, name, n, tile)) for name in ("plus", "peak"))
        reader = BlockReader(read_layout(path), (Track("simulated", "plus"), Track("simulated", "minus")))
        windows = _WINDOWS / clock(lambda: reader.read(places - 500, 1_000))
    scale = 1e8 / n
    return Figures(scale * write / len(cells), megabytes, scale * counts, scale * peaks, windows)


def _write(path: str, cells: dict[str, np.ndarray], tile: int) -> None:
    step = _STRETCH // tile * tile
    for low in range(0, len(cells["plus"]), step):
        with tiledb.open(path, "w", ctx=tiledb.Ctx({"sm.compute_concurrency_level": 1})) as array:
            some = {name: values[low : low + step] for name, values in cells.items()}
            array[low : low + len(some["plus"]), 0] = some


def _read(path: str, name: str, n: int, tile: int) -> None:
    query = open_array(path).query(attrs=[name], order="F")
    step = _STRETCH // tile * tile
    for low in range(0, n, step):
        query[low : min(low + step, n), 0]


def measure_ingest(folder: Path, layout: StoreLayout, work: Path) -> None:
    """Print the time of ours and of the reference ingest, in turns, and of a start from what ours wrote."""
    metadata, attributes, sizes = _write_inputs(folder, layout, work)
    ours = ["kerasac-ray", "ingest", metadata, "--attributes", attributes, "--chrom-sizes", sizes, "--overwrite"]
    commands: dict[str, list[object]] = {
        "reference, one process": [sys.executable, REFERENCE, metadata, attributes, sizes, work / "reference.tdb"],
        "ours, one thread": [*ours, "--out", work / "1.tdb", "--workers", 1],
        "ours": [*ours, "--out", work / "ours.tdb"],
        "ours, two Ray workers": [*ours, "--out", work / "2.tdb", "--workers", 2],
    }
    rounds: dict[str, list[Cost]] = {label: [] for label in commands}
    for _ in range(INGEST_ROUNDS):
        for label, command in commands.items():
            rounds[label].append(_timed([str(argument) for argument in command]))
    _check_same(work / "reference.tdb", work / "ours.tdb", layout.assembly.total_bp)
    heading = f"ingest of {len(TRACKS)} tracks"
    print(f"\n{heading:28} {'wall s':>8} {'CPU s':>8} {'peak MB':>8} {'× reference':>12}")
    slow = statistics.median(cost.wall for cost in rounds["reference, one process"])
    for label, costs in rounds.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*costs, strict=True))
        print(f"{label:28} {wall:8.2f} {cpu:8.2f} {peak:8,.0f} {slow / wall:12.2f}")
    print(f"\n{'start-up (CPU-s)':28} {'scan':>7} {'decode':>7}")
    for label, store in (("array of db_ingest", folder / "signal.tdb"), ("array of ours", work / "ours.tdb")):
        starts = []
        for _ in range(ROUNDS):
            with empty_cache():
                starts.append(_startup(folder, store))
        scan, decode = (statistics.median(column) for column in zip(*starts, strict=True))
        print(f"{label:28} {scan:7.2f} {decode:7.2f}")


def _check_same(one: Path, other: Path, total_bp: int) -> None:
    """See that both programs wrote the same cells."""
    for name in TRACKS:
        first, second = (open_array(str(path)).query(attrs=[name], order="F") for path in (one, other))
        for low in range(0, total_bp, CHROM_BP):
            cells = (query[low : low + CHROM_BP, 0][name] for query in (first, second))
            np.testing.assert_array_equal(*cells)


class Cost(NamedTuple):
    """Seconds, CPU-seconds and peak MB of a command and its children, Ray's processes among them."""

    wall: float
    cpu: float
    peak: float


def _timed(command: list[str]) -> Cost:
    """Run a command, and add up what its session's processes took, as Ray's workers are not its children."""
    before, started = psutil.cpu_times(), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _own_megabytes(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    after = psutil.cpu_times()
    return Cost(time.perf_counter() - started, after.user + after.system - before.user - before.system, peak)


def _own_megabytes(pid: int) -> float:
    """Return the memory that a process and all below it have to themselves."""
    total = 0
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                memory = process.memory_info()
                total += memory.rss - memory.shared
    return total / 1e6


def _startup(folder: Path, store: Path) -> tuple[float, float]:
    experiment = benchmark_experiment(folder).model_copy(update={"store": store})
    layout = read_layout(str(store))
    scan = clock(lambda: find_candidates(experiment, layout))
    source = make_source(experiment, layout, reader="map")
    decode: Callable[[], object] = lambda: [track.ensure() for track in source.decoded]  # noqa: E731
    return scan, clock(decode)


def _write_inputs(folder: Path, layout: StoreLayout, work: Path) -> tuple[Path, Path, Path]:
    for name in ("plus", "minus"):
        cells = _cells(layout, name, layout.assembly.total_bp)
        with pyBigWig.open(str(work / f"{name}.bw"), "w") as file:
            file.addHeader(list(layout.assembly.as_dict().items()))
            for chrom, offset in zip(layout.assembly.names, layout.assembly.offsets.tolist(), strict=True):
                values = cells[offset : offset + layout.assembly.as_dict()[chrom]]
                at = np.flatnonzero(values)
                file.addEntries([chrom] * len(at), at.tolist(), ends=(at + 1).tolist(), values=values[at].tolist())
    (work / "sizes").write_text("".join(f"{name}\t{size}\n" for name, size in layout.assembly.as_dict().items()))
    (work / "attributes.tsv").write_text("".join(f"{name}\t{kind}\n" for name, (kind, _) in TRACKS.items()))
    files = [str(folder / file if file.endswith("Peak") else work / file) for _, file in TRACKS.values()]
    head, row = "\t".join(["dataset", *TRACKS]), "\t".join(["simulated", *files])
    (work / "metadata.tsv").write_text(f"{head}\n{row}\n")
    return work / "metadata.tsv", work / "attributes.tsv", work / "sizes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabases", type=int, default=200, help="size of the ingested genome; a multiple of 20")
    parser.add_argument("--only", choices=("layouts", "ingest"))
    arguments = parser.parse_args()
    folder = benchmark_genome(arguments.megabases)
    layout = read_layout(str(folder / "signal.tdb"))
    if arguments.only != "ingest":
        measure_layouts(layout)
    if arguments.only == "layouts":
        return
    with tempfile.TemporaryDirectory() as work:
        measure_ingest(folder, layout, Path(work))


if __name__ == "__main__":
    main()
