"""Measure the sampling engine on a simulated genome, against a reader that works as kerasAC's does.

    python benchmarks/sampling.py --json figures.json

Windows have 2114 bases in and 1000 × 2 counts out. Throughput is in windows a CPU-second of one process; each round of
a reader is followed by one of the reference, and ratios are medians over the rounds. ``--only`` picks parts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench_genome import CHROM_BP, benchmark_experiment, benchmark_genome, clock, empty_cache, write_json
from memory import measure_memory
from reference_reader import ReferenceReader

from kerasac.genome.sequence import one_hot
from kerasac.sampling.batches import WindowSource, make_source
from kerasac.sampling.plan import Windows, windows_at
from kerasac.sampling.regions import Candidates, find_candidates
from kerasac.sampling.stream import ARRAY_ROWS, BLOCK_ROWS
from kerasac.store.readers import READER_KINDS, ReaderKind
from kerasac.store.schema import read_layout

ROUNDS = 7
REFERENCE_WINDOWS = 500
PARTS = ("readers", "ray", "startup", "memory", "training")


class Setting:
    """A genome and what is read from it."""

    def __init__(self, megabases: int) -> None:
        self.folder = benchmark_genome(megabases)
        self.experiment = benchmark_experiment(self.folder)
        self.layout = read_layout(str(self.experiment.store))
        self.candidates = find_candidates(self.experiment, self.layout)

    def source(self, kind: ReaderKind) -> WindowSource:
        """Return a source whose tracks are decoded."""
        source = make_source(self.experiment, self.layout, reader=kind, spans=spans(self.candidates), complete=True)
        source.ensure()
        return source

    def windows(self, where: str, n: int, rng: np.random.Generator, *, reverse: bool = False) -> Windows:
        """Draw windows at peak positions or anywhere on a chromosome."""
        if where == "peak":
            positions = self.candidates.positions
            assert positions is not None
            centers = positions.rows_at(rng.integers(0, positions.total_bp, n))
        else:
            chrom = rng.integers(0, len(self.layout.assembly.names), n)
            centers = chrom * CHROM_BP + rng.integers(2_000, CHROM_BP - 2_000, n)
        windows = windows_at(centers, is_peak=where == "peak")
        return Windows(centers, rng.random(n) < 0.5, windows.is_peak) if reverse else windows


def spans(candidates: Candidates) -> Any:
    return candidates.surroundings(500, jitter=0)


def measure_readers(setting: Setting) -> dict[str, float]:
    """Print each reader's throughput and its ratio to the reference; returns the ratios of the table."""
    reference = ReferenceReader(setting.folder)
    rng = np.random.default_rng(0)
    figures: dict[str, float] = {}
    print(f"\n{'reader':8} {'windows':8} {'what':26} {'windows/CPU-s':>14} {'× reference':>12} {'× lean':>8}")
    for kind in READER_KINDS:
        source = setting.source(kind)
        for where, what, read in _cases(kind, source):
            if kind == "spans" and where == "random":
                continue  # it would measure the array's blocks
            n = ARRAY_ROWS if kind == "blocks" else 64 * BLOCK_ROWS
            rates, ratios, lean_ratios = [], [], []
            for round_ in range(ROUNDS + 1):
                windows = setting.windows(where, n, rng, reverse="strands" in what)
                some = setting.windows(where, REFERENCE_WINDOWS, rng)
                rate = n / clock(partial(read, windows))
                base = REFERENCE_WINDOWS / clock(partial(reference.read, some.center))
                lean = REFERENCE_WINDOWS / clock(partial(reference.read, some.center, lean=True))
                if round_:  # the first warms up
                    rates.append(rate)
                    ratios.append(rate / base)
                    lean_ratios.append(rate / lean)
            rate, ratio, lean = map(statistics.median, (rates, ratios, lean_ratios))
            print(f"{kind:8} {where:8} {what:26} {rate:14,.0f} {ratio:12,.1f} {lean:8,.1f}", flush=True)
            figures[f"{kind}.{where}.{what}"] = ratio
    return {
        "peaks_tokens_ratio": figures["map.peak.tokens + counts"],
        "peaks_onehot_ratio": figures["map.peak.one-hot + counts"],
        "random_ratio": figures["map.random.tokens + counts"],
        "blocks_ratio": min(figures[f"blocks.{where}.tokens + counts"] for where in ("peak", "random")),
    }


