"""Measure what samplers of two trials take of a machine's memory, and what of it they share."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from kerasac.sampling.batches import WindowSource
from kerasac.sampling.plan import windows_at

_BLOCK = 4096


def measure_memory(source: WindowSource, total_bp: int) -> dict[str, float]:
    """Let two samplers read windows all over the genome at once; print their peaks and what is shared."""
    decoded_mb = sum(path.stat().st_size for path in _decoded_files(source)) / 1e6
    with tempfile.NamedTemporaryFile() as pickled:
        pickled.write(pickle.dumps((source, total_bp)))
        pickled.flush()
        command = [sys.executable, __file__, pickled.name]
        samplers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        # Both hold all they have read until both have read it.
        found = [dict(_numbers(_line(sampler))) for sampler in samplers]
        for sampler in samplers:
            sampler.communicate("\n")
    print(f"\ndecoded store: {decoded_mb:,.0f} MB (tracks and tokens)")
    for i, numbers in enumerate(found):
        text = ", ".join(f"{name} {value:,.0f} MB" for name, value in numbers.items())
        print(f"sampler {i + 1}: {text}")
    together = sum(numbers["proportional"] for numbers in found)
    print(f"both together: {together:,.0f} MB, where shared pages count once")
    return {"sampler_extra_mb": max(numbers["peak"] for numbers in found) - decoded_mb}


def _decoded_files(source: WindowSource) -> list[Path]:
    return [path for entry in (source.tokens, *source.decoded) for path in entry.ensure().glob("*.npy")]


def _line(sampler: subprocess.Popen[str]) -> str:
    assert sampler.stdout is not None
    return sampler.stdout.readline()


def _numbers(line: str) -> list[tuple[str, float]]:
    return [(name, float(value)) for name, value in (pair.split("=") for pair in line.split())]


def _sampler(pickled: Path) -> None:
    """Read every stretch of the genome, then say what this process takes and wait."""
    source, total_bp = pickle.loads(pickled.read_bytes())
    centers = np.arange(2_000, total_bp - 2_000, 900)
    rng = np.random.default_rng(0)
    rng.shuffle(centers)
    for low in range(0, len(centers), _BLOCK):
        source.read(windows_at(centers[low : low + _BLOCK], is_peak=True))
    status = _fields(Path("/proc/self/status"))
    rollup = _fields(Path("/proc/self/smaps_rollup"))
    own = rollup["Private_Clean"] + rollup["Private_Dirty"]
    print(
        f"peak={status['VmHWM']} own={own} shared={rollup['Shared_Clean'] + rollup['Shared_Dirty']} "
        f"proportional={rollup['Pss']}",
        flush=True,
    )
    sys.stdin.readline()


def _fields(path: Path) -> dict[str, float]:
    """Return the fields of a /proc file that are in kB, as MB."""
    found = re.findall(r"^(\w+):\s+(\d+) kB", path.read_text(), re.MULTILINE)
    return {name: int(value) * 1024 / 1e6 for name, value in found}


if __name__ == "__main__":
    _sampler(Path(sys.argv[1]))
