"""Draw what a fold's scores mean: counts, profile distances, example windows, training, and folds side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from kerasac.cache import whole_file
from kerasac.steps.plots.bins import bin_figures
from kerasac.steps.plots.counts import counts_scatter
from kerasac.steps.plots.folds import across_folds
from kerasac.steps.plots.profiles import example_profiles, jsd_histogram
from kerasac.steps.plots.style import DPI
from kerasac.steps.plots.training import training_curves
from kerasac.steps.predictions import Predictions
from kerasac.steps.score import Scores

__all__ = [
    "DPI",
    "across_folds",
    "bin_figures",
    "counts_scatter",
    "example_profiles",
    "jsd_histogram",
    "training_curves",
    "write_figures",
    "write_plots",
]


def write_plots(
    folder: Path, predictions: Predictions, scores: Scores, *, history: pd.DataFrame | None = None, title: str = ""
) -> list[Path]:
    """Write counts.png, jsd.png, profiles.png and, with a history, training.png to ``folder``/plots."""
    figures = {
        "counts": counts_scatter(predictions, scores, title=title),
        "jsd": jsd_histogram(predictions, scores, title=title),
        "profiles": example_profiles(predictions, scores, title=title),
    }
    if history is not None and len(history):
        figures["training"] = training_curves(history, title=title)
    return write_figures(folder, figures)


def write_figures(folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
    """Write figures to ``folder``/plots, by name."""
    paths = []
    for name, figure in figures.items():
        path = folder / "plots" / f"{name}.png"
        with whole_file(path) as beside:
            figure.savefig(beside, format="png", dpi=DPI)
        paths.append(path)
    return paths
