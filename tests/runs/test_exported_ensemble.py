"""The exported average of a run's models is what predict gives by all of them together."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from binned import BIN_BP, binned_experiment, make_binned_files

from kerasac.models.contract import contract_of
from kerasac.models.export import ExportFormat
from kerasac.runs.predict import Places, PredictRequest, predict_to_file
from kerasac.steps import export as step
from kerasac.steps.binned_predictions import predictions_path
from kerasac.store.labels.table import open_table

pytestmark = pytest.mark.keras

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of bins with Poisson loss: its models are not trained, that of the last seed is not finished."""
    from kerasac.models.checkpoint import save_model
    from kerasac.models.registry import build_model, read_parameters

    files, run = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("run")
    make_binned_files(files)
    output = {"name": "labels", "source": ["strong", "peak"], "kind": "regression"}
    experiment = binned_experiment(files, outputs=[output], loss={"labels": "poisson"}, seeds=list(SEEDS))
    (run / "experiment.yaml").write_text(experiment.to_yaml())
    (run / "folds.json").write_text(json.dumps({"0": {}}))
    parameters = read_parameters(experiment.model.architecture, experiment.model.parameters)
    for seed in SEEDS:
        unit = run / "fold-0" / f"seed-{seed}"
        unit.mkdir(parents=True)
        model = build_model("basset", contract_of(experiment), parameters)
        rng = np.random.default_rng(seed)
        model.set_weights([array + rng.normal(0, 0.05, array.shape) for array in model.get_weights()])
        save_model(model, unit / "model.keras")
        split = {"train": ["chr1"], "valid": ["chr2"], "test": ["chr3"]}
        state = "done" if seed < SEEDS[-1] else "started"
        (unit / "unit.json").write_text(json.dumps({"state": state, "name": f"fold-0/seed-{seed}", "split": split}))
    return run


@pytest.fixture(autouse=True)
def members(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for the card, which is of scored units; returns the members that it is told."""
    told: list[str] = []

    def card(*arguments: object, members: list[str], **options: object) -> Path:
        told.extend(members)
        return Path("card.md")

    monkeypatch.setattr(step, "write_card", card)
    return told


def predicted(path: Path) -> np.ndarray:
    with open_table(predictions_path(path)) as table:
        return np.concatenate([[table.column(records, "peak")] for records in table.records()], axis=1)[0]


def test_poisson_counts_are_averaged_alike(run_folder: Path, tmp_path: Path) -> None:
    places = Places(chroms=("chr1",), stride_bp=BIN_BP)
    units = [run_folder / "fold-0" / f"seed-{seed}" for seed in SEEDS[:2]]
    for i, unit in enumerate(units):
        predict_to_file(PredictRequest((unit,), tmp_path / str(i), places, held_out=False, workers=1))
    single = np.stack([predicted(tmp_path / str(i)) for i in range(2)])
    assert np.abs(single[0] / single[1] - 1).max() > 0.1, "the models differ, or nothing is tested"
    predict_to_file(PredictRequest((run_folder,), tmp_path / "all", places, held_out=False, workers=1))
    np.testing.assert_allclose(predicted(tmp_path / "all"), single.mean(axis=0), rtol=1e-5)

    exported = step.export(run_folder, tmp_path / "all.keras", ExportFormat.KERAS, ensemble=True)
    experiment = run_folder / "experiment.yaml"
    request = PredictRequest((exported.out,), tmp_path / "exported", places, experiment=experiment, workers=1)
    predict_to_file(request)
    np.testing.assert_allclose(predicted(tmp_path / "exported"), single.mean(axis=0), rtol=1e-4)


def test_units_that_are_not_finished_are_left_out_and_named(
    run_folder: Path, tmp_path: Path, members: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        step.export(run_folder, tmp_path / "all.keras", ExportFormat.KERAS, ensemble=True)
    assert members == ["fold-0/seed-1", "fold-0/seed-2"]
    assert "not finished, are left out: fold-0/seed-3" in caplog.text
