"""Draw predicted against observed counts."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import gaussian_filter, map_coordinates

from kerasac.steps.plots.style import (
    BLUE,
    INK,
    MAX_TASKS,
    PALE,
    VERMILLION,
    Floats,
    caption,
    count_label,
    figure_title,
    number,
    panels,
    styled,
)
from kerasac.steps.predictions import Predictions
from kerasac.steps.score import Scores

MAX_POINTS = 20_000


@styled
def counts_scatter(predictions: Predictions, scores: Scores, *, title: str = "") -> Figure:
    """Predicted against observed log counts: a row a task, peaks left, background right."""
    tasks = predictions.tasks[:MAX_TASKS]
    is_peak = predictions.is_peak[scores.rows]
    sets = [name for name, member in (("peaks", is_peak), ("background", ~is_peak)) if member.any()] or ["peaks"]
    figure, axes = panels(len(tasks), len(sets), panel=(3.5, 3.3))
    for index, task in enumerate(tasks):
        observed = predictions.label_logcount[scores.rows, index].astype(np.float64)
        predicted = predictions.logcount[scores.rows, index].astype(np.float64)
        limits = _limits(observed, predicted)
        for ax, name in zip(axes[index], sets, strict=True):
            member = is_peak if name == "peaks" else ~is_peak
            ax.axline((0, 0), slope=1, color=PALE, linewidth=0.8, zorder=0)
            _dots(ax, observed[~member], predicted[~member], color="#DDE0E4")
            _density_dots(ax, observed[member], predicted[member], BLUE if name == "peaks" else VERMILLION)
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
            ax.set(xlim=limits, ylim=limits, aspect="equal")
            if index == len(tasks) - 1:
                ax.set_xlabel(f"observed {count_label(predictions)}")
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_locator(MaxNLocator(5, integer=True))
        axes[index][0].set_ylabel(f"predicted {count_label(predictions)}")
    figure.suptitle(figure_title(title, "Counts a window", predictions), x=0.02, ha="left")
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


def _limits(x: Floats, y: Floats) -> tuple[float, float]:
    """The same limits for both axes, around all but a thousandth of the points."""
    both = np.concatenate([x, y])
    if not len(both):
        return 0.0, 1.0
    low, high = np.quantile(both, [0.0005, 0.9995])
    margin = max(0.05 * (high - low), 0.1)
    return float(low - margin), float(high + margin)


def _dots(ax: Axes, x: Floats, y: Floats, color: str) -> None:
    kept = slice(None, None, -(-len(x) // MAX_POINTS) or 1)
    ax.scatter(x[kept], y[kept], s=4, color=color, linewidths=0, rasterized=True, zorder=1)


def _density_dots(ax: Axes, x: Floats, y: Floats, color: str) -> None:
    """Dots coloured by how many lie around them, the densest on top."""
    kept = slice(None, None, -(-len(x) // MAX_POINTS) or 1)
    density = _density(x, y)[kept]
    order = np.argsort(density, kind="stable")
    colours = LinearSegmentedColormap.from_list("density", ["#C9D6E2", color, INK] if color == BLUE else
                                                ["#EBD9CE", color, INK])  # fmt: skip
    ax.scatter(x[kept][order], y[kept][order], c=density[order], cmap=colours, s=6, linewidths=0, zorder=2)


def _density(x: Floats, y: Floats) -> Floats:
    """Smoothed number of neighbours of each point, scaled to at most 1."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.ones(len(x))
    grid, x_edges, y_edges = np.histogram2d(x, y, bins=100)
    smooth = gaussian_filter(grid, sigma=2.5)
    at = np.stack([(x - x_edges[0]) / np.diff(x_edges)[0] - 0.5, (y - y_edges[0]) / np.diff(y_edges)[0] - 0.5])
    found: Floats = map_coordinates(smooth, at, order=1, mode="nearest")
    return np.asarray(found / max(float(found.max()), 1e-12), dtype=np.float64)
