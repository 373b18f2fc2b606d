"""Measure what scoring 100,000 windows of 1000 bases costs on one core, reading from the file included.

    python benchmarks/scoring.py [--windows 100000] [--bases 1000] [--folder DIR]

Two files are made: counts as sparse as those of an ATAC-seq experiment (200 a peak, 30 a background window, most bases
none), and dense ones (3 a base). Each is scored by a process of its own, pinned to one core and one thread.
Printed are seconds, and the most memory that the process held, beside that of one which scores 2048 windows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

DENSITIES = {"sparse": (0.2, 0.03), "dense": (3.0, 3.0)}  # counts a base in peaks and background
BLOCK = 4096

_CHILD = """
import json, resource, sys, time
from pathlib import Path
from kerasac.steps.predictions import open_predictions
from kerasac.steps.score import score
started = time.perf_counter()
with open_predictions(Path(sys.argv[1])) as file:
    found = score(file)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "mib": peak, "jsd": found.windows["all"]["jsd_distance_mean"]}))
"""


def main() -> None:
    """Make the files and score them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=100_000)
    parser.add_argument("--bases", type=int, default=1000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name, rates in DENSITIES.items():
            for windows in (2048, options.windows):
                path = Path(folder) / f"{name}.{windows}.h5"
                make_file(path, windows, options.bases, rates)
                cost = measure(path)
                print(
                    f"{name}: {windows:,} × {options.bases:,}: {cost['seconds']:.1f} s, {cost['mib']:.0f} MiB at most, "
                    f"file of {path.stat().st_size / 2**20:.0f} MiB",
                    flush=True,
                )
                path.unlink()


def make_file(path: Path, windows: int, bases: int, rates: tuple[float, float]) -> None:
    """Write predictions in our layout, compressed as we do, without holding them."""
    rng = np.random.default_rng(0)
    chunk = max(1, (1 << 20) // (4 * bases))
    with h5py.File(path, "w") as file:
        shape = (windows, bases, 1)
        compressed = {"chunks": (chunk, bases, 1), "compression": "gzip", "compression_opts": 1, "shuffle": True}
        profiles = {name: file.create_dataset(name, shape, "f4", **compressed) for name in ("lab_0", "pred_0")}
        totals = np.empty((windows, 1), dtype=np.float32)
        is_peak = np.arange(windows) % 2 == 0
        for low in range(0, windows, BLOCK):
            rows = slice(low, min(low + BLOCK, windows))
            rate = np.where(is_peak[rows], *rates)[:, None, None]
            counts = rng.poisson(rate, (rows.stop - low, bases, 1)).astype(np.float32)
            profiles["lab_0"][rows] = counts
            profiles["pred_0"][rows] = rng.normal(size=counts.shape).astype(np.float32)
            totals[rows] = counts.sum(axis=1)
        file["lab_1"] = np.log1p(totals)
        file["pred_1"] = np.log1p(totals) + rng.normal(0, 0.5, totals.shape).astype(np.float32)
        file["is_peak"] = is_peak.astype(np.uint8)
        center = (rng.permutation(windows) * 1000).astype("S256")
        file["coords"] = np.stack([np.full(windows, b"chr1", dtype="S256"), center, np.full(windows, b".", "S256")], 1)


def measure(path: Path) -> dict[str, float]:
    """Score a file on one core with one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    core = min(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(core), sys.executable, "-c", _CHILD, str(path)]
    done = subprocess.run(command, env={**os.environ, **one}, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
