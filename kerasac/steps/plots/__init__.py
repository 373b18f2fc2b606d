"""Draw what a fold's scores mean: counts, profile distances, example windows, training, and folds side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from kerasac.cache import whole_file
from kerasac.steps.plots.bins import bin_figures
from kerasac.steps.plots.chosen import CHOICES
from kerasac.steps.plots.counts import counts_scatter
from kerasac.steps.plots.folds import fold_dots
from kerasac.steps.plots.profiles import jsd_histogram
from kerasac.steps.plots.style import DPI
from kerasac.steps.plots.training import training_curves
from kerasac.steps.plots.windows import window_figure
from kerasac.steps.score import Scores
from kerasac.steps.window_scores import Scorable

__all__ = [
    "BIN_FIGURES",
    "DPI",
    "WINDOW_FIGURES",
    "bin_figures",
    "counts_scatter",
    "fold_dots",
    "jsd_histogram",
    "training_curves",
    "window_figure",
    "write_figures",
    "write_plots",
]

WINDOW_FIGURES = ("counts", "jsd", *CHOICES, "training")
"""The figures of a unit that predicts windows of tracks, in the order in which they are read."""
BIN_FIGURES: Mapping[str, tuple[str, ...]] = {
    "classification": ("classes", "training"),
    "regression": ("values", "training"),
}


def write_plots(
    folder: Path,
    predictions: Scorable,
    scores: Scores,
    *,
    history: pd.DataFrame | None = None,
    title: str = "",
    only: Collection[str] = WINDOW_FIGURES,
) -> list[Path]:
    """Write those of :data:`WINDOW_FIGURES` that ``only`` names to ``folder``/plots; training with a history alone.

    ``predictions`` may be an open file: of its profiles only those drawn are read.
    """
    draw: dict[str, Callable[[], Figure]] = {
        "counts": lambda: counts_scatter(predictions, scores, title=title),
        "jsd": lambda: jsd_histogram(predictions, scores, title=title),
        **{name: partial(window_figure, name, predictions, scores, title=title) for name in CHOICES},
    }
    if history is not None and len(history):
        draw["training"] = lambda: training_curves(history, title=title)
    return write_figures(folder, {name: figure() for name, figure in draw.items() if name in only})


def write_figures(folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
    """Write figures to ``folder``/plots, by name."""
    paths = []
    for name, figure in figures.items():
        path = folder / "plots" / f"{name}.png"
        with whole_file(path) as beside:
            figure.savefig(beside, format="png", dpi=DPI)
        paths.append(path)
    return paths
