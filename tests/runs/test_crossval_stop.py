"""A cross-validation that is asked to stop keeps what is done, and says how it goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tiny import three_folds

from kerasac.errors import RunError
from kerasac.runs import crossval
from kerasac.runs.crossval import CrossValidation, cross_validate
from kerasac.runs.heartbeat import read_heartbeat
from kerasac.runs.listening import Listener
from kerasac.runs.stopping import CTRL_C, ask_to_stop
from kerasac.runs.unit import Unit
from kerasac.steps.history import read_history

pytestmark = pytest.mark.ray


def stop_with(
    monkeypatch: pytest.MonkeyPatch, folder: Path, experiment: Any, reason: str, last: dict[str, Any]
) -> CrossValidation:
    """Cross-validate without training: the first unit reports an epoch, is asked to stop, and ends with an event."""

    def launch(prepared: Any, units: Sequence[Unit], allotment: Any, listener: Listener, *, scratch: Path) -> None:
        first = units[0]
        listener.started(first)
        first.folder.mkdir(parents=True)
        (first.folder / "unit.json").write_text('{"state": "started"}')
        (first.folder / "history.csv").write_text("epoch,val_loss\n1,3\n")
        listener.heard(first, {"event": "epoch", "epoch": 1, "val_loss": 3.0, "seconds": 1.0})
        ask_to_stop(folder, reason)
        listener.heard(first, last)

    monkeypatch.setattr(crossval, "launch", launch)
    return cross_validate(experiment, folder, console=Console(quiet=True))


@pytest.mark.parametrize(("reason", "status"), [("the time limit of 11h", 0), (CTRL_C, 130)])
def test_what_is_unfinished_is_said_and_the_report_written(
    ray_cluster: Any, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, status: int
) -> None:
    stopped = {"event": "stopped", "message": "asked to"}
    result = stop_with(monkeypatch, tmp_path / "a", three_folds(tiny_folder), reason, stopped)
    assert (result.stopped, result.exit_status, result.summary) == (reason, status, None)
    assert (result.n_trained, result.n_kept) == (0, 0)
    assert result.unfinished == {
        "fold-0/seed-1": "interrupted after epoch 1",
        "fold-1/seed-1": "not started",
        "fold-2/seed-1": "not started",
    }
    assert (tmp_path / "a/report.html").stat().st_size
    beat = read_heartbeat(tmp_path / "a")
    assert beat is not None
    assert beat.ended is not None
    assert beat.progress["stopping"] == reason
    assert beat.progress["units"] == {"ended": 0, "total": 3, "finished_before": 0, "stopped": 1, "waiting": 2}


def test_its_runs_in_mlflow_were_killed_not_failed(
    ray_cluster: Any, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    from kerasac.runs.tracking_store import local_uri

    stop_with(monkeypatch, tmp_path / "a", three_folds(tiny_folder), "me", {"event": "stopped", "message": "asked to"})
    client = MlflowClient(local_uri(tmp_path / "a"))
    record = json.loads((tmp_path / "a/mlflow.json").read_text())
    assert client.get_run(record["units"]["fold-0/seed-1"]).info.status == "KILLED"


def test_a_unit_that_failed_is_an_error_all_the_same(
    ray_cluster: Any, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"event": "failed", "message": "it diverged"}
    with pytest.raises(RunError, match=r"0 of 3 units .* \(stopped, asked by me\).*\n.*: it diverged"):
        stop_with(monkeypatch, tmp_path / "a", three_folds(tiny_folder), "me", failed)


def test_a_limit_that_has_passed_before_training_starts_none(
    ray_cluster: Any, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossval, "launch", lambda *of, **options: pytest.fail("it was launched"))
    result = cross_validate(three_folds(tiny_folder), tmp_path / "a", console=Console(quiet=True), stop_after_s=1e-3)
    assert (result.stopped, len(result.unfinished)) == ("the time limit of 0s", 3)


@pytest.mark.slow
@pytest.mark.keras
def test_slurms_signal_ends_a_training_after_its_epoch_and_the_command_ends_well(
    tiny_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(three_folds(tiny_folder, training={"epochs": 500, "patience": 500}).to_yaml())
    command = [sys.executable, "-m", "kerasac", "cv", str(file), "--out", str(tmp_path / "run")]
    history = tmp_path / "run/fold-0/seed-1/history.csv"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
        deadline = time.monotonic() + 180
        while len(read_history(history)) < 2:
            assert time.monotonic() < deadline, "gave up waiting"
            time.sleep(0.05)
        driver.send_signal(signal.SIGUSR1)
        out, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0
    n_epochs = len(read_history(history))
    assert 2 <= n_epochs < 500
    assert "Stopped, asked by the signal SIGUSR1 of the job scheduler; 3 unfinished" in out
    assert f"  fold-0/seed-1: interrupted after epoch {n_epochs}" in out.splitlines()
    assert f"Go on:   kerasac-ray cv {file} --out {tmp_path / 'run'}" in out.splitlines()
