"""Fit the calibration of predictions to labels: isotonic regression of values, Platt scaling of classes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from kerasac.errors import ScoreError
from kerasac.steps.calibration import Floats, Isotonic, Kind, Platt, logits
from kerasac.steps.score import MIN_WINDOWS

logger = logging.getLogger(__name__)


class Labelled(NamedTuple):
    """Predictions of windows beside their labels, both (N, T); labels are NaN where ambiguous."""

    kind: Kind
    tasks: tuple[str, ...]
    labels: npt.NDArray[np.float32]
    predicted: npt.NDArray[np.float32]

    def of_task(self, index: int) -> tuple[Floats, Floats]:
        """Return labels and predictions of a task's windows that have a label, float64."""
        labels = self.labels[:, index].astype(np.float64)
        labelled = ~np.isnan(labels)
        return labels[labelled], self.predicted[labelled, index].astype(np.float64)


def fit(windows: Labelled) -> Mapping[str, Isotonic | Platt]:
    """Fit each task by itself, on its windows that have a label.

    Raises
    ------
    ScoreError
        When a task has too few labels, lacks one of the classes, or a prediction is no number.
    """
    return {task: _fit_task(windows, index, task) for index, task in enumerate(windows.tasks)}


def fit_isotonic(predicted: npt.NDArray[Any], observed: npt.NDArray[Any]) -> Isotonic:
    """Fit the never falling function from predictions to what was observed, both (n,), by least squares.

    Windows with the same prediction count as one, with their mean. Source: kerasAC's ``calibrate``, which takes it
    from abstention and that from scikit-learn.
    """
    fitted = IsotonicRegression(out_of_bounds="clip").fit(predicted.astype(np.float64), observed.astype(np.float64))
    return Isotonic(tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist()))


def fit_platt(logit: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Platt:
    """Fit Platt's a and b to logits and labels of 0 or 1, both (n,).

    The penalty and the solver's tolerance are scikit-learn's own, as in abstention's ``PlattScaling``, which kerasAC
    calls (not Platt's smoothed targets): with few windows both can be seen in a and b.
    """
    fitted = LogisticRegression().fit(logit.astype(np.float64).reshape(-1, 1), labels)
    return Platt(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]))


def _fit_task(windows: Labelled, index: int, task: str) -> Isotonic | Platt:
    labels, predicted = windows.of_task(index)
    _check(labels, predicted, task, windows.kind)
    function: Isotonic | Platt
    if windows.kind == "classification":
        function = fit_platt(logits(predicted), labels)
        informative = function.a > 0
    else:
        function = fit_isotonic(predicted, labels)
        informative = function.y[0] < function.y[-1]
    if not informative:
        logger.warning("task %s: labels do not rise with predictions on the validation windows", task)
    return function


def _check(labels: Floats, predicted: Floats, task: str, kind: Kind) -> None:
    if len(labels) < MIN_WINDOWS:
        raise ScoreError(
            f"task {task} has {len(labels)} labelled validation windows, calibration needs {MIN_WINDOWS}; "
            "take other validation chromosomes"
        )
    if not np.isfinite(predicted).all():
        n_bad = int((~np.isfinite(predicted)).sum())
        raise ScoreError(f"task {task}: {n_bad:,} predictions are not finite; look at the training")
    if kind == "classification" and len(classes := np.unique(labels)) < 2:
        raise ScoreError(
            f"task {task}: all {len(labels):,} labelled validation bins are {classes[0]:g}, Platt scaling needs both "
            "classes; take other validation chromosomes"
        )
