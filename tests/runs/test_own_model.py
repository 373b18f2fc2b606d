"""A unit trains, saves and predicts with a model of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import tiny_experiment
from units import run_alone

from kerasac.runs.trial import run_unit
from kerasac.runs.unit import Share, Unit, is_done
from kerasac.steps.prepare import prepare

SOURCE = """
import keras
from keras import layers

from kerasac.models.layers import OneHotDNA


@keras.saving.register_keras_serializable(package="own_test")
class Halved(layers.Layer):
    def call(self, x):
        return x / 2


def build(contract, filters=4, **others):
    (sequence,), (profile, counts) = contract.inputs, contract.outputs
    tokens = keras.Input((sequence.width_bp,), dtype="uint8", name=sequence.name)
    features = Halved()(layers.Conv1D(filters, 9, activation="relu")(OneHotDNA()(tokens)))
    spare = features.shape[1] - profile.width_bp
    shape = layers.Cropping1D((spare // 2, spare - spare // 2))(layers.Conv1D(profile.n_tracks, 1)(features))
    total = layers.Dense(counts.n_tracks)(layers.GlobalAveragePooling1D()(features))
    return keras.Model({sequence.name: tokens}, {profile.name: shape, counts.name: total})
"""


def test_fingerprint_follows_the_text_wherever_the_file_lies(tiny_folder: Path, tmp_path: Path) -> None:
    def fingerprint(name: str, text: str) -> str:
        path = tmp_path / name / "model.py"
        path.parent.mkdir()
        path.write_text(text)
        return prepare(tiny_experiment(tiny_folder, model={"architecture": f"{path}:build"})).fingerprint()

    first = fingerprint("a", SOURCE)
    assert fingerprint("b", SOURCE) == first
    assert fingerprint("c", SOURCE.replace("x / 2", "x / 3")) != first


@pytest.mark.keras
def test_unit_with_an_own_model_is_trained_saved_and_predicted(tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(SOURCE)
    prepared = prepare(tiny_experiment(tiny_folder, model={"architecture": f"{path}:build"}))
    path.unlink()  # its text travels with what is prepared
    unit = Unit(prepared.folds[0], 1, str(tmp_path / "run"))
    events: list[dict[str, object]] = []
    run_unit(prepared, unit, Share(threads=1, samplers=0), events.append)
    assert is_done(unit.folder), events[-1]
    assert "Halved" in (unit.folder / "model.summary").read_text()
    assert (unit.folder / "predictions.h5").stat().st_size


@pytest.mark.keras
def test_own_model_that_cannot_be_built_fails_before_the_bias_model_is_trained(
    tiny_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.py"
    path.write_text(SOURCE.replace("layers.Dense(counts.n_tracks)", "layers.Dense(counts.n_tracks + 1)"))
    bias = {"threshold": 2.0, "quantile": 0.3, "model": {"architecture": "small_bias"}}
    _, events = run_alone(
        tiny_experiment(tiny_folder, model={"architecture": f"{path}:build"}, bias=bias), tmp_path / "run"
    )
    assert [event.get("stage", event["event"]) for event in events] == ["bias", "failed"]
    assert "output logcount has shape (3,) a window" in events[-1]["message"]
