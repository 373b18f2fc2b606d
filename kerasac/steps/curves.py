"""Compute precision-recall and receiver operating characteristic curves, averaged over the folds of a run."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import auc, precision_recall_curve, roc_curve

from kerasac.cache import whole_file, write_whole
from kerasac.errors import ScoreError, suggest
from kerasac.steps.ranked import Positives, Ranked, Source
from kerasac.steps.summary import STATISTICS, MetricSummary, fold_of

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

MAX_POINTS = 2000
_GRID = np.linspace(0, 1, 1001)
_AXES = {"roc": ("false_positive_rate", "true_positive_rate"), "pr": ("recall", "precision")}
_ROUNDING = 1e-12  # 0.3 of the grid is the recall 3/10

DEFINITIONS: Mapping[str, str] = {
    "auroc": "Area under the true positive rate by the false positive rate of a unit's test windows: the probability "
    "that a positive has a higher prediction than a negative, ties counted half; chance is 0.5, higher is better. "
    "Of all points, before curves are thinned or averaged.",
    "auprc": "Average precision of a unit's test windows: precision times gain in recall, summed over distinct "
    "predictions; chance is the share of positives, higher is better. Of all points.",
    "mean": STATISTICS["mean"],
    "sd": STATISTICS["sd"],
    "roc": "Averaged vertically (Fawcett 2006): the mean true positive rate of units at each false positive rate, "
    "linear between a unit's points.",
    "pr": "Averaged vertically: the mean precision of units at each recall, which between a unit's points is that of "
    "the next higher recall it reaches (not linear: Davis and Goadrich 2006), so that the area under it is the mean "
    "average precision.",
    "band": "One standard deviation over units above and below the mean, within 0 to 1; of two units their own values.",
}


class Curve(NamedTuple):
    """Points by rising ``x``, at most 2,000; ``low`` and ``high`` are the band, where there are several units.

    ``x, y`` are false and true positive rate, or recall and precision: the precision of a point holds from the last
    recall to its own.
    """

    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True, eq=False)
class UnitCurves:
    """One unit's curves of one task."""

    auroc: float
    auprc: float
    n: int
    n_positive: int
    roc: Curve
    pr: Curve
    roc_grid: Floats
    """True positive rate at 0, 0.001, … 1 of the false positive rate."""
    pr_grid: Floats
    """Precision at 0, 0.001, … 1 of the recall."""


@dataclass(frozen=True, eq=False)
class TaskCurves:
    """The curves of a task by unit; a unit without positives or without negatives has none."""

    units: Mapping[str, UnitCurves | None]

    @property
    def defined(self) -> list[UnitCurves]:
        """The units that have curves."""
        return [unit for unit in self.units.values() if unit is not None]

    @property
    def chance(self) -> float:
        """The share of positives, mean over units: the precision of chance."""
        return float(np.mean([unit.n_positive / unit.n for unit in self.defined]))

    def area(self, name: str) -> MetricSummary:
        """Return ``auroc`` or ``auprc`` of the units, with mean and deviation as of all scores."""
        return MetricSummary({unit: None if made is None else getattr(made, name) for unit, made in self.units.items()})

    def curve(self, name: str) -> Curve:
        """Return the one unit's ``roc`` or ``pr``, or the mean over units with its band."""
        made = {unit: curves for unit, curves in self.units.items() if curves is not None}
        if len(made) == 1:
            own: Curve = getattr(self.defined[0], name)
            return own
        rows = np.stack([getattr(curves, f"{name}_grid") for curves in made.values()])
        folds = [fold_of(unit) for unit in made]
        mean = np.average(rows, axis=0, weights=[1 / folds.count(fold) for fold in folds])
        if len(rows) == 2:
            return Curve(_GRID, mean, rows.min(axis=0), rows.max(axis=0))
        sd = rows.std(axis=0, ddof=1)
        return Curve(_GRID, mean, np.maximum(mean - sd, 0), np.minimum(mean + sd, 1))


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of several configurations: ``sources[name][task]``, all of the same tasks."""

    positives: Positives
    sources: Mapping[str, Mapping[str, TaskCurves]]
    tasks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return areas, points and definitions as JSON-able values; what is not defined is None."""
        sources = {
            name: {task: _document(curves) for task, curves in tasks.items()} for name, tasks in self.sources.items()
        }
        return {"positives": self.positives, "sources": sources, "definitions": dict(DEFINITIONS)}


def compute_curves(sources: Sequence[Source], tasks: Sequence[str] = ()) -> Curves:
    """Compute the curves of every unit of each source, one unit in memory at a time.

    ``tasks`` are those wanted; without, those that all sources have.

    Raises
    ------
    ScoreError
        When sources differ in what is positive, share no task or lack one of ``tasks``, or no unit has both classes.
    """
    found = {source.name: _by_task(source, set(tasks)) for source in sources}
    kinds = {kind for kind, _ in found.values()}
    if len(kinds) > 1:
        said = ", ".join(f"{name} of {kind}" for name, (kind, _) in found.items())
        raise ScoreError(f"curves are {said}; they do not belong into one figure")
    shown = tuple(tasks) or _shared({name: list(curves) for name, (_, curves) in found.items()})
    by_source = {name: {task: curves[task] for task in shown} for name, (_, curves) in found.items()}
    if not any(of_task.defined for curves in by_source.values() for of_task in curves.values()):
        raise ScoreError(f"no unit has both positives and negatives of {', '.join(shown)}, so there is no curve")
    return Curves(kinds.pop(), by_source, shown)