def _cases(kind: str, source: WindowSource) -> Iterator[tuple[str, str, Callable[[Windows], None]]]:
    block = ARRAY_ROWS if kind == "blocks" else BLOCK_ROWS

    def read(windows: Windows) -> None:
        for low in range(0, len(windows), block):
            source.read(windows.take(slice(low, low + block)))

    def read_one_hot(windows: Windows) -> None:
        for low in range(0, len(windows), block):
            one_hot(source.read(windows.take(slice(low, low + block)))["sequence"])

    for where in ("peak", "random"):
        yield where, "tokens + counts", read
    if kind != "blocks":
        yield "peak", "both strands, t. + counts", read
        yield "peak", "one-hot + counts", read_one_hot


def measure_linearity(setting: Setting) -> None:
    """Print how CPU time grows with the number of windows."""
    source, rng = setting.source("map"), np.random.default_rng(1)
    _, _, read = next(_cases("map", source))
    for n in (64 * BLOCK_ROWS, 256 * BLOCK_ROWS):
        drawn = [setting.windows("random", n, rng) for _ in range(ROUNDS)]
        times = [clock(partial(read, windows)) for windows in drawn]
        print(f"{n:8,} random windows: {statistics.median(times):.3f} CPU-s")


def measure_ray(setting: Setting, samplers: int = 1) -> dict[str, float]:
    """Print wall-clock windows/s that arrive at the trainer through Ray Data, from the third block on."""
    from kerasac.runs.session import ray_session
    from kerasac.sampling.stream import RAY_ROWS, stream_through_ray

    n, skipped = 72 * RAY_ROWS, 8 * RAY_ROWS
    source, rng = setting.source("map"), np.random.default_rng(2)
    rates = []
    with ray_session():
        for _ in range(ROUNDS - 2):
            windows = setting.windows("peak", n, rng, reverse=True)
            seen, started = 0, 0.0
            for batch in stream_through_ray(source, lambda _, w=windows: w, [0], 64, samplers=samplers):
                seen += len(batch["sequence"])
                if seen == skipped:
                    started = time.perf_counter()
            rates.append((n - skipped) / (time.perf_counter() - started))
    rate = statistics.median(rates)
    spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
    print(f"\nthrough Ray Data, {samplers} sampler: {rate:,.0f} windows/s ({spread})")
    return {"ray_windows_per_s": rate}


def measure_startup(setting: Setting, half: Setting) -> dict[str, float]:
    """Print CPU-seconds of scan, decoding and tokens in an empty cache, for two genome sizes, and of a second trial."""
    print(f"\n{'start-up (CPU-s)':24} {'scan':>6} {'decode':>7} {'both':>6} {'tokens':>7} {'second trial':>13}")
    both = {}
    for chosen in (half, setting):
        rows = []
        for _ in range(ROUNDS - 2):
            with empty_cache():
                rows.append(_startup(chosen))
        medians = [statistics.median(column) for column in zip(*rows, strict=True)]
        megabases = chosen.layout.assembly.total_bp // 1_000_000
        scan, decode, tokens, again = medians
        both[megabases] = statistics.median(row[0] + row[1] for row in rows)
        label = f"{megabases} Mb, 2 tracks"
        print(f"{label:24} {scan:6.2f} {decode:7.2f} {both[megabases]:6.2f} {tokens:7.2f} {again:13.3f}", flush=True)
    return {"startup_cpu_s": both[max(both)]}


def _startup(setting: Setting) -> tuple[float, float, float, float]:
    scan = clock(lambda: find_candidates(setting.experiment, setting.layout))
    source = make_source(setting.experiment, setting.layout, reader="map")
    decode = clock(lambda: [track.ensure() for track in source.decoded])
    tokens = clock(source.tokens.ensure)

    def again() -> None:
        find_candidates(setting.experiment, setting.layout)
        make_source(setting.experiment, setting.layout, reader="map").ensure()

    return scan, decode, tokens, clock(again)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--megabases", type=int, default=200, help="size of the genome; a multiple of 40")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    setting = Setting(arguments.megabases)
    figures: dict[str, float] = {}
    if "readers" in arguments.only:
        figures |= measure_readers(setting)
        measure_linearity(setting)
    if "startup" in arguments.only:
        figures |= measure_startup(setting, Setting(arguments.megabases // 2))
    if "memory" in arguments.only:
        figures |= measure_memory(setting.source("map"), setting.layout.assembly.total_bp)
    if "ray" in arguments.only:
        figures |= measure_ray(setting)
    if "training" in arguments.only:
        from training import measure_training

        figures |= measure_training(setting)
    print()
    for name, value in figures.items():
        print(f"{name:22} {value:,.3f}")
    if arguments.json:
        write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
