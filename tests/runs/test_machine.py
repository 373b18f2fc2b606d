"""What is said of the machine, and of what a run would take from it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny import three_folds

from kerasac.models.bpnet import build_bpnet
from kerasac.runs import machine
from kerasac.runs.machine import look_at_machine
from kerasac.steps.prepare import PreparedWindows, prepare

pytestmark = [pytest.mark.ray, pytest.mark.keras]


@pytest.fixture(scope="module")
def prepared(tiny_folder: Path) -> PreparedWindows:
    return prepare(three_folds(tiny_folder))


def test_facts_are_those_of_the_model_and_the_machine(
    ray_cluster: dict[str, float], prepared: PreparedWindows, tmp_path: Path
) -> None:
    findings, listed = look_at_machine(prepared, tmp_path / "run")
    facts = dict(listed)
    assert findings == []
    model = build_bpnet(prepared.contract, prepared.parameters)  # type: ignore[arg-type]
    assert facts["model"] == f"bpnet, {model.count_params():,} parameters"
    assert "TensorFlow sees 0" in facts["CPUs, GPUs"]
    assert "thread" in facts["units share it"]
    assert facts["versions"].startswith("kerasac ")


def test_disk_that_is_too_small_is_an_error(
    ray_cluster: dict[str, float], prepared: PreparedWindows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(machine, "available_memory", lambda: 10)
    findings, _ = look_at_machine(prepared, tmp_path / "run")
    assert [(finding.level, finding.about) for finding in findings] == [("warning", "memory"), ("error", "disk")]


@pytest.mark.parametrize(
    ("gpus", "said"),
    [("auto", "Ray has 2 GPUs, TensorFlow sees none"), (3, "compute.gpus is 3; a trainer takes one GPU")],
)
def test_gpus_that_cannot_be_used_are_an_error(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path, gpus: str | int, said: str
) -> None:
    greedy = prepare(three_folds(tiny_folder, compute={"gpus": gpus}))
    findings, _ = look_at_machine(greedy, tmp_path)
    assert any(finding.level == "error" and said in finding.message for finding in findings)