def unit_curves(ranked: Ranked) -> UnitCurves | None:
    """Compute the curves of one unit and task; None when its windows are all positive, or none is."""
    n, n_positive = len(ranked.positive), int(ranked.positive.sum())
    if n_positive in (0, n):
        return None
    fpr, tpr, _ = roc_curve(ranked.positive, ranked.predicted)
    precision, recall = _precision_by_recall(ranked)
    return UnitCurves(
        auroc=float(auc(fpr, tpr)),
        auprc=float(np.sum(np.diff(recall, prepend=0) * precision)),
        n=n,
        n_positive=n_positive,
        roc=thin(fpr, tpr),
        pr=thin(recall, precision),
        roc_grid=np.interp(_GRID, fpr, tpr),
        pr_grid=precision[np.searchsorted(recall, _GRID - _ROUNDING)],
    )


def thin(x: Floats, y: Floats) -> Curve:
    """Keep at most 2,000 points, spread evenly along the curve; the first and last are kept."""
    if len(x) <= MAX_POINTS:
        return Curve(x, y)
    along = np.append(0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], MAX_POINTS - 1)))
    kept = np.union1d(kept, [len(x) - 1])
    return Curve(x[kept], y[kept])


def write_json(curves: Curves, path: Path) -> None:
    """Write areas by unit and over units, the points that are drawn, and definitions."""
    write_whole(path, json.dumps(curves.to_dict(), indent=1, allow_nan=False) + "\n")


def write_table(curves: Curves, path: Path) -> None:
    """Write the points that are drawn as tab-separated columns: source, task, curve (roc, pr), x, y, low, high."""
    table = pd.concat(
        [
            pd.DataFrame({"source": name, "task": task, "curve": kind, **_columns(of_task.curve(kind))})
            for name, of_tasks in curves.sources.items()
            for task, of_task in of_tasks.items()
            for kind in ("roc", "pr")
            if of_task.defined
        ]
    )
    with whole_file(path) as beside:
        table.to_csv(beside, sep="\t", index=False, na_rep="NA")


def _by_task(source: Source, wanted: set[str]) -> tuple[Positives, dict[str, TaskCurves]]:
    """Compute a source's curves by task, of those wanted or of all."""
    units: dict[str, dict[str, UnitCurves | None]] = {}
    kinds = set()
    for unit in source.units:
        kind, ranked = source.read(unit)
        kinds.add(kind)
        if lacking := wanted - ranked.keys():
            task = sorted(lacking)[0]
            raise ScoreError(f"{source.name} has no task {task!r}{suggest(task, ranked)}")
        for task in wanted or ranked:
            if not np.isfinite(ranked[task].predicted).all():
                raise ScoreError(
                    f"predictions of {task} by {source.name}, {unit} are not all finite; look at the training"
                )
            units.setdefault(task, {})[unit] = unit_curves(ranked[task])
        logger.info("%s, %s: curves of %d tasks", source.name, unit, len(wanted or ranked))
    return kinds.pop(), {task: TaskCurves(by_unit) for task, by_unit in units.items()}


def _shared(tasks: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the tasks that all sources have, in the order of the first."""
    first, *others = tasks.values()
    shared = tuple(task for task in first if all(task in other for other in others))
    if not shared:
        said = "; ".join(f"{name}: {', '.join(list(own)[:5])}" for name, own in tasks.items())
        raise ScoreError(f"the sources have no task in common ({said}); draw each by itself")
    left_out = {task for own in tasks.values() for task in own} - set(shared)
    if left_out:
        logger.warning("tasks that not all sources have are left out: %s", ", ".join(sorted(left_out)))
    return shared


def _precision_by_recall(ranked: Ranked) -> tuple[Floats, Floats]:
    """Return precision and recall where the recall rises, from the lowest: the points that make the area."""
    precision, recall, _ = precision_recall_curve(ranked.positive, ranked.predicted)
    precision, recall = precision[-2::-1], recall[-2::-1]  # without the last, (recall 0, precision 1), made up
    rises = np.diff(recall, prepend=0) > 0
    return precision[rises], recall[rises]


def _document(curves: TaskCurves) -> dict[str, Any]:
    units = {
        name: None
        if unit is None
        else {"auroc": unit.auroc, "auprc": unit.auprc, "n": unit.n, "n_positive": unit.n_positive}
        for name, unit in curves.units.items()
    }
    if not curves.defined:
        return {"units": units}
    found = {name: curves.area(name) for name in ("auroc", "auprc")}
    areas = {name: {"mean": area.mean, "sd": area.sd} for name, area in found.items()}
    points = {kind: _points(curves.curve(kind), kind) for kind in ("roc", "pr")}
    return {"units": units, **areas, "share_of_positives": curves.chance, **points}


def _points(curve: Curve, kind: str) -> dict[str, list[float] | None]:
    names = _AXES[kind]
    both = {names[0]: curve.x, names[1]: curve.y, "low": curve.low, "high": curve.high}
    return {name: None if values is None else values.tolist() for name, values in both.items()}


def _columns(curve: Curve) -> dict[str, Floats | float]:
    return {name: np.nan if values is None else values for name, values in curve._asdict().items()}
