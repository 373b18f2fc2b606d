"""A cross-validation of labelled bins, from label file to report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from binned import BIN_BP, TASKS, binned_experiment, make_binned_files
from rich.console import Console

from kerasac.errors import ConfigError
from kerasac.runs.predict import Places, PredictRequest, predict_to_file
from kerasac.steps.binned_predictions import read_binned_predictions
from kerasac.steps.binned_scores import score_bins

pytestmark = [pytest.mark.ray, pytest.mark.keras, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("binned")
    make_binned_files(path)
    return path


def test_bins_are_trained_predicted_scored_and_reported(ray_cluster: dict[str, float], folder: Path) -> None:
    from kerasac.runs.crossval import cross_validate

    inputs = [
        {"name": "sequence", "source": "seq", "flank": BIN_BP // 2},
        {"name": "gc", "source": ["gc"], "file": "gc.tsv"},
    ]
    experiment = binned_experiment(
        folder,
        inputs=inputs,
        sampling={"bins": {"thresholds": [0.5], "ratios": [0.5]}, "train_size": 1000},
        loss={"class_weights": "auto"},
        training={"epochs": 8, "batch_size": 32, "learning_rate": 0.003, "patience": 8},
    )
    result = cross_validate(experiment, folder / "run", console=Console(quiet=True))
    assert result.n_trained == 3
    tested = []
    for k in range(3):
        unit = folder / "run" / f"fold-{k}" / "seed-1"
        predictions = read_binned_predictions(unit / "test")
        assert predictions.labels.tasks == TASKS
        assert json.loads((unit / "scores.json").read_text()) == json.loads(
            json.dumps(score_bins(predictions).to_dict())
        )
        labels = predictions.labels
        columns = {"CHR": labels.chrom, "START": labels.start, "END": labels.end}
        tested.append(pd.DataFrame({**columns, **dict(zip(TASKS, labels.values.T, strict=True))}))
    expected = pd.read_csv(folder / "labels.tsv", sep="\t")
    expected = expected[expected[list(TASKS)].notna().any(axis=1)].sort_values(["CHR", "START"]).reset_index(drop=True)
    found = pd.concat(tested).sort_values(["CHR", "START"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_column_type=False)

    auroc = result.summary.metrics["all"]["auroc"].mean
    assert auroc is not None
    assert auroc > 0.6, "strong peaks have a planted motif"
    page = (folder / "run" / "report.html").read_text()
    assert "balanced accuracy" in page
    again = cross_validate(experiment, folder / "run", console=Console(quiet=True))
    assert (again.n_trained, again.n_kept) == (0, 3)

    done = predict_to_file(PredictRequest((folder / "run",), folder / "all"))
    together = read_binned_predictions(folder / "all")
    assert done.n_windows == len(together.labels) == len(expected)
    units = [read_binned_predictions(folder / "run" / f"fold-{k}" / "seed-1" / "test") for k in range(3)]
    np.testing.assert_array_equal(together.predicted, np.concatenate([unit.predicted for unit in units]))
    elsewhere = PredictRequest((folder / "run",), folder / "x", Places(genome=True, stride_bp=50))
    with pytest.raises(ConfigError, match="the model takes gc, values of the bins of a label file"):
        predict_to_file(elsewhere)


def test_labels_of_windows_are_those_of_their_bins(folder: Path) -> None:
    predictions = read_binned_predictions(folder / "run" / "fold-0" / "seed-1" / "test")
    assert predictions.kind == "classification"
    assert ((predictions.predicted >= 0) & (predictions.predicted <= 1)).all()
    assert np.isnan(predictions.labels.values).any()
