"""Summarise the scores of a run's folds and seeds as mean, spread, and the floors to compare them with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import pandas as pd

from kerasac.cache import whole_file
from kerasac.errors import ScoreError
from kerasac.steps.metric_summary import STATISTICS, MetricSummary, fold_of, seed_of, unit_order

__all__ = [
    "STATISTICS",
    "Better",
    "HeadlineRow",
    "MetricSummary",
    "Summary",
    "better_direction",
    "fold_of",
    "headline",
    "headline_labels",
    "read_units",
    "seed_of",
    "summarize",
    "summarize_units",
    "unit_order",
]

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Summary:
    """Metrics by window set over the finished units of a run."""

    metrics: Mapping[str, Mapping[str, MetricSummary]]
    units: tuple[str, ...]
    definitions: Mapping[str, str]

    def get(self, windows: str, metric: str) -> MetricSummary | None:
        """One metric on one window set; None when no unit has it."""
        return self.metrics.get(windows, {}).get(metric)

    @property
    def is_binned(self) -> bool:
        """Whether the scores are of bins, which are not told apart into peaks and background."""
        windowed = "peaks" in self.metrics or self.get("all", "counts_pearson") is not None
        return bool(self.metrics) and not windowed

    def to_dict(self) -> dict[str, Any]:
        """What summary.json holds."""
        metrics = {
            windows: {name: metric.to_dict() for name, metric in by_name.items()}
            for windows, by_name in self.metrics.items()
        }
        return {
            "metrics": metrics,
            "units": list(self.units),
            "definitions": dict(self.definitions),
            "statistics": dict(STATISTICS),
        }


@dataclass(frozen=True)
class HeadlineRow:
    """One line of what a user reads first."""

    windows: str
    metric: str
    label: str
    better: Better
    mean: float | None
    sd: float | None
    values: Mapping[str, float | None]
    floor_label: str
    floor: float | None

    def text(self) -> str:
        """``0.719 ± 0.009``, or without the spread for one unit."""
        if self.mean is None:
            return "undefined"
        return f"{self.mean:.3f}" if self.sd is None else f"{self.mean:.3f} ± {self.sd:.3f}"


@dataclass(frozen=True)
class _Headline:
    windows: str
    metric: str
    label: str
    better: Better
    floors: tuple[tuple[str, str | float], ...]
    """Name and metric (of the same windows) or number; the first that is defined is used."""
    of_bins: str | None = None
    """The label where bins are scored, if it is another."""
    bins_only: bool = False


_HEADLINES = (
    _Headline("all", "counts_pearson", "Count correlation r", "higher", (("no relation", 0.0),)),
    _Headline("peaks", "counts_pearson", "Count correlation r", "higher", (("no relation", 0.0),)),
    _Headline("all", "auroc", "Peak detection AUROC", "higher", (("chance", 0.5),), of_bins="Ranking AUROC"),
    _Headline(
        "peaks",
        "jsd_distance_mean",
        "Profile distance JSD",
        "lower",
        (("mean profile", "jsd_distance_mean_profile"), ("uniform profile", "jsd_distance_uniform")),
    ),
    _Headline("peaks", "jsd_norm_median", "Profile skill, norm. JSD", "higher", (("uniform profile", 0.0),)),
    # Of bins alone:
    _Headline(
        "all", "auprc", "Average precision AUPRC", "higher", (("share of positives", "positive_share"),), bins_only=True
    ),
    _Headline("all", "recall_at_fdr_50", "Recall at 50 % FDR", "higher", ()),
    _Headline("all", "balanced_accuracy", "Balanced accuracy", "higher", (("chance", 0.5),)),
    _Headline("all", "pearson", "Correlation r", "higher", (("no relation", 0.0),)),
    _Headline("all", "spearman", "Rank correlation ρ", "higher", (("no relation", 0.0),)),
    _Headline("all", "pearson_nonzero", "Bins above 0, r", "higher", (("no relation", 0.0),)),
)


def summarize(run_dir: Path) -> Summary:
    """Read every fold-*/seed-*/scores.json of a run and write summary.json and summary.tsv beside them."""
    units = read_units(run_dir)
    if not units:
        raise ScoreError(f"{run_dir} has no fold-*/seed-*/scores.json; run the cross-validation first")
    summary = summarize_units(units)
    with whole_file(run_dir / "summary.json") as beside:
        beside.write_text(json.dumps(summary.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    with whole_file(run_dir / "summary.tsv") as beside:
        _table(summary).to_csv(beside, sep="\t", index=False, na_rep="NA")
    return summary


def read_units(run_dir: Path) -> dict[str, dict[str, Any]]:
    """What each finished unit's scores.json holds, in the order of folds and seeds."""
    return dict(_read_units(run_dir))


