from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiledb
from tiny import tiny_experiment
from units import run_alone

from kerasac.runs.trial import run_unit
from kerasac.runs.unit import Share, Unit, is_done, read_marker
from kerasac.steps.history import read_history
from kerasac.steps.plots import WINDOW_FIGURES
from kerasac.steps.predictions import read_predictions
from kerasac.steps.prepare import prepare

pytestmark = pytest.mark.keras

ARTEFACTS = ["history.csv", "model.keras", "predictions.h5", "scores.json", "scores.tsv", "unit.json"]


def do_unit(tiny_folder: Path, run_folder: Path, *, seed: int = 1, **changes: Any) -> tuple[Unit, list[dict[str, Any]]]:
    return run_alone(tiny_experiment(tiny_folder, **changes), run_folder, seed=seed)


@pytest.fixture(scope="module")
def done(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Unit, list[dict[str, Any]]]:
    return do_unit(tiny_folder, tmp_path_factory.mktemp("run"))


def test_leaves_every_artefact(done: tuple[Unit, list[dict[str, Any]]]) -> None:
    unit, events = done
    assert [event["event"] for event in events] == ["stage", "epoch", "epoch", "stage", "stage", "done"]
    assert all((unit.folder / name).stat().st_size for name in ARTEFACTS)
    plots = {path.name for path in (unit.folder / "plots").iterdir()}
    assert plots == {f"{name}.png" for name in WINDOW_FIGURES}
    assert is_done(unit.folder)


def test_predicts_peaks_and_as_many_background_windows_of_the_test_chromosomes(
    done: tuple[Unit, list[dict[str, Any]]],
) -> None:
    unit, _ = done
    predictions = read_predictions(unit.folder / "predictions.h5")
    assert set(predictions.chrom) == set(unit.fold.test)
    assert predictions.is_peak.sum() * 2 == len(predictions.is_peak)
    assert predictions.transform == "log"
    assert predictions.pseudocount == 1
    np.testing.assert_allclose(predictions.label_logcount, np.log(predictions.label_profile.sum(axis=1) + 1), rtol=1e-6)
    assert predictions.mean_profile is not None
    np.testing.assert_allclose(predictions.mean_profile.sum(axis=0), 1, rtol=1e-5)


def test_loss_weight_is_the_median_count_of_training_peaks_over_ten(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path
) -> None:
    unit, _ = done
    prepared = prepare(tiny_experiment(tiny_folder))
    peaks = prepared.plan(unit.fold, 1).train_peaks(10_000)
    counts = prepared.source.batch(peaks).outputs["profile"].sum(axis=(1, 2))
    weights = read_marker(unit.folder)["loss_weights"]
    assert weights == {"profile": 1.0, "logcount": pytest.approx(np.median(counts) / 10)}


def test_same_seed_gives_the_same_run_and_another_seed_another(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path, tmp_path: Path
) -> None:
    first, _ = done
    same, _ = do_unit(tiny_folder, tmp_path / "same")
    other, _ = do_unit(tiny_folder, tmp_path / "other", seed=2)
    digests = [read_marker(unit.folder)["plan_digest"] for unit in (first, same, other)]
    losses = [[row["val_loss"] for row in read_history(unit.folder / "history.csv")] for unit in (first, same, other)]
    assert digests[0] == digests[1] != digests[2]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-5)
    assert abs(losses[0][-1] - losses[2][-1]) > 1e-3


def test_finished_unit_is_not_touched(done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path) -> None:
    unit, _ = done
    before = {path: path.stat().st_mtime_ns for path in unit.folder.rglob("*") if path.is_file()}
    _, events = do_unit(tiny_folder, Path(unit.run_folder))
    assert [event["event"] for event in events] == ["done"]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_lost_part_is_made_again_without_training(done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path) -> None:
    unit, _ = done
    scores = json.loads((unit.folder / "scores.json").read_text())
    marker = {**read_marker(unit.folder), "state": "started"}
    (unit.folder / "unit.json").write_text(json.dumps(marker))
    (unit.folder / "scores.json").unlink()
    _, events = do_unit(tiny_folder, Path(unit.run_folder))
    assert [event.get("stage", event["event"]) for event in events] == ["score", "done"]
    assert json.loads((unit.folder / "scores.json").read_text()) == scores


