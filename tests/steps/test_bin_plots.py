"""Figures of bins show the numbers that are scored."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from kerasac.steps.binned_predictions import BinnedPredictions
from kerasac.steps.binned_scores import score_classification, score_regression
from kerasac.steps.plots import bin_figures
from kerasac.store.labels.read import BinLabels

# Eight bins, by falling prediction: + - + + - + - -, and one that is ambiguous.
CLASSES = np.array([1, 0, 1, 1, 0, 1, 0, 0, np.nan], dtype=np.float32)
FALLING = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.2, 0.1, 0.3], dtype=np.float32)


def predictions(labels: np.ndarray, predicted: np.ndarray, kind: str) -> BinnedPredictions:
    n, tasks = len(labels), tuple(f"task {i}" for i in range(labels.shape[1]))
    start = np.arange(n) * 100
    made = BinLabels(("chr1",), np.zeros(n, dtype=np.int32), start, start + 1000, labels, tasks)
    return BinnedPredictions(made, predicted, "classification" if kind == "classification" else "regression")


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for ax in figure.axes for text in ax.texts)


def test_classes_are_drawn_as_scored() -> None:
    made = predictions(CLASSES[:, None], FALLING[:, None], "classification")
    scores = score_classification(made.labels.values, made.predicted, made.labels.tasks)
    (name, figure), *others = bin_figures(made, scores, title="run").items()
    assert (name, others) == ("classes", [])
    metrics = scores.tasks["task 0"]["all"]
    assert f"AUPRC = {metrics['auprc']:.3f}" in texts(figure)
    assert f"AUROC = {metrics['auroc']:.3f}" in texts(figure)
    assert "chance = 0.500" in texts(figure)
    curve, receiver = (ax.lines[0] for ax in figure.axes)
    assert curve.get_xdata().max() == receiver.get_xdata().max() == 1
    dots = {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in figure.axes[0].lines[2:]}
    assert dots == {(1.0, 0.5), (0.25, 0.8), (0.25, 0.9)}


def test_a_task_of_one_class_has_no_curve() -> None:
    labels = np.stack([CLASSES, np.zeros_like(CLASSES)], axis=1)
    made = predictions(labels, np.stack([FALLING, FALLING], axis=1), "classification")
    figure = bin_figures(made, score_classification(labels, made.predicted, made.labels.tasks))["classes"]
    assert [len(ax.lines) > 0 for ax in figure.axes] == [True, True, False, False]
    assert texts(figure).count("bins of one class only") == 2


@pytest.mark.parametrize("n_tasks", [1, 6])
def test_values_are_drawn_as_scored(n_tasks: int) -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(50, n_tasks)).astype(np.float32)
    labels[3] = np.nan
    made = predictions(labels, (labels + rng.normal(size=labels.shape)).astype(np.float32), "regression")
    made.predicted[3] = 0
    scores = score_regression(labels, made.predicted, made.labels.tasks)
    figure = bin_figures(made, scores, title="run")["values"]
    assert len(figure.axes) == min(n_tasks, 4)
    assert f"r = {scores.tasks['task 0']['all']['pearson']:.3f}" in texts(figure)
    assert "n = 49" in figure.axes[0].get_title(loc="left")
    assert ("first 4 of 6 tasks" in figure.get_suptitle()) == (n_tasks == 6)
