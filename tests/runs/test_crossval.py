from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tiny import three_folds

from kerasac.errors import RunError
from kerasac.runs.crossval import CrossValidation, cross_validate
from kerasac.runs.lock import run_lock
from kerasac.steps.history import read_history

pytestmark = [pytest.mark.ray, pytest.mark.keras]

RUN_FILES = ["experiment.yaml", "folds.json", "provenance.json", "summary.json", "summary.tsv", "report.html"]


def _losses(folder: Path) -> list[float]:
    return [row["val_loss"] for row in read_history(folder / "history.csv")]


def test_every_fold_is_trained_scored_and_summed_up(run: CrossValidation) -> None:
    assert (run.n_trained, run.n_kept) == (3, 0)
    assert run.summary.units == ("fold-0/seed-1", "fold-1/seed-1", "fold-2/seed-1")
    assert all((run.folder / name).stat().st_size for name in RUN_FILES)
    assert not (run.folder / ".ray").exists()
    values = json.loads((run.folder / "summary.json").read_text())["metrics"]["peaks"]["jsd_distance_mean"]["values"]
    assert set(values) == set(run.summary.units)


def test_mlflow_holds_a_parent_and_a_child_a_fold(run: CrossValidation) -> None:
    from mlflow import MlflowClient

    from kerasac.runs.tracking import local_uri

    assert run.tracking_problem is None
    client = MlflowClient(local_uri(run.folder))
    known = client.get_experiment_by_name("tiny")
    assert known is not None
    runs = {found.info.run_name: found for found in client.search_runs([known.experiment_id])}
    assert set(runs) == {"tiny", *run.summary.units}
    assert {found.info.status for found in runs.values()} == {"FINISHED"}
    parent, child = runs["tiny"], runs["fold-1/seed-1"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.data.params["model.filters"] == "4"
    logged = [metric.value for metric in client.get_metric_history(child.info.run_id, "val_loss")]
    np.testing.assert_allclose(logged, _losses(run.folder / "fold-1/seed-1"))
    score = json.loads((run.folder / "fold-1/seed-1/scores.json").read_text())["windows"]["all"]["counts_pearson"]
    assert child.data.metrics["all.counts_pearson"] == pytest.approx(score)
    artefacts = {item.path for item in client.list_artifacts(child.info.run_id)}
    assert artefacts >= {"history.csv", "predictions.h5", "scores.json", "plots"}
    assert "report.html" in {item.path for item in client.list_artifacts(parent.info.run_id)}


def test_logged_model_predicts_as_the_saved_one(run: CrossValidation) -> None:
    import mlflow

    from kerasac.models.checkpoint import load_model
    from kerasac.runs.tracking import local_uri

    mlflow.set_tracking_uri(local_uri(run.folder))
    known = mlflow.get_experiment_by_name("tiny")
    models = mlflow.search_logged_models(experiment_ids=[known.experiment_id], output_format="list")
    record = json.loads((run.folder / "mlflow.json").read_text())
    (model,) = [model for model in models if model.source_run_id == record["units"]["fold-0/seed-1"]]
    tokens = {"sequence": np.random.default_rng(0).integers(0, 4, (3, 200)).astype(np.uint8)}
    logged = mlflow.pyfunc.load_model(model.model_uri).predict(tokens)
    saved = load_model(run.folder / "fold-0/seed-1/model.keras").predict(tokens, verbose=0)
    np.testing.assert_array_equal(logged["logcount"], saved["logcount"])


def test_second_time_trains_nothing(run: CrossValidation, tiny_folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.folder.glob("fold-*/seed-*/*")}
    (run.folder / "report.html").unlink()  # as when the writing of it failed
    again = cross_validate(three_folds(tiny_folder), run.folder, console=Console(quiet=True))
    assert (again.n_trained, again.n_kept) == (0, 3)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again.summary.to_dict() == run.summary.to_dict()
    assert (run.folder / "report.html").stat().st_size


def test_changed_experiment_is_refused_with_the_changed_key(run: CrossValidation, tiny_folder: Path) -> None:
    changed = three_folds(tiny_folder, training={"epochs": 3})
    with pytest.raises(RunError, match=r"training\.epochs: 2 → 3.*choose another --out"):
        cross_validate(changed, run.folder, console=Console(quiet=True))


def test_other_folds_are_refused(run: CrossValidation, tiny_folder: Path) -> None:
    with pytest.raises(RunError, match="other chromosomes in its splits"):
        cross_validate(three_folds(tiny_folder, folds={"n": 4}), run.folder, console=Console(quiet=True))


def test_changed_experiment_is_refused_with_another_seed_too(run: CrossValidation, tiny_folder: Path) -> None:
    """The summary is over all seeds in the folder, so they must be of one experiment."""
    changed = three_folds(tiny_folder, training={"epochs": 3}, seeds=[2])
    with pytest.raises(RunError, match=r"training\.epochs: 2 → 3"):
        cross_validate(changed, run.folder, console=Console(quiet=True))


def test_folder_that_cannot_be_made_is_named(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot make the run folder .*file \(File exists\)"):
        cross_validate(three_folds(tiny_folder), tmp_path / "file", console=Console(quiet=True))


def test_folder_that_another_command_writes_is_refused(run: CrossValidation, tiny_folder: Path) -> None:
    with run_lock(run.folder), pytest.raises(RunError, match=f"written to by process {os.getpid()}"):
        cross_validate(three_folds(tiny_folder), run.folder, console=Console(quiet=True))


def test_failed_unit_is_named_and_the_command_can_go_on(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path
) -> None:
    wrong = three_folds(tiny_folder, training={"learning_rate": 1e30})
    with pytest.raises(RunError, match=r"0 of 3 units are finished.*\n.*fold-0/seed-1: .*lower training"):
        cross_validate(wrong, tmp_path, console=Console(quiet=True))


@pytest.mark.slow
def test_driver_killed_in_mid_training_goes_on_at_the_last_epoch(tiny_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(three_folds(tiny_folder, training={"epochs": 20, "patience": 20}).to_yaml())
    command = [sys.executable, "-m", "kerasac", "cv", str(file), "--out", str(tmp_path / "run")]
    history = tmp_path / "run" / "fold-0" / "seed-1" / "history.csv"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        _wait(lambda: len(read_history(history)) >= 3)
        driver.send_signal(signal.SIGKILL)
    before = len(read_history(history))
    assert 3 <= before < 20, "killed in mid-training"
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for folder in (tmp_path / "run").glob("fold-*/seed-1"):
        assert [row["epoch"] for row in read_history(folder / "history.csv")] == list(range(1, 21))
    seen = [line for line in done.stderr.splitlines() if "fold-0/seed-1: epoch " in line]
    first = int(seen[0].split("epoch ")[1].split("/")[0])
    assert first > before, "epochs that were finished are not trained again"


def _wait(condition: Any, timeout_s: float = 180) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.05)
