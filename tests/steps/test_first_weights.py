"""Weights that do not fit the model are found when an experiment is prepared."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from binned import SMALL, binned_experiment, make_binned_files
from tiny import tiny_experiment

from kerasac.errors import ModelError
from kerasac.models.backend import prepare_backend
from kerasac.models.contract import contract_of
from kerasac.models.registry import build_model, read_parameters
from kerasac.steps.check import check
from kerasac.steps.prepare import prepare


@pytest.fixture(scope="module")
def weights(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model of the tiny experiment."""
    prepare_backend(threads=1)
    from kerasac.models.checkpoint import save_model

    experiment = tiny_experiment(tiny_folder)
    parameters = read_parameters(experiment.model.architecture, experiment.model.parameters)
    path = tmp_path_factory.mktemp("weights") / "model.keras"
    save_model(build_model(experiment.model.architecture, contract_of(experiment), parameters), path)
    return path


@pytest.mark.keras
@pytest.mark.parametrize(
    ("initialize", "model", "expected"),
    [
        ({"layers": "dilated_9"}, {}, "no layer with weights is called 'dilated_9'; did you mean 'dilated_1'"),
        ({}, {"filters": 6}, "make the model as it was there"),
    ],
)
def test_layers_that_do_not_fit_are_found_by_the_check(
    tiny_folder: Path, weights: Path, initialize: dict[str, Any], model: dict[str, Any], expected: str
) -> None:
    experiment = tiny_experiment(
        tiny_folder, training={"initialize": {"file": str(weights), **initialize}}, model=model
    )
    (error,) = (finding for finding in check(experiment).findings if finding.level == "error")
    assert "training.initialize" in error.message
    assert expected in error.message


@pytest.mark.keras
def test_initial_weights_of_other_sizes_are_found_by_the_check(tmp_path: Path) -> None:
    make_binned_files(tmp_path)
    np.savez(tmp_path / "other.npz", **{"0.Conv/weights:0": np.zeros((1, 9, 4, 16), dtype=np.float32)})
    model = {"architecture": "basset", **SMALL, "initial_weights": "other.npz"}
    with pytest.raises(ModelError, match=r"model.initial_weights: .*other.npz has 1 convolutions, the model 2"):
        prepare(binned_experiment(tmp_path, model=model))


@pytest.mark.keras
def test_weights_that_fit_are_tried_once_a_machine(
    tiny_folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    initialize = {"file": str(weights), "layers": ["motifs"]}
    prepare(tiny_experiment(tiny_folder, training={"initialize": initialize}))
    monkeypatch.setattr(subprocess, "run", _no_process)
    prepare(tiny_experiment(tiny_folder, training={"initialize": initialize, "epochs": 3}))
    with pytest.raises(AssertionError):
        prepare(tiny_experiment(tiny_folder, training={"initialize": {**initialize, "layers": ["logcount"]}}))


def test_no_process_is_started_without_files_of_weights(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", _no_process)
    prepare(tiny_experiment(tiny_folder))


def _no_process(*_: Any, **__: Any) -> None:
    raise AssertionError("a process was started")
