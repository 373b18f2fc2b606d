"""Draw how near predicted profiles come to observed ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasac.steps.plots.style import (
    BLUE,
    FLOORS,
    GREEN,
    MAX_TASKS,
    Floats,
    caption,
    defined,
    figure_title,
    headline,
    median,
    panels,
    styled,
)
from kerasac.steps.profile_scores import BoolArray
from kerasac.steps.score import Scores
from kerasac.steps.window_scores import Scorable


@styled
def jsd_histogram(predictions: Scorable, scores: Scores, *, title: str = "") -> Figure:
    """How far predicted profiles of peaks lie from the observed ones, and how far the floors lie."""
    tasks = predictions.tasks[:MAX_TASKS]
    is_peak = predictions.is_peak[scores.rows]
    member = is_peak if is_peak.any() else ~is_peak
    figure, axes = panels(len(tasks), 1, panel=(7.6, 2.2), sharex=True)
    taken = [scores.profiles[task].take(member) for task in tasks]
    ceilings = _ceilings(scores, member)
    drawn = [defined(getattr(profiles, name)) for profiles in taken for name in ("jsd", *FLOORS)]
    edges = _bin_edges([*drawn, *(ceilings[task] for task in tasks if task in ceilings)])
    for (ax,), task, profiles in zip(axes, tasks, taken, strict=True):
        model = defined(profiles.jsd)
        ax.hist(model, edges, color=BLUE, alpha=0.25, linewidth=0)
        ax.hist(model, edges, color=BLUE, histtype="step", linewidth=1.4, label=f"{median(model)}  model")
        for name, (text, color, line) in FLOORS.items():
            values = defined(getattr(profiles, name))
            if len(values):
                label = f"{median(values)}  {text}"
                ax.hist(values, edges, color=color, histtype="step", linestyle=line, linewidth=1.3, label=label)
        if task in ceilings:
            label = f"{median(ceilings[task])}  one pseudoreplicate of the other"
            ax.hist(ceilings[task], edges, color=GREEN, histtype="step", linestyle="-.", linewidth=1.3, label=label)
        heading = f"{task}  (n = {len(model):,})" if len(predictions.tasks) > 1 else f"n = {len(model):,}"
        ax.set_title(heading, fontweight="bold")
        ax.set(ylabel="windows", xlim=(edges[0], edges[-1]))
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.05), borderaxespad=0, handlelength=1.6,
                  title="median", alignment="left", title_fontsize=8)  # fmt: skip
    axes[-1][0].set_xlabel("Jensen–Shannon distance to the observed profile")
    what = "Profiles of peaks" if is_peak.any() else "Profiles of background windows"
    headline(figure, figure_title(title, what, predictions))
    caption(figure, "0 = the same profile, 0.833 = nothing in common. Few counts keep any prediction far from 0.")
    return figure


def _ceilings(scores: Scores, member: BoolArray) -> dict[str, Floats]:
    """Return by task the distances between pseudoreplicates' profiles in some windows; empty without replicates."""
    if scores.ceiling is None:
        return {}
    columns = scores.ceiling.jsd[member].T
    return {task: defined(column) for task, column in zip(scores.task_names, columns, strict=True)}


def _bin_edges(series: Sequence[Floats]) -> Floats:
    """Common bins: finer for more windows, 20 to 80 of them."""
    values = np.concatenate([*series, np.empty(0)])
    if not len(values):
        return np.linspace(0, 1, 11)
    low, high = np.quantile(values, [0.0005, 1.0])
    low, high = max(0.0, float(low) - 0.02), min(0.85, float(high) + 0.02)
    n_bins = int(np.clip(1.7 * np.sqrt(max(len(one) for one in series)), 20, 80))
    return np.linspace(low, max(high, low + 0.05), n_bins + 1)
