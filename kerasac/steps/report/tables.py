"""Put a run's scores into tables: means with confidence intervals beside floors and ceiling, folds, and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from scipy import stats

from kerasac.steps.page import number
from kerasac.steps.paired import Interval
from kerasac.steps.summary import MetricSummary, Summary, better_direction, summarize_units

CEILING = "_pseudoreplicate"
LEVEL = 0.95

INTERVAL = (
    "95 % CI: mean ± t × standard error over folds, t of Student's distribution with one degree of freedom fewer than "
    "there are folds. Seeds of a fold are averaged first. Folds share training chromosomes, so it is rather too narrow."
)


class Column(NamedTuple):
    """A metric that the tables show: its window set, name, long label and short heading."""

    windows: str
    metric: str
    label: str
    heading: str
    floors: tuple[tuple[str, str | float], ...] = ()
    """What no model is needed for: a name, and a metric of the same windows or a number."""


class ScoreRow(NamedTuple):
    """A line of the table of scores."""

    label: str
    windows: str
    metric: MetricSummary
    interval: str
    floors: tuple[tuple[str, float], ...]
    ceiling: float | None
    better: str


_R = (("no relation", 0.0),)
_JSD_FLOORS = (
    ("mean profile", "jsd_distance_mean_profile"),
    ("uniform", "jsd_distance_uniform"),
    ("shuffled", "jsd_distance_shuffled"),
)
_COLUMNS = (
    Column("all", "counts_pearson", "Count correlation r", "count\u00a0r, all", _R),
    Column("peaks", "counts_pearson", "Count correlation r", "count\u00a0r, peaks", _R),
    Column("peaks", "counts_spearman", "Count rank correlation ρ", "count\u00a0ρ, peaks", _R),
    Column("all", "auroc", "AUROC", "AUROC", (("chance", 0.5),)),
    Column("all", "auprc", "AUPRC", "AUPRC", (("share of positives", "positive_share"),)),
    Column("peaks", "jsd_distance_mean", "Profile distance JSD", "JSD, peaks", _JSD_FLOORS),
    Column("peaks", "jsd_norm_median", "Profile skill, norm. JSD", "norm. JSD, peaks", (("uniform", 0.0),)),
    Column("peaks", "mnll_per_count", "Profile NLL a count, nats", "NLL a count, peaks"),
    Column("all", "recall_at_fdr_50", "Recall at 50 % FDR", "recall at 50\u00a0% FDR"),
    Column("all", "recall_at_fdr_10", "Recall at 10 % FDR", "recall at 10\u00a0% FDR"),
    Column("all", "balanced_accuracy", "Balanced accuracy", "balanced accuracy", (("chance", 0.5),)),
    Column("all", "pearson", "Correlation r", "r", _R),
    Column("all", "spearman", "Rank correlation ρ", "ρ", _R),
    Column("all", "pearson_nonzero", "r of bins above 0", "r, bins above\u00a00", _R),
    Column("all", "spearman_nonzero", "ρ of bins above 0", "ρ, bins above\u00a00", _R),
)


def columns(summary: Summary) -> list[Column]:
    """Return the metrics of the tables that any unit has a number for."""
    found = {column: summary.get(column.windows, column.metric) for column in _COLUMNS}
    return [column for column, metric in found.items() if metric is not None and metric.mean is not None]


def score_table(summary: Summary, share_of_peaks: float | None = None) -> list[ScoreRow]:
    """Return the main metrics with intervals, beside what no model and what a replicate reaches.

    ``share_of_peaks`` among the scored windows is the AUPRC of chance.
    """
    rows = []
    for column in columns(summary):
        metric = summary.get(column.windows, column.metric)
        assert metric is not None, "columns() asked for it"
        ceiling = summary.get(column.windows, column.metric + CEILING)
        rows.append(
            ScoreRow(
                label=column.label,
                windows=windows_name(column.windows, binned=summary.is_binned),
                metric=metric,
                interval=interval_text(metric.values),
                floors=_floors(summary, column, share_of_peaks),
                ceiling=None if ceiling is None else ceiling.mean,
                better=better_direction(column.metric, summary.definitions.get(column.metric)) or "",
            )
        )
    return rows


def tasks_of(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, list[ScoreRow]]:
    """Return a table of scores for each task, when there are several."""
    names = list(dict.fromkeys(task for one in scores.values() for task in one.get("tasks", {})))
    if len(names) < 2:
        return {}
    return {
        task: score_table(
            summarize_units(
                {
                    unit: {"windows": one["tasks"][task], "definitions": one.get("definitions", {})}
                    for unit, one in scores.items()
                    if task in one["tasks"]
                }
            )
        )
        for task in names
    }


def peak_share(scores: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the share of peaks among the scored windows of all units; None where windows are not told apart."""
    n = [one["n"] for one in scores.values() if "peaks" in one.get("n", {})]
    peaks, total = (sum(int(one[name]["n_windows"]) for one in n if name in one) for name in ("peaks", "all"))
    return peaks / total if total else None


def confidence_interval(values: Mapping[str, float | None]) -> Interval | None:
    """Return the 95 % confidence interval of a metric's mean over folds, from its values by unit.

    Mean ± t(0.975, folds − 1) × standard error, of fold means over seeds; None for fewer than two folds.
    """
    metric = MetricSummary(values)
    if metric.mean is None or metric.se is None:
        return None
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(metric.fold_means) - 1)) * metric.se
    return Interval(metric.mean - half, metric.mean + half)


def interval_text(values: Mapping[str, float | None], digits: int = 3) -> str:
    """Return ``0.641 to 0.769``; empty for fewer than two folds."""
    found = confidence_interval(values)
    return "" if found is None else f"{number(found.low, digits)} to {number(found.high, digits)}"


def windows_name(windows: str, *, binned: bool) -> str:
    """Return what a window set is called."""
    return {"all": "all bins" if binned else "all windows"}.get(windows, windows)


def _floors(summary: Summary, column: Column, share_of_peaks: float | None) -> tuple[tuple[str, float], ...]:
    if column.metric == "auprc" and share_of_peaks is not None:
        return (("share of peaks", share_of_peaks),)
    found = []
    for name, floor in column.floors:
        metric = summary.get(column.windows, floor) if isinstance(floor, str) else None
        value = floor if isinstance(floor, float) else metric.mean if metric is not None else None
        if value is not None:
            found.append((name, value))
    return tuple(found)
