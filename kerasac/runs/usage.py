"""Measure how busy this machine is: CPUs, memory and, where there are any, GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

_GIB = 2.0**30
_GPU_EVERY_S = 10.0  # nvidia-smi takes up to a second
_GPU_QUERY = ("--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits")


class Gpus(NamedTuple):
    """The GPUs of a machine: how many, their mean use (0 to 1), and their memory together."""

    number: int
    busy: float
    memory_used_gib: float
    memory_gib: float


class Usage(NamedTuple):
    """The use of a machine; what the system does not tell is None."""

    cpus: int
    busy: float | None
    memory_used_gib: float | None
    memory_gib: float | None
    gpus: Gpus | None

    def __str__(self) -> str:
        parts = []
        if self.busy is not None:
            parts.append(f"CPU {self.busy:.0%} of {self.cpus}")
        if self.memory_used_gib is not None and self.memory_gib is not None:
            parts.append(f"memory {self.memory_used_gib:.1f} of {self.memory_gib:.1f} GiB")
        if self.gpus is not None:
            name = "GPU" if self.gpus.number == 1 else f"{self.gpus.number} GPUs"
            memory = f"{self.gpus.memory_used_gib:.1f} of {self.gpus.memory_gib:.0f} GiB"
            parts.append(f"{name} {self.gpus.busy:.0%}, {memory}")
        return " · ".join(parts)


class Meter:
    """Measures again and again; the CPUs' use is that since the last time."""

    def __init__(self, *, gpus: bool = False) -> None:
        self._gpus_asked = gpus and shutil.which("nvidia-smi") is not None
        self._gpus: Gpus | None = None
        self._gpus_at = -_GPU_EVERY_S
        self._cpu_before = _cpu_times()

    def read(self) -> Usage:
        """Return the use of this machine now."""
        used, memory = _memory_gib()
        now = time.monotonic()
        if self._gpus_asked and now - self._gpus_at >= _GPU_EVERY_S:
            self._gpus, self._gpus_at = _read_gpus(), now
        return Usage(os.cpu_count() or 1, self._busy(), used, memory, self._gpus)

    def _busy(self) -> float | None:
        before, now = self._cpu_before, _cpu_times()
        if before is None or now is None:
            return min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) if hasattr(os, "getloadavg") else None
        total, idle = now[0] - before[0], now[1] - before[1]
        if total <= 0:
            return None
        self._cpu_before = now
        return max(0.0, 1 - idle / total)


def _cpu_times() -> tuple[int, int] | None:
    """Return the ticks of all CPUs and the idle ones among them, or None where /proc does not say."""
    try:
        with Path("/proc/stat").open() as lines:
            ticks = [int(word) for word in lines.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    return (sum(ticks), ticks[3] + ticks[4]) if len(ticks) >= 5 else None  # idle, and waiting for disks


def _memory_gib() -> tuple[float | None, float | None]:
    """Return used and all memory: those of the container where it has a limit."""
    try:
        found = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(found[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return None, None
    limit, used = _container_bytes("memory.max"), _container_bytes("memory.current")
    if limit is not None and used is not None and limit < total:
        return max(0, used - _container_cache()) / _GIB, limit / _GIB
    return (total - free) / _GIB, total / _GIB


def _container_bytes(name: str) -> int | None:
    try:
        text = (Path("/sys/fs/cgroup") / name).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _container_cache() -> int:
    """Return the bytes of files that are only kept in memory because there is room for them."""
    try:
        lines = (Path("/sys/fs/cgroup") / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def _read_gpus() -> Gpus | None:
    try:
        asked = subprocess.run(
            ["nvidia-smi", *_GPU_QUERY], capture_output=True, text=True, timeout=5, check=True
        ).stdout.splitlines()
        rows = [[float(cell) for cell in line.split(",")] for line in asked if line.strip()]
    except (OSError, ValueError, subprocess.SubprocessError):  # a driver that does not tell does not stop a training
        return None
    if not rows:
        return None
    busy, used, memory = (sum(column) for column in zip(*rows, strict=True))
    return Gpus(len(rows), busy / len(rows) / 100, used / 1024, memory / 1024)
