"""Measure how well predictions match what was observed, beside floors that make the numbers readable."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from kerasac.cache import whole_file
from kerasac.steps.count_space import CountSpace, transformed
from kerasac.steps.profile_scores import BoolArray, Floats, IntArray, ProfileScores
from kerasac.steps.score_definitions import definitions
from kerasac.steps.score_settings import DEFAULT_SETTINGS, ScoreSettings
from kerasac.steps.window_scores import (
    BLOCK_WINDOWS,
    Ceiling,
    Pseudoreplicates,
    Scorable,
    WindowScores,
    score_windows,
)

logger = logging.getLogger(__name__)

Metrics = dict[str, float | None]

MIN_WINDOWS = 3  # fewer give no correlation worth the name
_CEILING = "_pseudoreplicate"
_CORRELATIONS = ("counts_pearson", "counts_spearman")


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
    """The rows of the predictions that were scored, in the order of their coordinates."""
    profiles: dict[str, ProfileScores]
    """By task; one value for each of ``rows``."""
    observed: Floats
    """Window counts in the space of the file, (len(rows), T)."""
    predicted: Floats
    """The same as predicted."""
    ceiling: Ceiling | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    """What was asked for beside the defaults."""

    @property
    def task_names(self) -> tuple[str, ...]:
        """Tasks, in the order of the predictions."""
        return tuple(self.tasks)

    def to_dict(self) -> dict[str, Any]:
        """What scores.json holds; a metric that is not defined is None."""
        found = {"windows": self.windows, "tasks": self.tasks, "definitions": self.definitions, "n": self.n}
        return found | ({"settings": self.settings} if self.settings else {})


def score(
    predictions: Scorable,
    settings: ScoreSettings = DEFAULT_SETTINGS,
    *,
    pseudoreplicates: Pseudoreplicates | None = None,
    block_windows: int = BLOCK_WINDOWS,
) -> Scores:
    """Score predictions on peaks, on background, and on all windows.

    Windows are read in blocks; of each only its scores are kept. They are put in the order of their coordinates: the
    same windows in another order give the same numbers, the shuffled floor included. Metrics of two
    ``pseudoreplicates`` against each other are named ``*_pseudoreplicate``.

    Raises
    ------
    ScoreError
        For labels that are no counts, and predictions that are no numbers.
    """
    windows = score_windows(predictions, settings, pseudoreplicates, block_windows=block_windows)
    words = definitions(predictions, settings, pseudoreplicates=pseudoreplicates is not None)
    asked = settings.changed() | ({} if pseudoreplicates is None else {"pseudoreplicates": str(pseudoreplicates)})
    return _scores(predictions, windows, words, asked)


def write_scores(folder: Path, scores: Scored) -> None:
    """Write scores.json and scores.tsv: one row a task, window set and metric; task ``mean`` is over tasks."""
    with whole_file(folder / "scores.json") as beside:
        beside.write_text(json.dumps(scores.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    table = pd.DataFrame(_tidy(scores), columns=["task", "windows", "metric", "value"])
    with whole_file(folder / "scores.tsv") as beside:
        table.to_csv(beside, sep="\t", index=False, na_rep="NA")


def correlation(x: Floats, y: Floats) -> float | None:
    """Pearson correlation; None for fewer than three windows or where one side is constant."""
    if len(x) < MIN_WINDOWS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _scores(predictions: Scorable, windows: WindowScores, words: dict[str, str], settings: dict[str, Any]) -> Scores:
    """Reduce the windows' scores to metrics of each task and window set."""
    is_peak = predictions.is_peak[windows.rows]
    members = {"peaks": is_peak, "background": ~is_peak, "all": np.ones(len(is_peak), dtype=bool)}
    profiles = dict(zip(predictions.tasks, windows.profiles, strict=True))
    tasks: dict[str, dict[str, Metrics]] = {}
    for index, (task, scored) in enumerate(profiles.items()):
        observed, predicted = windows.observed[:, index], windows.predicted[:, index]
        tasks[task] = {}
        for name, member in members.items():
            metrics = _metrics(predicted[member], observed[member], scored.take(member))
            if windows.ceiling is not None:
                metrics |= _ceiling_metrics(windows.ceiling.take(member), index, predictions)
            tasks[task][name] = metrics
        tasks[task]["all"].update(_separation(predicted, is_peak))
    n = {name: _tally(member, profiles) for name, member in members.items()}
    n["all"]["n_outside_label_range"] = predictions.n_windows - len(windows.rows)
    logger.info("scored %d windows, %d of them peaks", len(is_peak), int(is_peak.sum()))
    _warn_of_undefined(tasks, n, has_mean=predictions.mean_profile is not None)
    means = {name: _mean_over_tasks([sets[name] for sets in tasks.values()]) for name in members}
    return Scores(
        means,
        tasks,
        words,
        n,
        windows.rows,
        profiles,
        windows.observed,
        windows.predicted,
        windows.ceiling,
        settings,
    )


