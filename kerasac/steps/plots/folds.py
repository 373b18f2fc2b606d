"""Draw folds side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from kerasac.steps.plots.style import BLUE, SOFT, VERMILLION, Floats, caption, panels, styled
from kerasac.steps.summary import HeadlineRow


@styled
def across_folds(rows: Sequence[HeadlineRow]) -> Figure:
    """One dot a fold and seed for each headline metric, their mean as a line, the floor as a dashed line."""
    figure, axes = panels(1, max(1, len(rows)), panel=(1.95, 2.6))
    for ax, row in zip(axes[0], rows, strict=False):
        folds = [unit.split("/")[0] for unit in row.values]
        names = list(dict.fromkeys(folds))
        values = np.array([np.nan if value is None else value for value in row.values.values()], dtype=np.float64)
        if row.mean is not None:
            ax.axhline(row.mean, color=BLUE, linewidth=1.1)
            ax.axhspan(row.mean - (row.sd or 0), row.mean + (row.sd or 0), color=BLUE, alpha=0.12, linewidth=0)
        ax.plot(_beside(folds, names), values, "o", color=BLUE, markersize=5.5, markeredgecolor="white")
        if row.floor is not None:
            ax.axhline(row.floor, color=VERMILLION, linewidth=1.1, linestyle=(0, (4, 3)))
            ax.annotate(row.floor_label, (1, row.floor), (0, 3), xycoords=("axes fraction", "data"),
                        textcoords="offset points", ha="right", color=VERMILLION, fontsize=7.5)  # fmt: skip
        ax.set_title(f"{row.label}\n", fontweight="bold", fontsize=9)
        arrow = "↑ higher is better" if row.better == "higher" else "↓ lower is better"
        ax.text(0, 1.025, f"{row.windows}, {arrow}", transform=ax.transAxes, fontsize=7.5, color=SOFT)
        ax.set_xticks(range(len(names)), [name.removeprefix("fold-") for name in names])
        ax.set(xlim=(-0.6, max(len(names), 1) - 0.4), xlabel="fold")
        ax.margins(y=0.14)
    caption(
        figure,
        "Dot: a fold and seed, scored on its test chromosomes. Line and band: mean ± standard deviation. "
        "Dashed: what it takes no model to reach.",
    )
    return figure


def _beside(folds: Sequence[str], names: Sequence[str]) -> Floats:
    """x of each dot: its fold, with the seeds of a fold side by side."""
    x = np.empty(len(folds))
    for place, name in enumerate(names):
        at = [i for i, fold in enumerate(folds) if fold == name]
        x[at] = place + (np.arange(len(at)) - (len(at) - 1) / 2) * min(0.18, 0.7 / max(len(at), 1))
    return x
