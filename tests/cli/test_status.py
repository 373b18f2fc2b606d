from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from runs_on_disk import write_heartbeat, write_run_folder, write_unit
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.runs.lock import run_lock
from kerasac.runs.stopping import stop_reason

PROGRESS = {"running": [{"unit": "fold-1/seed-1"}], "time_left_s": 300.0, "budget": "3 of 8 GPU-hours"}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two runs, the one below a finished one, the other interrupted; the tests are in its parent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    finished, open_ = write_run_folder(tmp_path / "runs/done", folds=1), write_run_folder(tmp_path / "runs/open")
    write_unit(finished, 0, "done", epochs=4)
    write_unit(open_, 0, "done", epochs=4)
    write_unit(open_, 1, "started", epochs=2)
    write_heartbeat(finished, ended=time.time())
    write_heartbeat(open_, progress=PROGRESS, command={"argv": ["kerasac-ray", "cv", "e.yaml"], "cwd": str(tmp_path)})
    return tmp_path / "runs"


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def test_status_is_a_line_a_run_and_then_what_is_under_way(runs: Path) -> None:
    with run_lock(runs / "open"):
        lines = invoke("status").output.splitlines()
    assert lines[1].split() == ["runs/done", "finished", "1/1", "4/4", "validation", "loss", "1", "(mean", "of", "1)"]
    assert lines[2].startswith("runs/open  running (process ")
    assert re.search(r"1/2     6/8  about [45]m", lines[2])
    assert lines[3] == "runs/open/fold-1/seed-1: running after epoch 2/4"
    assert lines[4] == "runs/open: 3 of 8 GPU-hours · CPU 50% of 2"
    assert len(lines) == 5


def test_status_of_one_run_lists_its_units(runs: Path) -> None:
    lines = invoke("status", "runs/open").output.splitlines()
    assert lines[2:] == [
        "runs/open/fold-0/seed-1: done after epoch 4/4",
        "runs/open/fold-1/seed-1: interrupted after epoch 2/4",
    ]


def test_status_says_errors(runs: Path) -> None:
    (runs / "open/fold-1/seed-1/error.txt").write_text("kerasac.errors.ModelError: diverged\n")
    assert "runs/open/fold-1/seed-1: failed: diverged" in invoke("status").output.splitlines()


def test_status_as_json(runs: Path) -> None:
    found = json.loads(invoke("status", "--json").output)
    assert [(one["folder"], one["state"]) for one in found] == [("runs/done", "finished"), ("runs/open", "interrupted")]


def test_resume_lists_what_is_unfinished_and_how_it_goes_on(runs: Path) -> None:
    result = invoke("resume")
    assert result.exit_code == 0
    assert result.output.splitlines()[1:] == [
        "    fold-1/seed-1: interrupted after epoch 2/4",
        "  kerasac-ray cv e.yaml",
    ]
    assert json.loads(invoke("resume", "--json").output)[0]["command"] == ["kerasac-ray", "cv", "e.yaml"]
    assert invoke("resume", "runs/done").output == "nothing is unfinished\n"


def test_resume_runs_the_command_and_ends_as_it_did(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def call(argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(argv)
        return subprocess.CompletedProcess(argv, 2)

    monkeypatch.setattr(subprocess, "run", call)
    assert invoke("resume", "--run").exit_code == 2
    assert calls == [[sys.executable, "-m", "kerasac", "cv", "e.yaml"]]


def test_stop_asks_and_says_what_goes_on(runs: Path) -> None:
    with run_lock(runs / "open"):
        result = invoke("stop", "--no-wait")
    assert result.exit_code == 0
    assert "runs/open: asked to stop; 1 running unit ends its epoch first" in result.output
    assert stop_reason(runs / "open") is not None


def test_stop_ends_with_1_when_it_still_runs_after_the_wait(runs: Path) -> None:
    with run_lock(runs / "open"):
        result = invoke("stop", "runs/open", "--at-most", "1s")
    assert result.exit_code == 1
    assert "the request stays" in result.output


def test_stop_refuses_where_nothing_runs(runs: Path) -> None:
    result = invoke("stop", "runs/open")
    assert "nothing runs in runs/open: it is interrupted" in str(result.exception)
