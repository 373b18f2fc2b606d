from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.calibrate import calibrate
from kerasac.runs.calibrate import CalibratedUnit
from kerasac.steps.calibration import Calibration, Isotonic, write_calibration

SIDE = {"ece": 0.25, "squared_error": 2.0}


def invoke(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(calibrate)
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A run of two units, of which the second fails."""
    judged = {
        "tasks": {"plus": {"n": 9, "before": SIDE, "after": {**SIDE, "ece": 0.125}}},
        "definitions": {"ece": "e."},
    }
    made = Calibration("counts", {"plus": Isotonic((0,), (1,))}, {"plus": 1234}, 1300, ("chr1",), "digest", "v", judged)
    path = tmp_path / "calibration.json"
    write_calibration(path, made)
    noted: dict[str, Any] = {}

    def note(source: Path, *, overwrite: bool, say: Any) -> tuple[CalibratedUnit, ...]:
        noted.update(source=source, overwrite=overwrite)
        say("fold-0/seed-1: calibrating")
        failed = CalibratedUnit("fold-1/seed-1", path, None, error="no such layer")
        return CalibratedUnit("fold-0/seed-1", path, made), failed

    monkeypatch.setattr("kerasac.runs.calibrate.calibrate", note)
    return noted


def test_what_was_typed_is_asked_for_and_a_failed_unit_is_exit_status_1(asked: dict[str, Any]) -> None:
    result = invoke("runs/a", "--overwrite")
    assert asked == {"source": Path("runs/a"), "overwrite": True}
    assert result.exit_code == 1
    assert "fold-1/seed-1 failed: no such layer" in result.stderr
    assert "fold-0/seed-1  1,234 windows  0.2500 → 0.1250  2.0000 → 2.0000" in result.stdout
    assert "1 of 2 units are calibrated" in result.stdout


def test_quiet_leaves_results_and_failures(asked: dict[str, Any]) -> None:
    result = invoke("runs/a", "-q")
    assert result.stderr.splitlines() == ["fold-1/seed-1 failed: no such layer"]
    assert "1,234 windows" in result.stdout


def test_json_holds_what_the_files_do(asked: dict[str, Any]) -> None:
    printed = json.loads(invoke("runs/a", "--json").stdout)
    assert printed["fold-0/seed-1"]["tasks"] == {"plus": {"n_labelled": 1234, "x": [0], "y": [1]}}
    assert printed["fold-1/seed-1"] == {"error": "no such layer"}
