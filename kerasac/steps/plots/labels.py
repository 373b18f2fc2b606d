"""Draw the labels of peaks and background windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from kerasac.steps.label_values import LabelValues
from kerasac.steps.plots.style import BLUE, INK, MAX_TASKS, VERMILLION, caption, panels, styled

_BINS = 60


@styled
def label_histograms(labels: Sequence[LabelValues], *, title: str = "") -> Figure:
    """Histograms of each task's labels in peaks and background, with the suggested and the chosen min and max."""
    drawn = labels[:MAX_TASKS]
    figure, axes = panels(1, len(drawn), panel=(4.4, 2.9))
    for ax, values in zip(axes[0], drawn, strict=True):
        both = np.concatenate([values.peaks, values.background])
        edges = np.linspace(both.min(), both.max() + 1e-9, _BINS)
        for name, part, color in (("background", values.background, VERMILLION), ("peaks", values.peaks, BLUE)):
            if len(part):
                label = f"{name}  (median {np.median(part):.3g})"
                weights = np.full(len(part), 1 / len(part))
                ax.hist(part, edges, weights=weights, histtype="stepfilled", alpha=0.25, color=color)
                ax.hist(part, edges, weights=weights, histtype="step", color=color, label=label)
        for bound in values.suggested:
            if bound is not None:
                ax.axvline(bound, color=INK, linewidth=0.8, linestyle=":")
        for chosen in (values.spec.min, values.spec.max):
            if chosen is not None:
                ax.axvline(chosen, color=INK, linewidth=1.2)
        ax.set_title(values.name, fontweight="bold")
        ax.set_xlabel(_axis_label(values))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    axes[0][0].set_ylabel("share of windows")
    shown = f" (first {MAX_TASKS} of {len(labels)} tasks)" if len(labels) > MAX_TASKS else ""
    figure.suptitle(f"{title} · Labels{shown}" if title else f"Labels{shown}", x=0.02, ha="left")
    caption(figure, "Dotted: a max (and without background a min) that keeps 99 % of the peaks. Solid: in use.")
    return figure


def _axis_label(values: LabelValues) -> str:
    spec = values.spec
    inner = f"{spec.aggregate} + {spec.pseudocount:g}" if spec.transform in ("log", "log10") else spec.aggregate
    return inner if spec.transform == "none" else f"{spec.transform}({inner})"
