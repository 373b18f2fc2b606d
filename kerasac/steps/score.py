"""Measure how well predictions match what was observed, beside floors that make the numbers readable."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from kerasac.cache import whole_file
from kerasac.errors import ScoreError
from kerasac.steps.predictions import Predictions
from kerasac.steps.profile_scores import BoolArray, Floats, IntArray, MnllTrials, ProfileScores, score_profiles

logger = logging.getLogger(__name__)

Metrics = dict[str, float | None]
LabelRange = tuple[float | None, float | None]

CHUNK_WINDOWS = 2048  # of 1000 bases: 70 MB of work space (200 where every base has counts) for any number
MIN_WINDOWS = 3  # fewer give no correlation worth the name


class Scored(Protocol):
    """What scores.json and scores.tsv are made of."""

    @property
    def windows(self) -> dict[str, Metrics]:
        """Metrics by window set, as a mean over tasks."""

    @property
    def tasks(self) -> dict[str, dict[str, Metrics]]:
        """The same, task by task."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Metrics by window set (``peaks``, ``background``, ``all``), as a mean over tasks and task by task."""

    windows: dict[str, Metrics]
    tasks: dict[str, dict[str, Metrics]]
    definitions: dict[str, str]
    n: dict[str, dict[str, Any]]
    rows: IntArray
    """The rows of the predictions that were scored."""
    profiles: dict[str, ProfileScores]
    """By task; one value for each of ``rows``."""

    def to_dict(self) -> dict[str, Any]:
        """What scores.json holds; a metric that is not defined is None."""
        return {"windows": self.windows, "tasks": self.tasks, "definitions": self.definitions, "n": self.n}


def score(
    predictions: Predictions,
    *,
    seed: int = 0,
    label_range: LabelRange = (None, None),
    mnll_trials: MnllTrials = "profile",
    chunk_windows: int = CHUNK_WINDOWS,
) -> Scores:
    """Score predictions on peaks, on background, and on all windows.

    Windows are visited in the order of their coordinates: the same windows in another order give the same numbers,
    the shuffled floor included.

    Parameters
    ----------
    seed:
        of the shuffles behind ``jsd_distance_shuffled``.
    label_range:
        leave out windows whose observed log count is below the first or above the second number in any task.
    mnll_trials:
        trials of the multinomial: the counts of the profile, or exp(observed log count), which is kerasAC's
        choice and takes the pseudocount for a part of the counts.
    """
    _check_numbers(predictions)
    rows = _scored_rows(predictions, label_range)
    chunks = [rows[i : i + chunk_windows] for i in range(0, len(rows), chunk_windows)]
    is_peak = predictions.is_peak[rows]
    observed = predictions.label_logcount[rows].astype(np.float64)
    predicted = predictions.logcount[rows].astype(np.float64)
    members = {"peaks": is_peak, "background": ~is_peak, "all": np.ones(len(rows), dtype=bool)}

    profiles: dict[str, ProfileScores] = {}
    tasks: dict[str, dict[str, Metrics]] = {}
    for index, task in enumerate(predictions.tasks):
        rng = np.random.default_rng([seed, index])
        profiles[task] = score_profiles(predictions, index, chunks, rng, mnll_trials)
        tasks[task] = {
            name: _metrics(predicted[member, index], observed[member, index], profiles[task].take(member))
            for name, member in members.items()
        }
        tasks[task]["all"].update(_separation(predicted[:, index], is_peak))

    n = {name: _tally(member, profiles) for name, member in members.items()}
    n["all"]["n_outside_label_range"] = predictions.n_windows - len(rows)
    logger.info("scored %d windows, %d of them peaks", len(rows), int(is_peak.sum()))
    windows = {name: _mean_over_tasks([sets[name] for sets in tasks.values()]) for name in members}
    return Scores(windows, tasks, definitions(predictions, mnll_trials), n, rows, profiles)


