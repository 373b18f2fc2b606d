from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kerasac.runs import usage
from kerasac.runs.usage import Gpus, Meter, Usage


def test_a_busy_process_shows() -> None:
    meter = Meter()
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    found = meter.read()
    assert found.busy is not None
    assert 0.1 < found.busy * found.cpus <= found.cpus
    assert found.memory_used_gib is not None
    assert found.memory_gib is not None
    assert 0 < found.memory_used_gib < found.memory_gib


def test_gpus_are_read_from_nvidia_smi_once_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho x >> {tmp_path}/calls\necho '40, 1024, 81920'\necho '60, 3072, 81920'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert Meter().read().gpus is None
    meter = Meter(gpus=True)
    assert meter.read().gpus == meter.read().gpus == Gpus(2, 0.5, 4.0, 160.0)
    assert (tmp_path / "calls").read_text() == "x\n"


def test_a_broken_nvidia_smi_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert Meter(gpus=True).read().gpus is None


def test_the_limit_of_a_container_counts_without_the_files_that_it_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_container_bytes", {"memory.max": 2**30, "memory.current": 2**29}.get)
    monkeypatch.setattr(usage, "_container_cache", lambda: 2**28)
    found = Meter().read()
    assert (found.memory_used_gib, found.memory_gib) == (0.25, 1.0)


def test_what_the_system_does_not_tell_is_left_out() -> None:
    assert str(Usage(4, None, None, None, None)) == ""
    assert str(Usage(4, 0.5, None, None, Gpus(1, 1, 2, 16))) == "CPU 50% of 4 · GPU 100%, 2.0 of 16 GiB"
