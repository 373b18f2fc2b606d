"""Measure how well values predicted for bins match their labels, task by task, leaving out ambiguous labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from kerasac.errors import ScoreError
from kerasac.steps.binned_predictions import BinnedPredictions, Kind
from kerasac.steps.score import MIN_WINDOWS, Metrics, correlation

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating[Any]]

FDRS: Mapping[str, float] = {"recall_at_fdr_50": 0.5, "recall_at_fdr_20": 0.2, "recall_at_fdr_10": 0.1}
_LISTED = 8  # tasks that one warning names
WINDOWS = "all"  # the window set that binned scores are of, where others have peaks and background too

_UNDEFINED_CLASSES = "undefined unless a task has both"
_NEEDS = f"undefined for fewer than {MIN_WINDOWS} bins or where one side is constant"

CLASSIFICATION_DEFINITIONS: Mapping[str, str] = {
    "auroc": "Probability that a positive bin has a higher prediction than a negative one, ties counted half; chance "
    f"is 0.5, higher is better, {_UNDEFINED_CLASSES}.",
    "auprc": "Average precision of positive bins ranked by prediction: precision times gain in recall, summed over "
    f"distinct predictions; chance is the share of positives, higher is better, {_UNDEFINED_CLASSES}.",
    **{
        name: "Share of positive bins called at the threshold whose false discovery rate, the share of "
        f"negatives among the bins called, is the highest up to {fdr:.0%}, as in kerasAC (another threshold may have a "
        f"higher recall); 0 where none is so low (NaN in kerasAC), higher is better, {_UNDEFINED_CLASSES}."
        for name, fdr in FDRS.items()
    },
    "unbalanced_accuracy": "Share of bins on their label's side of 0.5 (0.5 itself is negative); higher is better.",
    "positive_accuracy": "Share of positive bins predicted above 0.5 (sensitivity); higher is better.",
    "negative_accuracy": "Share of negative bins predicted at 0.5 or below (specificity); higher is better.",
    "balanced_accuracy": "Mean of positive and negative accuracy; chance is 0.5, higher is better.",
    "num_positives": "Bins labelled 1.",
    "num_negatives": "Bins labelled 0.",
    "positive_share": "Share of bins labelled 1: the AUPRC of chance.",
}
REGRESSION_DEFINITIONS: Mapping[str, str] = {
    "pearson": f"Pearson correlation of predictions and labels over bins; higher is better, {_NEEDS}.",
    "spearman": f"Spearman rank correlation of predictions and labels over bins; higher is better, {_NEEDS}.",
    "pearson_nonzero": f"Pearson correlation over the bins whose label is not 0; higher is better, {_NEEDS}.",
    "spearman_nonzero": f"Spearman rank correlation over the bins whose label is not 0; higher is better, {_NEEDS}.",
}


@dataclass(frozen=True, eq=False)
class BinnedScores:
    """Metrics of all bins, as a mean over the tasks in which they are defined and task by task."""

    windows: dict[str, Metrics]
    tasks: dict[str, dict[str, Metrics]]
    definitions: dict[str, str]
    n: dict[str, dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """What scores.json holds; a metric that is not defined is None."""
        return {"windows": self.windows, "tasks": self.tasks, "definitions": self.definitions, "n": self.n}


def score_classification(labels: Floats, predicted: Floats, tasks: Sequence[str]) -> BinnedScores:
    """Score probabilities of bins, (n, n_tasks), against labels 0, 1 or NaN of the same shape.

    Source of the metrics: kerasAC, ``classification_performance_metrics``.

    Raises
    ------
    ScoreError
        For labels of other values, predictions that are no probabilities, or shapes that differ.
    """
    _check_shapes(labels, predicted, tasks)
    for task, label, value in zip(tasks, labels.T, predicted.T, strict=True):
        _refuse(label, (label != 0) & (label != 1) & ~np.isnan(label), task, "label", "classes are 0, 1 or NaN")
        no_probability = ~((value >= 0) & (value <= 1))  # also NaN
        _refuse(value, no_probability, task, "prediction", "classification scores take probabilities, not logits")
    return _scores(labels, predicted, tasks, classification_metrics, CLASSIFICATION_DEFINITIONS)


def score_regression(labels: Floats, predicted: Floats, tasks: Sequence[str]) -> BinnedScores:
    """Score values predicted for bins, (n, n_tasks), against labels of the same shape, NaN where ambiguous.

    Source of the metrics: kerasAC, ``regression_performance_metrics``.

    Raises
    ------
    ScoreError
        For infinite labels, predictions that are not finite, or shapes that differ.
    """
    _check_shapes(labels, predicted, tasks)
    for task, label, value in zip(tasks, labels.T, predicted.T, strict=True):
        _refuse(label, np.isinf(label), task, "label", "look at its signal and transform")
        _refuse(value, ~np.isfinite(value), task, "prediction", "look at the training")
    return _scores(labels, predicted, tasks, regression_metrics, REGRESSION_DEFINITIONS)


def score_bins(predictions: BinnedPredictions, kind: Kind | None = None) -> BinnedScores:
    """Score predictions of bins by what they are: as the file says, or as ``kind`` does where it is silent.

    Raises
    ------
    ScoreError
        When neither says what they are, or they say different things.
    """
    if kind is not None and predictions.kind not in (None, kind):
        raise ScoreError(f"these are predictions of a {predictions.kind}, not of a {kind}; leave out the kind")
    found = predictions.kind or kind
    if found is None:
        raise ScoreError(
            "this file does not say what its predictions are; give --kind classification (probabilities) or "
            "--kind regression (values)"
        )
    score = score_classification if found == "classification" else score_regression
    return score(predictions.labels.values, predictions.predicted, predictions.labels.tasks)


def classification_metrics(labels: Floats, predicted: Floats) -> Metrics:
    """Metrics of one task, from labels 0 or 1 and probabilities, (n,)."""
    positive = labels == 1
    n_positive = int(positive.sum())
    n_negative = len(labels) - n_positive
    correct = (predicted > 0.5) == positive  # 0.5 is negative, as it rounds to 0
    sensitivity = _share(int((correct & positive).sum()), n_positive)
    specificity = _share(int((correct & ~positive).sum()), n_negative)
    balanced = None if sensitivity is None or specificity is None else (sensitivity + specificity) / 2
    return {
        **_ranking(positive, predicted, n_positive, n_negative),
        "unbalanced_accuracy": _share(int(correct.sum()), len(labels)),
        "positive_accuracy": sensitivity,
        "negative_accuracy": specificity,
        "balanced_accuracy": balanced,
        "num_positives": float(n_positive),
        "num_negatives": float(n_negative),
        "positive_share": _share(n_positive, len(labels)),
    }


def regression_metrics(labels: Floats, predicted: Floats) -> Metrics:
    """Metrics of one task, from labels and predictions, (n,)."""
    x, y = predicted.astype(np.float64), labels.astype(np.float64)
    nonzero = y != 0
    x_nonzero, y_nonzero = x[nonzero], y[nonzero]
    return {
        "pearson": correlation(x, y),
        "spearman": correlation(rankdata(x), rankdata(y)),
        "pearson_nonzero": correlation(x_nonzero, y_nonzero),
        "spearman_nonzero": correlation(rankdata(x_nonzero), rankdata(y_nonzero)),
    }


def _scores(
    labels: Floats,
    predicted: Floats,
    tasks: Sequence[str],
    metrics: Callable[[Floats, Floats], Metrics],
    definitions: Mapping[str, str],
) -> BinnedScores:
    by_task: dict[str, dict[str, Metrics]] = {}
    n_labelled: dict[str, int] = {}
    for i, task in enumerate(tasks):
        labelled = ~np.isnan(labels[:, i])
        by_task[task] = {WINDOWS: metrics(labels[labelled, i], predicted[labelled, i])}
        n_labelled[task] = int(labelled.sum())
    mean = {name: _mean([sets[WINDOWS][name] for sets in by_task.values()]) for name in definitions}
    n = {WINDOWS: {"n_windows": len(labels), "n_labelled": n_labelled}}
    logger.info("scored %d bins of %d tasks", len(labels), len(tasks))
    _warn_of_undefined(by_task)
    return BinnedScores({WINDOWS: mean}, by_task, dict(definitions), n)


def _warn_of_undefined(by_task: Mapping[str, Mapping[str, Metrics]]) -> None:
    """Say which metrics have no value in some tasks; their definitions say what they need."""
    for name in next(iter(by_task.values()))[WINDOWS]:
        undefined = [task for task, sets in by_task.items() if sets[WINDOWS][name] is None]
        if undefined:
            more = f" and {len(undefined) - _LISTED:,} more" if len(undefined) > _LISTED else ""
            logger.warning("%s has no value in %s%s", name, ", ".join(undefined[:_LISTED]), more)


def _ranking(positive: npt.NDArray[np.bool_], predicted: Floats, n_positive: int, n_negative: int) -> Metrics:
    """Metrics of the order of predictions: all from one sort, a fifth of scikit-learn's time for the three."""
    names = ("auroc", "auprc", *FDRS)
    if not n_positive or not n_negative:
        return dict.fromkeys(names)
    order = np.argsort(-predicted)
    last = np.flatnonzero(np.diff(predicted[order], append=-np.inf))  # of each distinct prediction, from the highest
    called = last + 1
    true = np.cumsum(positive[order])[last]
    recall, precision = true / n_positive, true / called
    false_discovery = 1 - precision
    roc_area = float(np.trapezoid(np.append(0, recall), np.append(0, (called - true) / n_negative)))
    average_precision = float(np.sum(np.diff(recall, prepend=0) * precision))
    nearest = [false_discovery[false_discovery <= fdr].max(initial=-1) for fdr in FDRS.values()]
    recalls = [float(recall[false_discovery == rate].max(initial=0)) for rate in nearest]
    return dict(zip(names, (roc_area, average_precision, *recalls), strict=True))


def _share(count: int, total: int) -> float | None:
    return count / total if total else None


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _check_shapes(labels: Floats, predicted: Floats, tasks: Sequence[str]) -> None:
    if labels.shape != predicted.shape or labels.ndim != 2:
        raise ScoreError(f"labels have shape {labels.shape}, predictions {predicted.shape}; both are (bins, tasks)")
    if len(set(tasks)) != labels.shape[1] or len(tasks) != labels.shape[1]:
        raise ScoreError(f"{len(tasks)} task names {tuple(tasks)} for {labels.shape[1]} tasks; give each its own name")


def _refuse(column: Floats, wrong: npt.NDArray[np.bool_], task: str, what: str, hint: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ScoreError(
            f"the {what} of bin {row} in task {task} is {column[row]:g} ({int(wrong.sum()):,} such); {hint}"
        )
