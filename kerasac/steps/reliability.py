"""Measure how far predictions are from what was observed where they were made, before and after calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kerasac.steps.calibrate import Labelled
from kerasac.steps.calibration import Calibration, Floats, Kind

N_BINS = 15
_Z = 1.96  # 95 % of a normal distribution

_ECE = (
    "Expected calibration error: mean of |mean observed - mean predicted| over 15 groups of {windows}, weighted by "
    "their numbers. Groups are {groups} ({source}). 0 is best."
)
DEFINITIONS: Mapping[str, Mapping[str, str]] = {
    "classification": {
        "ece": _ECE.format(
            windows="labelled bins",
            groups="equal parts of 0 to 1 by predicted probability; observed is the share of positives",
            source="Naeini et al. 2015, 15 groups as in Guo et al. 2017",
        ),
        "squared_error": "Brier score: mean squared difference of predicted probability and label. 0 is best.",
    },
    "values": {
        "ece": _ECE.format(
            windows="windows",
            groups="cut at quantiles of the prediction, in whose unit the error is",
            source="Naeini et al. 2015, for means instead of shares, with the equally filled groups of Nixon et al. "
            "2019",
        ),
        "squared_error": "MSE: mean squared difference of predicted and observed value. 0 is best.",
    },
}


class Bins(NamedTuple):
    """The bins of predictions that any window falls in, from the lowest; all (B,).

    ``low`` and ``high`` bound the observed mean with 95 % confidence: Wilson's interval of a share, 1.96 standard
    errors of a mean of values.
    """

    n: Floats
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats


class Side(NamedTuple):
    """How well predictions are calibrated, before or after."""

    ece: float
    squared_error: float
    bins: Bins

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        bins = {name: values.tolist() for name, values in self.bins._asdict().items()}
        return {"ece": self.ece, "squared_error": self.squared_error, "bins": bins}


class Judged(NamedTuple):
    """One task's test windows that have a label, before and after calibration."""

    n: int
    before: Side
    after: Side


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a calibration does to the test windows, which it was not fitted on."""

    kind: Kind
    values: str
    """The space of the values."""
    tasks: Mapping[str, Judged]
    """By task; those without a labelled test window are not in it."""

    @property
    def definitions(self) -> Mapping[str, str]:
        """One sentence for every number."""
        return DEFINITIONS["classification" if self.kind == "classification" else "values"]

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"split", "tasks": {name: {"n", "before", "after"}}, "definitions"}``, JSON-able."""
        tasks = {
            task: {"n": judged.n, "before": judged.before.to_dict(), "after": judged.after.to_dict()}
            for task, judged in self.tasks.items()
        }
        return {"split": "test", "tasks": tasks, "definitions": dict(self.definitions)}


def judge(calibration: Calibration, test: Labelled) -> Judgement:
    """Hold predictions of test windows against their labels, before and after calibration."""
    after = test._replace(predicted=calibration.apply(test.predicted))
    tasks = {}
    for index, task in enumerate(test.tasks):
        labels, predicted = test.of_task(index)
        if len(labels):
            sides = [side(test.kind, labels, values) for values in (predicted, after.of_task(index)[1])]
            tasks[task] = Judged(len(labels), *sides)
    return Judgement(test.kind, calibration.values, tasks)


def side(kind: Kind, observed: Floats, predicted: Floats) -> Side:
    """Measure predictions of one task, (n,), n > 0; ``observed`` are labels 0 or 1 of a classification."""
    bins = reliability(kind, observed, predicted)
    ece = float(np.average(np.abs(bins.observed - bins.predicted), weights=bins.n))
    return Side(ece, float(np.mean((predicted - observed) ** 2)), bins)


def reliability(kind: Kind, observed: Floats, predicted: Floats) -> Bins:
    """Return means of predictions and observations in bins of the prediction, both (n,), n > 0.

    A bin holds its upper edge. The bins of a classification are 15 equally wide ones of 0 to 1; else their edges are
    quantiles, so that equal predictions stay together and the order of windows changes nothing.
    """
    shares = np.linspace(0, 1, N_BINS + 1)[1:-1]
    edges = shares if kind == "classification" else np.quantile(predicted, shares)
    index = np.searchsorted(edges, predicted)
    n = np.bincount(index, minlength=N_BINS).astype(np.float64)
    used = n > 0
    n = n[used]
    mean, mean_predicted, mean_square = (
        np.bincount(index, weights=values, minlength=N_BINS)[used] / n for values in (observed, predicted, observed**2)
    )
    low, high = _wilson(mean, n) if kind == "classification" else _normal(mean, mean_square, n)
    return Bins(n, mean_predicted, mean, low, high)


def _wilson(share: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Wilson's (1927) score interval of a share."""
    center = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return center - half, center + half


def _normal(mean: Floats, mean_square: Floats, n: Floats) -> tuple[Floats, Floats]:
    """1.96 standard errors around a mean; of one value alone, none."""
    variance = np.maximum(mean_square - mean**2, 0) * n / np.maximum(n - 1, 1)
    half = _Z * np.sqrt(variance / n)
    return mean - half, mean + half
