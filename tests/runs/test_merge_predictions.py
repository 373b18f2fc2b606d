"""What units have predicted is put together by the models that are named, each window once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import three_folds

from kerasac.errors import ConfigError, RunError
from kerasac.runs.predict import PredictRequest, predict_to_file
from kerasac.steps.predictions import Predictions, read_predictions, write_predictions
from kerasac.steps.prepare import prepare

CHROMS = ("chr1", "chr2", "chr3")
OBSERVED, CORRECTED = 5.0, -5.0


def predictions_of(chrom: str, logcount: float) -> Predictions:
    counts, profile = np.full((4, 2), logcount, np.float32), np.ones((4, 8, 2), np.float32)
    return Predictions(
        np.full(4, chrom), np.arange(100, 500, 100), np.full(4, "."), np.ones(4, bool), label_profile=profile,
        logits=profile, label_logcount=counts, logcount=counts, tasks=("plus", "minus"),
    )  # fmt: skip


def unit_that_tests(unit: Path, chrom: str) -> None:
    """Write a unit that tested on a chromosome; its models are no models."""
    unit.mkdir(parents=True, exist_ok=True)
    split = {"train": ["chr5"], "valid": ["chr4"], "test": [chrom]}
    facts = {"state": "done", "name": f"{unit.parent.name}/{unit.name}", "split": split}
    (unit / "unit.json").write_text(json.dumps(facts))
    for which, logcount in (("", OBSERVED), ("_corrected", CORRECTED)):
        (unit / f"model{which}.keras").write_text(which)
        write_predictions(unit / f"predictions{which}.h5", predictions_of(chrom, logcount))


@pytest.fixture
def run_folder(tiny_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    for fold, chrom in enumerate(CHROMS):
        unit_that_tests(folder / f"fold-{fold}" / "seed-1", chrom)
    (folder / "experiment.yaml").write_text(prepare(three_folds(tiny_folder)).experiment.to_yaml())
    return folder


@pytest.mark.parametrize(
    ("name", "options", "logcount"),
    [
        ("", {}, OBSERVED),
        ("", {"corrected": True}, CORRECTED),
        ("model.keras", {}, OBSERVED),
        ("model_corrected.keras", {}, CORRECTED),
        ("model_corrected.keras", {"corrected": True}, CORRECTED),
    ],
)
def test_the_named_models_predictions_are_taken(
    run_folder: Path, tmp_path: Path, name: str, options: dict[str, Any], logcount: float
) -> None:
    unit = run_folder / "fold-0" / "seed-1"
    predict_to_file(PredictRequest((unit / name,), tmp_path / "a.h5", **options))
    assert (read_predictions(tmp_path / "a.h5").logcount == logcount).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("best.keras", {}, r"best.keras is not one of the models .*say where .*: --regions, --chroms or --genome"),
        ("model.keras", {"corrected": True}, "model.keras is one model; --corrected goes with a run or a unit"),
        ("predictions.h5", {}, "predictions.h5 is no model"),
    ],
)
def test_a_file_that_predicted_nothing_is_refused(
    run_folder: Path, tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    unit = run_folder / "fold-0" / "seed-1"
    (unit / "best.keras").touch()
    with pytest.raises(ConfigError, match=message):
        predict_to_file(PredictRequest((unit / name,), tmp_path / "a.h5", **options))


def test_a_chromosome_that_two_folds_test_on_is_refused(run_folder: Path, tmp_path: Path) -> None:
    assert predict_to_file(PredictRequest((run_folder,), tmp_path / "a.h5")).n_windows == 12
    unit_that_tests(run_folder / "fold-2" / "seed-1", "chr1")
    with pytest.raises(RunError, match=r"folds 0 and 2 both test on chr1.*--genome averages the models"):
        predict_to_file(PredictRequest((run_folder,), tmp_path / "b.h5"))