def _metrics(predicted: Floats, observed: Floats, profiles: ProfileScores) -> Metrics:
    """Metrics of one task on one window set, from log counts and profile scores of the same windows."""
    counted = profiles.counts.sum()
    return {
        "counts_pearson": correlation(predicted, observed),
        "counts_spearman": correlation(rankdata(predicted), rankdata(observed)),
        "counts_mse": _over(np.mean, (predicted - observed) ** 2),
        "jsd_distance_mean": _over(np.mean, profiles.jsd),
        "jsd_distance_sd": _over(np.std, profiles.jsd),
        "jsd_distance_median": _over(np.median, profiles.jsd),
        "jsd_divergence_mean": _over(np.mean, profiles.jsd**2),
        "jsd_norm_median": _over(np.median, profiles.jsd_norm),
        "mnll_mean": _over(np.mean, profiles.mnll),
        "mnll_sd": _over(np.std, profiles.mnll),
        "mnll_per_count": float(np.nansum(profiles.cross_entropy) / counted) if counted else None,
        "jsd_distance_mean_profile": _over(np.mean, profiles.jsd_mean_profile),
        "jsd_distance_uniform": _over(np.mean, profiles.jsd_uniform),
        "jsd_distance_shuffled": _over(np.mean, profiles.jsd_shuffled),
    }


def _ceiling_metrics(ceiling: Ceiling, task: int, space: CountSpace) -> Metrics:
    first, second = (transformed(counts[:, task], space) for counts in ceiling.counts)
    jsd = ceiling.jsd[:, task]
    found = {
        "counts_pearson": correlation(first, second),
        "counts_spearman": correlation(rankdata(first), rankdata(second)),
        "jsd_distance_mean": _over(np.mean, jsd),
        "jsd_distance_sd": _over(np.std, jsd),
        "jsd_distance_median": _over(np.median, jsd),
    }
    return {f"{name}{_CEILING}": value for name, value in found.items()}


def _separation(predicted: Floats, is_peak: BoolArray) -> Metrics:
    """How well the predicted log count tells peaks from background; None unless there are both."""
    if is_peak.all() or not is_peak.any():
        return {"auroc": None, "auprc": None}
    return {
        "auroc": float(roc_auc_score(is_peak, predicted)),
        "auprc": float(average_precision_score(is_peak, predicted)),
    }


def _warn_of_undefined(tasks: Mapping[str, Mapping[str, Metrics]], n: Mapping[str, Any], *, has_mean: bool) -> None:
    """Say which metrics have no value where there are windows; one that nothing was given for is not missed."""
    expected = {"auroc", "auprc"} | (set() if has_mean else {"jsd_distance_mean_profile"})
    for windows, tally in n.items():
        names = [name for name in next(iter(tasks.values()))[windows] if name not in expected]
        for name in names if tally["n_windows"] else ():
            undefined = [task for task, sets in tasks.items() if sets[windows][name] is None]
            if undefined:
                why = (
                    f"fewer than {MIN_WINDOWS} windows, or a side is constant"
                    if name.startswith(_CORRELATIONS)
                    else "no window has the counts that it needs"
                )
                logger.warning("%s on %s has no value in %s: %s", name, windows, ", ".join(undefined), why)


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
