"""A unit with a bias section: the bias model is learned from weak background, frozen, and can be taken out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import tiny_experiment
from units import run_alone

from kerasac.runs.unit import Unit, is_done, read_marker
from kerasac.steps.history import read_history
from kerasac.steps.predictions import read_predictions
from kerasac.steps.prepare import prepare
from kerasac.steps.report import write_report

pytestmark = pytest.mark.keras

MODEL = {"architecture": "bpnet", "filters": 3, "dilated_layers": 1, "first_kernel": 9, "profile_kernel": 15}
BIAS: dict[str, Any] = {"model": MODEL, "threshold": 3.0, "fail_below": None}


def do_unit(tiny_folder: Path, run_folder: Path, **bias: Any) -> tuple[Unit, list[dict[str, Any]]]:
    return run_alone(tiny_experiment(tiny_folder, bias={**BIAS, **bias}), run_folder)


@pytest.fixture(scope="module")
def done(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Unit, list[dict[str, Any]]]:
    return do_unit(tiny_folder, tmp_path_factory.mktemp("run"))


def models(unit: Unit) -> tuple[Any, Any, Any]:
    from kerasac.models.checkpoint import load_model

    names = ("model.keras", "model_corrected.keras", "bias/model.keras")
    whole, corrected, bias = (load_model(unit.folder / name) for name in names)
    return whole, corrected, bias


def tokens() -> dict[str, np.ndarray]:
    return {"sequence": np.random.default_rng(0).integers(0, 5, (7, 200)).astype(np.uint8)}


def test_bias_comes_first_and_its_epochs_are_its_own(done: tuple[Unit, list[dict[str, Any]]]) -> None:
    unit, events = done
    kinds = [event.get("stage", event["event"]) for event in events]
    assert kinds == ["bias", "bias epoch", "bias epoch", "bias", "train", "epoch", "epoch", "predict", "score", "done"]
    assert is_done(unit.folder)
    assert (
        len(read_history(unit.folder / "bias" / "history.csv")) == len(read_history(unit.folder / "history.csv")) == 2
    )


def test_whole_model_is_the_corrected_one_and_the_bias_added(done: tuple[Unit, list[dict[str, Any]]]) -> None:
    whole, corrected, bias = (model.predict(tokens(), verbose=0) for model in models(done[0]))
    np.testing.assert_allclose(whole["profile"], corrected["profile"] + bias["profile"], atol=1e-5)
    counts = np.log(np.exp(corrected["logcount"]) + np.exp(bias["logcount"]))
    np.testing.assert_allclose(whole["logcount"], counts, atol=1e-5)


def test_bias_is_frozen_while_the_rest_is_trained(done: tuple[Unit, list[dict[str, Any]]]) -> None:
    whole, _, bias = models(done[0])
    inner = whole.get_layer("bias")
    assert inner.trainable_weights == []
    for one, other in zip(inner.get_weights(), bias.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_bias_learns_from_weak_background_of_the_training_chromosomes(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path
) -> None:
    from kerasac.steps.bias import bias_plan, most_counts

    prepared = prepare(tiny_experiment(tiny_folder, bias=BIAS))
    base = prepared.plan(prepared.folds[0], 1)
    plan, most = bias_plan(prepared, base), most_counts(prepared, base)
    peaks = prepared.source.total_counts(base.train_peaks(10_000), "logcount")
    assert most == pytest.approx(3 * np.quantile(peaks, 0.01))
    for windows, chroms in ((plan.train(0), prepared.folds[0].train), (plan.valid(), prepared.folds[0].valid)):
        totals = prepared.source.total_counts(windows, "logcount")
        assert totals.min() >= 1
        assert totals.max() < most
        assert set(windows.coordinates(prepared.assembly)[0]) <= set(chroms)
        assert not windows.is_peak.any()
    assert plan.digest(2) == bias_plan(prepared, base).digest(2)
    assert set(plan.train(0).center) != set(plan.train(1).center)


def test_bias_is_scaled_to_all_background(done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path) -> None:
    prepared = prepare(tiny_experiment(tiny_folder, bias=BIAS))
    base = prepared.plan(prepared.folds[0], 1)
    windows = base.background("train", np.random.default_rng(0), 3000, prepared.source.accepts)
    batch = prepared.source.batch(windows)
    predicted = models(done[0])[2].predict(batch.inputs, verbose=0)["logcount"]
    np.testing.assert_allclose(predicted.mean(axis=0), batch.outputs["logcount"].mean(axis=0), atol=0.05)


def test_verdict_is_kept_and_reported(done: tuple[Unit, list[dict[str, Any]]]) -> None:
    unit, _ = done
    verdict = json.loads((unit.folder / "bias.json").read_text())
    assert read_marker(unit.folder)["bias"].items() <= verdict.items()
    assert set(verdict["counts_pearson"]["peaks"]) == {"plus", "minus"}
    page = write_report(Path(unit.run_folder)).read_text()
    assert "Bias of the enzyme" in page
    assert f"<td>{verdict['verdict']}</td>" in page


def test_corrected_predictions_are_of_the_same_windows(done: tuple[Unit, list[dict[str, Any]]]) -> None:
    unit, _ = done
    whole, corrected = (read_predictions(unit.folder / f"predictions{which}.h5") for which in ("", "_corrected"))
    np.testing.assert_array_equal(whole.center, corrected.center)
    assert (whole.logcount > corrected.logcount).all()  # without what the bias adds


def test_failed_bias_stops_the_unit_and_is_not_trained_again(tiny_folder: Path, tmp_path: Path) -> None:
    unit, events = do_unit(tiny_folder, tmp_path, fail_below=1.0)
    assert events[-1]["event"] == "failed"
    assert "below bias.fail_below (1)" in events[-1]["message"]
    assert "Raise bias.threshold (now 3)" in events[-1]["message"]
    assert not (unit.folder / "model.keras").exists()
    again, events = do_unit(tiny_folder, tmp_path, fail_below=None)
    assert "bias epoch" not in [event["event"] for event in events]
    assert is_done(again.folder)


def test_mixed_form_gives_the_corrected_model_too(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path, tmp_path: Path
) -> None:
    given = done[0].folder / "bias" / "model.keras"
    unit, events = do_unit(tiny_folder, tmp_path, form="mixed", model_file=str(given))
    assert "bias epoch" not in [event["event"] for event in events]
    whole, corrected, bias = models(unit)
    values = {name: model.predict(tokens(), verbose=0) for name, model in (("c", corrected), ("b", bias))}
    found = whole.predict(tokens(), verbose=0)
    for port in ("profile", "logcount"):
        (weights,) = whole.get_layer(f"bias_in_{port}").get_weights()
        np.testing.assert_allclose(found[port], values["c"][port] + values["b"][port] @ weights, atol=1e-5)


def test_bias_model_of_another_length_is_named(
    done: tuple[Unit, list[dict[str, Any]]], tiny_folder: Path, tmp_path: Path
) -> None:
    import keras

    tokens = keras.Input((180, 4))
    profile = keras.layers.Conv1D(2, 121)(tokens)
    path = tmp_path / "other.keras"
    keras.Model(tokens, [profile, keras.layers.GlobalAveragePooling1D()(profile)]).save(path)
    _, events = do_unit(tiny_folder, tmp_path / "run", model_file=str(path))
    assert "other.keras has (180, 4) as its input sequence, this experiment (200,)" in events[-1]["message"]


def test_converted_bias_model_is_taken(tiny_folder: Path, tmp_path: Path) -> None:
    """One-hot rows in, a list of profile and counts out, as chrombpnet's."""
    import keras

    rows = keras.Input((200, 4))
    profile = keras.layers.Cropping1D(30)(keras.layers.Conv1D(2, 81)(rows))
    counts = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(rows))
    path = tmp_path / "converted.keras"
    keras.Model(rows, [profile, counts]).save(path)
    unit, events = do_unit(tiny_folder, tmp_path / "run", model_file=str(path))
    assert events[-1]["event"] == "done", events[-1]
    whole, corrected, bias = (model.predict(tokens(), verbose=0) for model in models(unit))
    np.testing.assert_allclose(whole["profile"], corrected["profile"] + bias["profile"], atol=1e-5)
