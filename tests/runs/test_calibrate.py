"""Units of a run are calibrated one after the other, each kept once it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tiny import three_folds

from kerasac.errors import RunError, ScoreError
from kerasac.runs import calibrate as module
from kerasac.runs.calibrate import calibrate
from kerasac.runs.unit import Unit
from kerasac.steps.calibrate import Labelled
from kerasac.steps.calibration import Isotonic, read_calibration
from kerasac.steps.plots.reliability import reliability_diagram
from kerasac.steps.predictions import Predictions, write_predictions
from kerasac.steps.prepare import prepare
from kerasac.steps.prepared import Prepared

if TYPE_CHECKING:
    from kerasac.runs.crossval import CrossValidation

TASKS = ("plus", "minus")
UNITS = ("fold-0/seed-1", "fold-1/seed-1", "fold-2/seed-1")


@pytest.fixture(scope="module")
def prepared(tiny_folder: Path) -> Prepared:
    return prepare(three_folds(tiny_folder))


@pytest.fixture
def run_folder(prepared: Prepared, tmp_path: Path) -> Path:
    """What a cross-validation leaves, as far as it is read here; the models are no models."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(prepared.experiment.to_yaml())
    for fold in prepared.folds:
        unit = folder / f"fold-{fold.index}" / "seed-1"
        unit.mkdir(parents=True)
        facts = {"state": "done", "name": f"fold-{fold.index}/seed-1", "fingerprint": prepared.fingerprint()}
        (unit / "unit.json").write_text(json.dumps({**facts, "split": fold.as_dict()}))
        (unit / "model.keras").write_text(f"weights of fold {fold.index}")
        write_predictions(unit / "predictions.h5", predictions_of(np.arange(30, dtype=np.float32)))
    return folder


