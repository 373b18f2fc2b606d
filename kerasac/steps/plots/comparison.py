"""Draw configurations side by side, fold by fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasac.steps.comparison import Comparison, Contrast, Metric
from kerasac.steps.plots.style import BLUE, GREY, INK, PALE, SOFT, VERMILLION, panels, styled

_WIDTH_IN, _ROW_IN = 3.3, 0.36
_NAME_LETTERS = 22  # longer names are cut in the middle: the page's table has them in full


@styled
def values_by_fold(comparison: Comparison, metric: Metric) -> Figure:
    """One row a run, one dot a fold (mean over seeds), folds joined from run to run, the mean over folds as a bar."""
    runs = {one.name: found.fold_means for one in comparison.configurations
            if (found := one.summary.get(metric.windows, metric.name)) and found.fold_means}  # fmt: skip
    figure, ax = _rows(list(runs))
    for line in _joined(comparison, metric, list(runs)):
        ax.plot(list(line.values()), list(line), color=PALE, linewidth=0.9, zorder=1)
    for row, by_fold in enumerate(runs.values()):
        values = np.array(list(by_fold.values()))
        ax.plot(values, np.full(len(values), row), "o", color=BLUE, markersize=5, markeredgecolor="white", zorder=2)
        ax.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color=INK, linewidth=1.8, zorder=3)
    arrow = "→ higher is better" if metric.better == "higher" else "← lower is better"
    return _finished(figure, ax, "Values", f"{metric.name}, {arrow}")


@styled
def paired_differences(contrasts: Sequence[Contrast], metric: Metric) -> Figure:
    """One row a run: the differences to the baseline, a dot a fold, and their mean with its interval beside zero."""
    drawn = [(contrast, contrast.test) for contrast in contrasts if contrast.test is not None]
    figure, ax = _rows([contrast.run for contrast, _ in drawn])
    ax.axvline(0, color=INK, linewidth=0.9)
    for row, (contrast, test) in enumerate(drawn):
        colour = BLUE if contrast.is_better else VERMILLION if contrast.is_different else SOFT
        ax.plot([pair.difference for pair in contrast.pairs], np.full(len(contrast.pairs), row - 0.14), "o",
                color=GREY, markersize=5, markeredgecolor="white", zorder=2)  # fmt: skip
        if test.interval:
            ax.plot(test.interval, [row + 0.2] * 2, color=colour, linewidth=2.2, solid_capstyle="butt")
        ax.plot(test.difference, row + 0.2, "D", color=colour, markersize=5, markeredgecolor="white", zorder=3)
    better = "→ better" if metric.better == "higher" else "← better"
    return _finished(figure, ax, f"Difference to {_short(drawn[0][0].baseline)}", f"{metric.name}, {better}")


def _rows(names: Sequence[str]) -> tuple[Figure, Axes]:
    figure, axes = panels(1, 1, panel=(_WIDTH_IN, _ROW_IN * len(names) + 0.35))
    figure.set_figwidth(_WIDTH_IN + 0.3)
    ax: Axes = axes[0, 0]
    ax.set_yticks(range(len(names)), [_short(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    return figure, ax


def _finished(figure: Figure, ax: Axes, title: str, xlabel: str) -> Figure:
    ax.set_xlabel(xlabel)
    ax.locator_params(axis="x", nbins=4)
    ax.margins(x=0.08)
    figure.suptitle(title, x=0.02, ha="left", fontsize=9.5)
    return figure


def _joined(comparison: Comparison, metric: Metric, runs: Sequence[str]) -> list[Mapping[int, float]]:
    """For each fold of the baseline, values by row of the runs that were compared on it."""
    lines: dict[str, dict[int, float]] = {}
    for contrast in comparison.of(metric):
        for pair in contrast.pairs:
            line = lines.setdefault(pair.fold, {runs.index(contrast.baseline): pair.baseline})
            line[runs.index(contrast.run)] = pair.value
    return [dict(sorted(line.items())) for line in lines.values()]


def _short(name: str) -> str:
    if len(name) <= _NAME_LETTERS:
        return name
    half = (_NAME_LETTERS - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