def summarize_units(units: Mapping[str, Mapping[str, Any]]) -> Summary:
    """Summarise scores that have been read, by unit.

    Raises
    ------
    ScoreError
        When a metric is defined otherwise in one unit than in another.
    """
    definitions = _definitions(units)
    return Summary(_collect(units), tuple(units), definitions)


def headline(summary: Summary) -> tuple[HeadlineRow, ...]:
    """The rows for the terminal and the head of the report; metrics that no unit has are left out."""
    rows = []
    whole = "all bins" if summary.is_binned else "all windows"
    for entry, metric in _headlines(summary):
        floor_label, floor = _floor(summary, entry)
        rows.append(
            HeadlineRow(
                windows=whole if entry.windows == "all" else entry.windows,
                metric=entry.metric,
                label=(entry.of_bins if summary.is_binned else None) or entry.label,
                better=entry.better,
                mean=metric.mean,
                sd=metric.sd,
                values=metric.values,
                floor_label=floor_label,
                floor=floor,
            )
        )
    return tuple(rows)


def headline_labels(summary: Summary) -> dict[tuple[str, str], str]:
    """Labels of the headline metrics that a summary has, by window set and metric."""
    return {
        (entry.windows, entry.metric): (entry.of_bins if summary.is_binned else None) or entry.label
        for entry, _ in _headlines(summary)
    }


def better_direction(metric: str, definition: str | None) -> Better | None:
    """Say which way a metric is better, as its definition says; None for floors and numbers of windows."""
    for direction in get_args(Better):
        if f"{direction} is better" in (definition or ""):
            return cast("Better", direction)
    known = {entry.metric: entry.better for entry in _HEADLINES}
    return None if definition else known.get(metric)


def _headlines(summary: Summary) -> Iterator[tuple[_Headline, MetricSummary]]:
    """The headline metrics that any unit has a number for."""
    for entry in _HEADLINES:
        metric = summary.get(entry.windows, entry.metric)
        if metric is not None and metric.mean is not None and (summary.is_binned or not entry.bins_only):
            yield entry, metric


def _read_units(run_dir: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    paths = {
        f"{path.parent.parent.name}/{path.parent.name}": path for path in run_dir.glob("fold-*/seed-*/scores.json")
    }
    for unit in sorted(paths, key=unit_order):
        try:
            scores = json.loads(paths[unit].read_text(encoding="utf-8"))
            scores["windows"].items()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ScoreError(f"{paths[unit]} is not a scores file ({error!r}); delete it and run again") from None
        yield unit, scores


def _collect(units: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, MetricSummary]]:
    """Values by window set and metric, in the order in which the units name them."""
    names: dict[str, dict[str, None]] = {}
    for scores in units.values():
        for windows, metrics in scores["windows"].items():
            names.setdefault(windows, {}).update(dict.fromkeys(metrics))
    return {
        windows: {
            metric: MetricSummary({unit: _value(scores, windows, metric) for unit, scores in units.items()})
            for metric in metrics
        }
        for windows, metrics in names.items()
    }


def _value(scores: Mapping[str, Any], windows: str, metric: str) -> float | None:
    value = scores["windows"].get(windows, {}).get(metric)
    return float(value) if value is not None and math.isfinite(value) else None


def _definitions(units: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Definitions by metric; refuses units that were scored by different ones, as their numbers have no mean."""
    found: dict[str, str] = {}
    first: dict[str, str] = {}
    for unit, scores in units.items():
        for metric, words in scores.get("definitions", {}).items():
            if found.setdefault(metric, words) != words:
                raise ScoreError(
                    f"{metric} is defined otherwise in {first[metric]} ({found[metric]}) than in {unit} ({words}), so "
                    "there is no mean; `kerasac-ray score RUN --overwrite` scores all units of a run anew"
                )
            first.setdefault(metric, unit)
    return found


def _floor(summary: Summary, entry: _Headline) -> tuple[str, float | None]:
    for label, floor in entry.floors:
        if isinstance(floor, float):
            return label, floor
        metric = summary.get(entry.windows, floor)
        if metric is not None and metric.mean is not None:
            return label, metric.mean
    return "", None


def _table(summary: Summary) -> pd.DataFrame:
    rows = [
        {"windows": windows, "metric": name, **{k: v for k, v in metric.to_dict().items() if k != "values"}}
        | dict(metric.values)
        for windows, metrics in summary.metrics.items()
        for name, metric in metrics.items()
    ]
    return pd.DataFrame(rows)
