"""Draw the folds of a run side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kerasac.steps.plots.style import BLUE, DARK_RED, VERMILLION, Floats, styled
from kerasac.steps.summary import HeadlineRow, fold_of


@styled
def fold_dots(row: HeadlineRow) -> Figure:
    """Draw one headline metric: a dot a fold and seed, their mean as a line, the floor as a dashed line."""
    figure = Figure(figsize=(1.9, 1.8), layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05))
    ax = figure.subplots()
    folds = [fold_of(unit) for unit in row.values]
    names = list(dict.fromkeys(folds))
    values = np.array([np.nan if value is None else value for value in row.values.values()], dtype=np.float64)
    if row.mean is not None:
        ax.axhline(row.mean, color=BLUE, linewidth=1.1)
    ax.plot(_beside(folds, names), values, "o", color=BLUE, markersize=5, markeredgecolor="white")
    if row.floor is not None:
        ax.axhline(row.floor, color=VERMILLION, linewidth=1.1, linestyle=(0, (4, 3)))
        ax.annotate(row.floor_label, (1, row.floor), (0, 3), xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", color=DARK_RED, fontsize=8)  # fmt: skip
    ax.set_xticks(range(len(names)), [name.removeprefix("fold-") for name in names])
    ax.set(xlim=(-0.6, max(len(names), 1) - 0.4), xlabel="fold")
    ax.margins(y=0.16)
    return figure


def _beside(folds: Sequence[str], names: Sequence[str]) -> Floats:
    """x of each dot: its fold, with the seeds of a fold side by side."""
    x = np.empty(len(folds))
    for place, name in enumerate(names):
        at = [i for i, fold in enumerate(folds) if fold == name]
        x[at] = place + (np.arange(len(at)) - (len(at) - 1) / 2) * min(0.18, 0.7 / max(len(at), 1))
    return x