def test_tested_unit_is_scored_on_validation_when_a_study_asks_and_stays_tested(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(done[0].run_folder, tmp_path / "run")
    tuned = replace(done[0], run_folder=str(tmp_path / "run"), tuning=True)
    assert not tuned.is_done
    events: list[dict[str, Any]] = []
    run_unit(prepare(tiny_experiment(tiny_folder)), tuned, Share(threads=1, samplers=0), events.append)
    assert [event.get("stage", event["event"]) for event in events] == ["validate", "done"]
    assert tuned.is_done
    assert replace(tuned, tuning=False).is_done


def test_time_of_a_part_that_fails_is_kept(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(done[0].run_folder, tmp_path / "run")
    unit = replace(done[0], run_folder=str(tmp_path / "run"))
    (unit.folder / "unit.json").write_text(json.dumps({**read_marker(unit.folder), "state": "started", "seconds": {}}))
    (unit.folder / "scores.json").unlink()

    def fail(*_: Any, **__: Any) -> None:
        time.sleep(0.1)
        raise ValueError("no")

    monkeypatch.setattr("kerasac.runs.trial.write_unit_scores", fail)
    run_unit(prepare(tiny_experiment(tiny_folder)), unit, Share(threads=1, samplers=0), lambda _: None)
    assert read_marker(unit.folder)["seconds"]["score"] >= 0.1


def test_ceiling_that_is_asked_for_later_is_scored_without_training(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerasac.runs.unit_scores.write_plots", lambda *_, **__: None)  # takes seconds
    unit, _ = done
    scores = json.loads((unit.folder / "scores.json").read_text())
    (unit.folder / "unit.json").write_text(json.dumps({**read_marker(unit.folder), "state": "started"}))
    (unit.folder / "scores.json").unlink()
    halves = [["plus", "minus"], ["control_plus", "control_minus"]]
    _, events = do_unit(tiny_folder, Path(unit.run_folder), score={"pseudoreplicates": {"attributes": halves}})
    assert [event.get("stage", event["event"]) for event in events] == ["score", "done"]
    found = json.loads((unit.folder / "scores.json").read_text())["windows"]
    assert found["all"]["jsd_distance_mean_pseudoreplicate"] is not None
    assert scores["windows"]["peaks"].items() <= found["peaks"].items()


def test_failure_is_reported_and_explained(tiny_folder: Path, tmp_path: Path) -> None:
    unit, events = do_unit(tiny_folder, tmp_path, training={"learning_rate": 1e30})
    assert events[-1]["event"] == "failed"
    assert "lower training.learning_rate" in events[-1]["message"]
    assert "Traceback" in (unit.folder / "error.txt").read_text()
    assert not is_done(unit.folder)


def test_gpu_that_tensorflow_does_not_see_is_an_error(tiny_folder: Path, tmp_path: Path) -> None:
    from kerasac.models.backend import gpu_count

    if gpu_count():
        pytest.skip("TensorFlow sees a GPU here")
    prepared = prepare(tiny_experiment(tiny_folder))
    events: list[dict[str, Any]] = []
    unit = Unit(prepared.folds[0], 1, str(tmp_path))
    run_unit(prepared, unit, Share(threads=1, samplers=0, gpus=1), events.append)
    assert "TensorFlow does not see one" in events[-1]["message"]


def test_array_that_is_written_to_during_a_run_is_named_and_the_unit_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(tiny_experiment(tmp_path / "data"))
    unit = Unit(prepared.folds[0], 1, str(tmp_path / "run"))
    events: list[dict[str, Any]] = []

    def meddle(event: dict[str, Any]) -> None:
        events.append(event)
        if event["event"] == "epoch" and event["epoch"] == 1:
            with tiledb.open(prepared.layout.path, "w") as array:
                columns = {array.attr(i).name: np.zeros(3, array.attr(i).dtype) for i in range(array.nattr)}
                array[10:13, 0] = columns

    run_unit(prepared, unit, Share(threads=1, samplers=0), meddle)
    assert "signal.tdb was written to while it was in use; run the command again" in events[-1]["message"]
    assert not is_done(unit.folder)


def test_same_unit_gives_the_same_history_bit_by_bit(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path, tmp_path: Path
) -> None:
    unit, _ = done
    again, _ = do_unit(tiny_folder, tmp_path)
    rows, repeated = (read_history(one.folder / "history.csv") for one in (unit, again))
    assert [{**row, "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in repeated]


def test_batch_that_ends_training_is_named_by_its_windows(tiny_folder: Path, tmp_path: Path) -> None:
    unit, events = do_unit(tiny_folder, tmp_path, training={"learning_rate": 1e28})
    message = events[-1]["message"]
    assert re.search(r"batch \d of 9 of epoch 1 \(windows chr\d:\d+, .*its data are finite", message)
    table = pd.read_csv(unit.folder / "bad_batch.tsv", sep="\t")
    assert len(table) == 16
    assert set(table.chrom) <= set(unit.fold.train)
    assert f"{table.chrom[0]}:{table.center[0]}" in message


def test_unit_goes_on_from_another_ones_model(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path, tmp_path: Path
) -> None:
    """With every layer frozen and taken, its validation loss is the best of the other."""
    other, _ = done
    initialize = {"file": str(other.folder / "model.keras"), "freeze": ["motifs", "dilated_*", "logcount"]}
    unit, _ = do_unit(tiny_folder, tmp_path, training={"initialize": initialize, "learning_rate": 1e-7, "epochs": 1})
    assert read_marker(unit.folder)["initialized"]["frozen"] == ["motifs", "dilated_1", "logcount"]
    best = min(row["val_loss"] for row in read_history(other.folder / "history.csv"))
    assert read_history(unit.folder / "history.csv")[0]["val_loss"] == pytest.approx(best, rel=1e-4)


def test_weights_that_do_not_fit_are_found_before_the_bias_model_is_trained(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path, tmp_path: Path
) -> None:
    """Of an experiment that was prepared when the file was another."""
    bias = {"threshold": 2.0, "quantile": 0.3, "model": {"architecture": "small_bias"}}
    initialize = {"file": str(done[0].folder / "model.keras"), "layers": "dilated_9"}
    wrong = tiny_experiment(tiny_folder, bias=bias, training={"initialize": initialize})
    prepared = replace(prepare(tiny_experiment(tiny_folder, bias=bias)), experiment=wrong)
    events: list[dict[str, Any]] = []
    run_unit(prepared, Unit(prepared.folds[0], 1, str(tmp_path)), Share(threads=1, samplers=0), events.append)
    assert [event.get("stage", event["event"]) for event in events] == ["bias", "failed"]
    assert "no layer with weights is called 'dilated_9'" in events[-1]["message"]


def test_epochs_of_fewer_steps_in_bfloat16_leave_a_float32_model(tiny_folder: Path, tmp_path: Path) -> None:
    from kerasac.models.checkpoint import load_model

    unit, _ = do_unit(tiny_folder, tmp_path, training={"precision": "mixed_bfloat16", "steps_per_epoch": 3})
    assert is_done(unit.folder)
    model = load_model(unit.folder / "model.keras")
    assert {layer.compute_dtype for layer in model.layers if layer.weights} == {"float32"}