def predictions_of(logcount: np.ndarray) -> Predictions:
    """Windows whose observed log counts are twice the predicted ones."""
    n = len(logcount)
    counts = np.stack([logcount, logcount], axis=1)
    profile = np.ones((n, 4, 2), dtype=np.float32)
    where = {"chrom": np.full(n, "chr1"), "center": np.arange(n), "strand": np.full(n, ".")}
    return Predictions(
        **where, is_peak=np.ones(n, dtype=bool), label_profile=profile, logits=profile, label_logcount=2 * counts,
        logcount=counts, tasks=TASKS,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def predicted(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """Stand in for the models: observed log counts are twice the predicted ones; returns the units asked for."""
    asked: list[str] = []
    if "keras" in request.keywords:
        return asked

    def valid(prepared: Prepared, unit: Unit) -> Labelled:
        asked.append(unit.name)
        if (unit.folder / "model.keras").read_text() == "broken":
            raise ValueError("no such layer")
        values = np.stack([np.arange(40, dtype=np.float32)] * 2, axis=1)
        return Labelled("counts", TASKS, 2 * values, values)

    monkeypatch.setattr(module, "_valid", valid)
    monkeypatch.setattr(module, "write_figures", lambda folder, figures: None)  # the last test draws
    monkeypatch.setattr(module, "reliability_diagram", lambda judgement, *, title: None)
    return asked


def test_every_finished_unit_is_fitted_on_its_validation_chromosomes(run_folder: Path, prepared: Prepared) -> None:
    units = calibrate(run_folder)
    assert tuple(unit.name for unit in units) == UNITS
    for unit, fold in zip(units, prepared.folds, strict=True):
        made = read_calibration(run_folder / unit.name / "calibration.json")
        assert unit.calibration == made
        assert (made.chroms, made.n_windows, made.n_labelled) == (fold.valid, 40, {"plus": 40, "minus": 40})
        assert isinstance(made.functions["plus"], Isotonic)
        assert made.functions["plus"](np.array([3.5])) == pytest.approx(7)
        assert made.values == "log(count + 1)"


def test_it_is_judged_on_the_test_windows(run_folder: Path) -> None:
    (unit,) = calibrate(run_folder / "fold-1" / "seed-1")
    assert unit.calibration is not None
    judged = unit.calibration.judged["tasks"]["minus"]
    assert (judged["n"], judged["before"]["ece"]) == (30, pytest.approx(14.5))  # the mean of 0 … 29
    assert judged["after"]["ece"] == pytest.approx(0, abs=1e-5)


def test_what_is_calibrated_is_kept_and_the_rest_done(run_folder: Path, predicted: list[str]) -> None:
    calibrate(run_folder / "fold-1" / "seed-1")
    said: list[str] = []
    units = calibrate(run_folder, say=said.append)
    assert [unit.kept for unit in units] == [False, True, False]
    assert predicted == ["fold-1/seed-1", "fold-0/seed-1", "fold-2/seed-1"]
    assert said[1] == "fold-1/seed-1: calibrated before, kept"


def test_overwrite_calibrates_anew(run_folder: Path, predicted: list[str]) -> None:
    calibrate(run_folder)
    units = calibrate(run_folder, overwrite=True)
    assert not any(unit.kept for unit in units)
    assert predicted == [*UNITS, *UNITS]


def test_a_run_that_is_all_calibrated_needs_none_of_its_data(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrate(run_folder)
    monkeypatch.setattr("kerasac.runs.opened.prepare", lambda *_: pytest.fail("the data were opened"))
    assert all(unit.kept for unit in calibrate(run_folder))


def test_a_unit_that_fails_loses_no_other(run_folder: Path) -> None:
    (run_folder / "fold-0" / "seed-1" / "model.keras").write_text("broken")
    units = calibrate(run_folder)
    assert [unit.error for unit in units] == ["ValueError: no such layer", "", ""]
    assert not units[0].path.exists()
    assert units[2].path.exists()


def test_a_model_trained_since_is_said_by_its_unit(run_folder: Path) -> None:
    calibrate(run_folder)
    (run_folder / "fold-2" / "seed-1" / "model.keras").write_text("trained again")
    kept = calibrate(run_folder)
    assert [unit.kept for unit in kept] == [True, True, False]
    assert "was fitted on another model" in kept[2].error
    assert not calibrate(run_folder, overwrite=True)[2].error


def test_data_that_changed_are_an_error_before_anything_is_predicted(run_folder: Path, predicted: list[str]) -> None:
    marker = run_folder / "fold-1" / "seed-1" / "unit.json"
    marker.write_text(marker.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(RunError, match="fold-1/seed-1"):
        calibrate(run_folder)
    assert predicted == []


def test_a_unit_without_predictions_is_said_before_its_model_is_loaded(run_folder: Path, predicted: list[str]) -> None:
    (run_folder / "fold-0" / "seed-1" / "predictions.h5").unlink()
    assert "predictions.h5 does not exist" in calibrate(run_folder)[0].error
    assert predicted == list(UNITS[1:])


def test_without_a_labelled_test_window_the_calibration_is_kept_and_not_judged(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nothing = Labelled("counts", TASKS, np.full((3, 2), np.nan, np.float32), np.zeros((3, 2), np.float32))
    monkeypatch.setattr(module, "_test", lambda *_: nothing)
    monkeypatch.setattr(module, "reliability_diagram", reliability_diagram)
    units = calibrate(run_folder)
    assert [unit.error for unit in units] == ["", "", ""]
    assert "fold-0/seed-1: no test window has a label" in caplog.text
    assert read_calibration(units[0].path).judged["tasks"] == {}


@pytest.mark.ray
@pytest.mark.keras
@pytest.mark.slow
def test_trained_units_are_calibrated_with_their_own_models(run: CrossValidation, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    for unit in calibrate(folder):
        assert not unit.error
        made = unit.calibration
        assert made is not None
        assert made.tasks == TASKS
        assert made.n_windows > 0
        errors = [judged["after"]["ece"] for judged in made.judged["tasks"].values()]
        assert np.isfinite(errors).all()
        assert (unit.path.parent / "plots" / "reliability.png").stat().st_size > 10_000
    with pytest.raises(ScoreError, match="of 2 tasks"):
        made.apply(np.zeros((1, 3), dtype=np.float32))
