"""Draw what was observed against what was predicted, before and after calibration."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasac.steps.plots.style import BLUE, GREY, MAX_TASKS, PALE, caption, panels, styled
from kerasac.steps.reliability import Bins, Judged, Judgement

_SIDES = (("before", GREY, "--", "s"), ("after", BLUE, "-", "o"))


@styled
def reliability_diagram(judgement: Judgement, *, title: str = "") -> Figure:
    """Mean observed by mean predicted: of classes a row a task, beside how many bins lie where, else a panel a task."""
    draw = _classes if judgement.kind == "classification" else _values
    figure = draw(judgement, list(judgement.tasks)[:MAX_TASKS])
    figure.suptitle(_title(judgement, title), x=0.02, ha="left")
    caption(figure, _caption(judgement))
    return figure


def _classes(judgement: Judgement, tasks: list[str]) -> Figure:
    figure, axes = panels(len(tasks), 2, panel=(3.4, 3.2))
    for (left, right), task in zip(axes, tasks, strict=True):
        judged = judgement.tasks[task]
        _means(left, judged, (-0.02, 1.02))
        _headings(left, judgement, task, error="Brier score")
        _lines(right, judged, "n")
        right.set_title("Where predictions lie", fontweight="bold", pad=19)
        right.set(xlim=(-0.02, 1.02), yscale="log", ylabel="bins", xlabel="predicted probability")
        right.xaxis.set_major_locator(MaxNLocator(5))
        left.set(xlabel="mean predicted probability", ylabel="share of positive bins")
    axes[0, 0].legend(loc="best")
    return figure


def _values(judgement: Judgement, tasks: list[str]) -> Figure:
    figure, axes = panels(1, len(tasks), panel=(3.5, 3.9))  # higher than wide: room for title and caption
    for ax, task in zip(axes[0], tasks, strict=True):
        judged = judgement.tasks[task]
        _means(ax, judged, _bounds(judged))
        _headings(ax, judgement, task, error="MSE")
        ax.set_xlabel(f"mean predicted {judgement.values}")
    axes[0, 0].set_ylabel(f"mean observed {judgement.values}")
    axes[0, 0].legend(loc="best")
    return figure


def _means(ax: Axes, judged: Judged, bounds: tuple[float, float]) -> None:
    ax.axline((0, 0), slope=1, color=PALE, linewidth=0.8, zorder=0)
    for name, color, _, _ in _SIDES:
        bins: Bins = getattr(judged, name).bins
        ax.vlines(bins.predicted, bins.low, bins.high, color=color, linewidth=0.9, alpha=0.6)
    _lines(ax, judged, "observed")
    ax.set(xlim=bounds, ylim=bounds, aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))


def _lines(ax: Axes, judged: Judged, what: str) -> None:
    """A line before and one after, of one field of the bins by the mean prediction."""
    for name, color, line, marker in _SIDES:
        bins: Bins = getattr(judged, name).bins
        ax.plot(bins.predicted, getattr(bins, what), line, color=color, marker=marker, markersize=3.5, linewidth=1.2,
                label=name)  # fmt: skip


def _headings(ax: Axes, judgement: Judgement, task: str, *, error: str) -> None:
    """Name the task and the number of windows, and under it, above all points, how large the errors are."""
    judged = judgement.tasks[task]
    named = task if len(judgement.tasks) > 1 else "Observed by predicted"
    ax.set_title(f"{named}  (n = {judged.n:,})", fontweight="bold", pad=19)
    both = [(side.ece, side.squared_error) for side in (judged.before, judged.after)]
    changes = [f"{name} {before:.3g} → {after:.3g}" for name, before, after in zip(("ECE", error), *both, strict=True)]
    ax.text(0, 1.03, " · ".join(changes), transform=ax.transAxes, fontsize=8)


def _bounds(judged: Judged) -> tuple[float, float]:
    """The same limits for both axes, around every mean and its interval."""
    bins = (judged.before.bins, judged.after.bins)
    both = np.concatenate([values for side in bins for values in (side.predicted, side.low, side.high)])
    margin = 0.05 * float(np.ptp(both)) or 0.1
    return float(both.min()) - margin, float(both.max()) + margin


def _title(judgement: Judgement, title: str) -> str:
    what = f"{title} · Calibration" if title else "Calibration"
    n = len(judgement.tasks)
    return f"{what} (first {MAX_TASKS} of {n} tasks)" if n > MAX_TASKS else what


def _caption(judgement: Judgement) -> str:
    classes = judgement.kind == "classification"
    windows = "Test windows" if judgement.kind == "counts" else "Test bins"
    cut = "15 equally wide groups of the probability" if classes else "15 groups between quantiles of the prediction"
    return (
        f"{windows}, which the calibration was not fitted on, in {cut}. Grey line: observed = predicted. "
        "Bars: 95 % confidence. ECE: mean distance from the line."
    )
