from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_experiment
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.steps.findings import Finding

MACHINE = "kerasac.runs.machine.look_at_machine"


@pytest.fixture
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave Ray and TensorFlow out; tests/runs/test_machine.py looks at the machine."""
    monkeypatch.setattr(MACHINE, lambda prepared, run_folder: ([], [("CPUs, GPUs", f"none in {run_folder}")]))


def invoke(folder: Path, tmp_path: Path, *arguments: str, **changes: Any) -> Any:
    (tmp_path / "e.yaml").write_text(tiny_experiment(folder, **changes).to_yaml())
    return CliRunner().invoke(app, ["check", str(tmp_path / "e.yaml"), *arguments])


def test_facts_come_first_then_findings_then_the_verdict(
    tiny_folder: Path, tmp_path: Path, quiet_machine: None
) -> None:
    result = invoke(tiny_folder, tmp_path, "--out", str(tmp_path / "here"))
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "tiny"
    assert "none in" in result.stdout
    assert lines[-4].startswith("warning: folds: splits with fewer than 50 peaks")
    assert lines[-3] == "tiny: no mistakes, 1 warning"
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["check.json", "labels.png"]


def test_mistakes_are_all_named_and_the_status_is_1(tiny_folder: Path, tmp_path: Path, quiet_machine: None) -> None:
    result = invoke(tiny_folder, tmp_path, datasets="tinny", model={"filtrs": 3})
    assert result.exit_code == 1
    assert "error: unknown parameter 'filtrs'" in result.stdout
    assert "did you mean 'tiny'" in result.stdout
    assert "tiny: 2 mistakes, no warnings" in result.stdout


def test_json_is_all_of_it(tiny_folder: Path, tmp_path: Path, quiet_machine: None) -> None:
    document = json.loads(invoke(tiny_folder, tmp_path, "--json").stdout)
    assert document["passed"] is True
    assert document["findings"][0]["level"] == "warning"
    assert document["labels"][0]["output"] == "logcount"


def test_machine_that_will_not_do_is_a_mistake(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MACHINE, lambda prepared, run_folder: ([Finding("error", "disk", "too small")], []))
    result = invoke(tiny_folder, tmp_path)
    assert result.exit_code == 1
    assert "error: disk: too small" in result.stdout