def write_scores(folder: Path, scores: Scored) -> None:
    """Write scores.json and scores.tsv: one row a task, window set and metric; task ``mean`` is over tasks."""
    with whole_file(folder / "scores.json") as beside:
        beside.write_text(json.dumps(scores.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    table = pd.DataFrame(_tidy(scores), columns=["task", "windows", "metric", "value"])
    with whole_file(folder / "scores.tsv") as beside:
        table.to_csv(beside, sep="\t", index=False, na_rep="NA")


def definitions(predictions: Predictions, mnll_trials: MnllTrials = "profile") -> dict[str, str]:
    """One sentence for every metric, with the transform and the window length of these predictions."""
    counts = f"predicted and observed {_count_space(predictions)}"
    jsd = "Jensen–Shannon distance (square root of the divergence, natural log, 0 to 0.8326)"
    pair = f"{jsd} between the observed and"
    over = "over windows with counts"
    floor = f"mean {over}; a floor that a model has to come below."
    trials = {"profile": "the window's count", "logcount": "exp(observed log count), as in kerasAC,"}[mnll_trials]
    uniform = math.log(max(predictions.n_bases, 1))
    return {
        "counts_pearson": f"Pearson correlation of {counts} over windows; higher is better.",
        "counts_spearman": f"Spearman rank correlation of {counts} over windows; higher is better.",
        "counts_mse": f"Mean squared difference of {counts} over windows; lower is better.",
        "jsd_distance_mean": f"{pair} the predicted profile, mean {over}; lower is better.",
        "jsd_distance_median": f"{pair} the predicted profile, median {over}; lower is better.",
        "jsd_divergence_mean": "Jensen–Shannon divergence (no square root, natural log, 0 to 0.6931) between the "
        f"observed and the predicted profile, mean {over}; lower is better.",
        "jsd_norm_median": f"{jsd} scaled window by window from the uniform profile (0, also when farther than it) "
        f"to a perfect prediction (1), median {over}; higher is better.",
        "mnll_mean": "Negative log likelihood of the observed profile under a multinomial with the predicted "
        f"profile and {trials} as trials, combinatorial term included, in nats, mean {over}; lower is better.",
        "mnll_per_count": "Negative log likelihood of the observed profiles without the combinatorial term, summed "
        f"over windows and divided by the sum of their counts, in nats; a uniform profile has {uniform:.3f}, "
        "lower is better.",
        "auroc": "Probability that a peak has a higher predicted log count than a background window; chance is "
        "0.5, higher is better.",
        "auprc": "Average precision of peaks against background, ranked by predicted log count; chance is the "
        "share of peaks, higher is better.",
        "jsd_distance_mean_profile": f"{pair} the mean profile of the training peaks, {floor}",
        "jsd_distance_uniform": f"{pair} the uniform profile, {floor}",
        "jsd_distance_shuffled": f"{pair} the same counts with their positions shuffled (one seeded shuffle a "
        f"window, as in chrombpnet), {floor}",
    }


def _count_space(predictions: Predictions) -> str:
    spaces = {
        "none": "counts",
        "log": f"log(count + {predictions.pseudocount:g})",
        "log10": f"log10(count + {predictions.pseudocount:g})",
        "log1p": "log(count + 1)",
        "asinh": "asinh(count)",
    }
    return spaces.get(predictions.transform, f"{predictions.transform} of counts")


def _check_numbers(predictions: Predictions) -> None:
    """Refuse labels that are no counts and predictions that are no numbers, naming the first such window."""
    for name in ("label_profile", "logits", "label_logcount", "logcount"):
        array = getattr(predictions, name)
        for start in range(0, predictions.n_windows, CHUNK_WINDOWS):
            chunk = array[start : start + CHUNK_WINDOWS]
            fine = np.isfinite(chunk)
            if name == "label_profile":
                fine &= chunk >= 0
            if not fine.all():
                row = start + int(np.argmin(fine.reshape(len(chunk), -1).all(axis=1)))
                where = f"window {row} ({predictions.chrom[row]}:{predictions.center[row]})"
                fault = "negative or not finite" if name == "label_profile" else "not finite"
                source = "the tracks" if name.startswith("label") else "the training"
                raise ScoreError(f"{name} of {where} is {fault}; look at {source}")


def _scored_rows(predictions: Predictions, label_range: LabelRange) -> IntArray:
    """Rows within the label range in every task, in the order of their coordinates."""
    order = np.lexsort((predictions.is_peak, predictions.strand, predictions.center, predictions.chrom))
    low, high = label_range
    labels = predictions.label_logcount[order]
    inside = np.ones(len(order), dtype=bool)
    if low is not None:
        inside &= (labels >= low).all(axis=1)
    if high is not None:
        inside &= (labels <= high).all(axis=1)
    return order[inside].astype(np.int64)


def _metrics(predicted: Floats, observed: Floats, profiles: ProfileScores) -> Metrics:
    """Metrics of one task on one window set, from log counts and profile scores of the same windows."""
    counted = profiles.counts.sum()
    return {
        "counts_pearson": correlation(predicted, observed),
        "counts_spearman": correlation(rankdata(predicted), rankdata(observed)),
        "counts_mse": _over(np.mean, (predicted - observed) ** 2),
        "jsd_distance_mean": _over(np.mean, profiles.jsd),
        "jsd_distance_median": _over(np.median, profiles.jsd),
        "jsd_divergence_mean": _over(np.mean, profiles.jsd**2),
        "jsd_norm_median": _over(np.median, profiles.jsd_norm),
        "mnll_mean": _over(np.mean, profiles.mnll),
        "mnll_per_count": float(np.nansum(profiles.cross_entropy) / counted) if counted else None,
        "jsd_distance_mean_profile": _over(np.mean, profiles.jsd_mean_profile),
        "jsd_distance_uniform": _over(np.mean, profiles.jsd_uniform),
        "jsd_distance_shuffled": _over(np.mean, profiles.jsd_shuffled),
    }


def _separation(predicted: Floats, is_peak: BoolArray) -> Metrics:
    """How well the predicted log count tells peaks from background; None unless there are both."""
    if is_peak.all() or not is_peak.any():
        return {"auroc": None, "auprc": None}
    return {
        "auroc": float(roc_auc_score(is_peak, predicted)),
        "auprc": float(average_precision_score(is_peak, predicted)),
    }


def correlation(x: Floats, y: Floats) -> float | None:
    """Pearson correlation; None for fewer than three windows or where one side is constant."""
    if len(x) < MIN_WINDOWS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _over(statistic: Callable[[Floats], Any], values: Floats) -> float | None:
    """A statistic of the defined values; None when there are none."""
    defined = values[~np.isnan(values)]
    return float(statistic(defined)) if len(defined) else None


def _mean_over_tasks(metrics: Sequence[Metrics]) -> Metrics:
    """Mean over the tasks in which a metric is defined."""
    values = {name: np.array([m[name] for m in metrics], dtype=np.float64) for name in metrics[0]}
    return {name: _over(np.mean, column) for name, column in values.items()}


def _tally(member: BoolArray, profiles: Mapping[str, ProfileScores]) -> dict[str, Any]:
    with_counts = {task: int((p.counts[member] > 0).sum()) for task, p in profiles.items()}
    return {"n_windows": int(member.sum()), "n_with_counts": with_counts}


def _tidy(scores: Scored) -> Iterator[tuple[str, str, str, float | None]]:
    for task, sets in {"mean": scores.windows, **scores.tasks}.items():
        for name, metrics in sets.items():
            for metric, value in metrics.items():
                yield task, name, metric, value
