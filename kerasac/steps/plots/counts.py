"""Draw predicted against observed counts."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasac.steps.plots.dots import density_dots, dots, limits
from kerasac.steps.plots.style import (
    BLUE,
    MAX_TASKS,
    PALE,
    VERMILLION,
    caption,
    count_label,
    figure_title,
    headline,
    number,
    panels,
    styled,
)
from kerasac.steps.score import Scores
from kerasac.steps.window_scores import Scorable


@styled
def counts_scatter(predictions: Scorable, scores: Scores, *, title: str = "") -> Figure:
    """Predicted against observed log counts: a row a task, peaks left, background right."""
    tasks = predictions.tasks[:MAX_TASKS]
    is_peak = predictions.is_peak[scores.rows]
    sets = [name for name, member in (("peaks", is_peak), ("background", ~is_peak)) if member.any()] or ["peaks"]
    figure, axes = panels(len(tasks), len(sets), panel=(3.5, 3.3))
    for index, task in enumerate(tasks):
        observed = scores.observed[:, index]
        predicted = scores.predicted[:, index]
        bounds = limits(observed, predicted)
        for ax, name in zip(axes[index], sets, strict=True):
            member = is_peak if name == "peaks" else ~is_peak
            ax.axline((0, 0), slope=1, color=PALE, linewidth=0.8, zorder=0)
            dots(ax, observed[~member], predicted[~member], color="#DDE0E4")
            density_dots(ax, observed[member], predicted[member], BLUE if name == "peaks" else VERMILLION)
            metrics = scores.tasks[task][name]
            heading = f"{task} · {name}" if len(predictions.tasks) > 1 else name.capitalize()
            ax.set_title(f"{heading}  (n = {member.sum():,})", fontweight="bold")
            ax.text(
                0.04,
                0.96,
                f"r = {number(metrics['counts_pearson'])}\nρ = {number(metrics['counts_spearman'])}",
                transform=ax.transAxes,
                va="top",
                linespacing=1.35,
            )
            ax.set(xlim=bounds, ylim=bounds, aspect="equal")
            if index == len(tasks) - 1:
                ax.set_xlabel(f"observed {count_label(predictions)}")
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_locator(MaxNLocator(5, integer=True))
        axes[index][0].set_ylabel(f"predicted {count_label(predictions)}")
    headline(figure, figure_title(title, "Counts a window", predictions))
    caption(figure, _counts_caption(scores))
    return figure


def _counts_caption(scores: Scores) -> str:
    metrics = scores.windows["all"]
    if metrics["auroc"] is None:
        return f"Grey line: prediction = observation. {len(scores.rows):,} windows."
    return (
        f"All windows: r = {number(metrics['counts_pearson'])}, AUROC of peaks against background = "
        f"{number(metrics['auroc'])}. Pale dots: the other set. Grey line: prediction = observation."
    )
