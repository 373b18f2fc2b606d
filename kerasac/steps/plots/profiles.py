"""Draw how near predicted profiles come to observed ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import softmax

from kerasac.steps.plots.style import (
    BLUE,
    FLOORS,
    MAX_TASKS,
    SOFT,
    VERMILLION,
    Floats,
    caption,
    defined,
    figure_title,
    median,
    panels,
    styled,
)
from kerasac.steps.predictions import Predictions
from kerasac.steps.score import Scores

MAX_SHOWN_BP = 500  # of an example profile: a base stays wider than a pixel


@styled
def jsd_histogram(predictions: Predictions, scores: Scores, *, title: str = "") -> Figure:
    """How far predicted profiles of peaks lie from the observed ones, and how far the floors lie."""
    tasks = predictions.tasks[:MAX_TASKS]
    is_peak = predictions.is_peak[scores.rows]
    member = is_peak if is_peak.any() else ~is_peak
    figure, axes = panels(len(tasks), 1, panel=(7.6, 2.2), sharex=True)
    taken = [scores.profiles[task].take(member) for task in tasks]
    edges = _bin_edges([defined(getattr(profiles, name)) for profiles in taken for name in ("jsd", *FLOORS)])
    for (ax,), task, profiles in zip(axes, tasks, taken, strict=True):
        model = defined(profiles.jsd)
        ax.hist(model, edges, color=BLUE, alpha=0.25, linewidth=0)
        ax.hist(model, edges, color=BLUE, histtype="step", linewidth=1.4, label=f"{median(model)}  model")
        for name, (text, color, line) in FLOORS.items():
            values = defined(getattr(profiles, name))
            if len(values):
                label = f"{median(values)}  {text}"
                ax.hist(values, edges, color=color, histtype="step", linestyle=line, linewidth=1.3, label=label)
        heading = f"{task}  (n = {len(model):,})" if len(predictions.tasks) > 1 else f"n = {len(model):,}"
        ax.set_title(heading, fontweight="bold")
        ax.set(ylabel="windows", xlim=(edges[0], edges[-1]))
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.05), borderaxespad=0, handlelength=1.6,
                  title="median", alignment="left", title_fontsize=8)  # fmt: skip
    axes[-1][0].set_xlabel("Jensen–Shannon distance to the observed profile")
    what = "Profiles of peaks" if is_peak.any() else "Profiles of background windows"
    figure.suptitle(figure_title(title, what, predictions), x=0.02, ha="left")
    caption(figure, "0 = the same profile, 0.833 = nothing in common. Few counts keep any prediction far from 0.")
    return figure


@styled
def example_profiles(predictions: Predictions, scores: Scores, *, n_examples: int = 6, title: str = "") -> Figure:
    """Observed counts a base and the predicted expectation, in windows at even steps of the count ranking.

    Two tasks are drawn up and down, as strands; of any other number the first one is drawn.
    """
    rows, percentiles = _examples(predictions, scores, n_examples)
    n_columns = 2 if len(rows) > 1 else 1
    figure, axes = panels(max(1, -(-len(rows) // n_columns)), n_columns, panel=(4.6, 1.7))
    drawn = (0, 1) if len(predictions.tasks) == 2 else (0,)
    for ax, row, percentile in zip(axes.flat, rows, percentiles, strict=False):
        _draw_profile(ax, predictions, int(row), drawn)
        counts = predictions.label_profile[row][:, drawn].sum()
        expected = predictions.expected_counts()[row, list(drawn)].sum()
        at = np.flatnonzero(scores.rows == row)[0]
        jsd = np.mean([scores.profiles[predictions.tasks[task]].jsd[at] for task in drawn])
        ax.set_title(f"{predictions.chrom[row]}:{predictions.center[row]:,}", fontweight="bold")
        ax.set_title(
            f"{_ordinal(percentile)} percentile · {counts:,.0f} counts, {expected:,.0f} predicted · JSD {jsd:.2f}",
            loc="right",
            fontsize=8,
            color=SOFT,
        )
    for ax in axes[-1]:
        ax.set_xlabel("bases from the window's center")
    for ax in axes[:, 0]:
        ax.set_ylabel("counts a base")
    for ax in list(axes.flat)[len(rows) :]:
        ax.set_axis_off()
    figure.suptitle(figure_title(title, "Example profiles", predictions, limit=None), x=0.02, ha="left")
    caption(figure, _examples_caption(predictions, drawn))
    return figure


def _bin_edges(series: Sequence[Floats]) -> Floats:
    """Common bins: finer for more windows, 20 to 80 of them."""
    values = np.concatenate([*series, np.empty(0)])
    if not len(values):
        return np.linspace(0, 1, 11)
    low, high = np.quantile(values, [0.0005, 1.0])
    low, high = max(0.0, float(low) - 0.02), min(0.85, float(high) + 0.02)
    n_bins = int(np.clip(1.7 * np.sqrt(max(len(one) for one in series)), 20, 80))
    return np.linspace(low, max(high, low + 0.05), n_bins + 1)


def _examples(predictions: Predictions, scores: Scores, n: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Rows of peaks (without peaks, of any windows) at even steps of the count ranking, and their percentiles."""
    total = predictions.label_profile[scores.rows].sum(axis=(1, 2))
    pool = total > 0
    if (pool & predictions.is_peak[scores.rows]).any():
        pool &= predictions.is_peak[scores.rows]
    ranked = np.flatnonzero(pool)[np.argsort(total[pool], kind="stable")]
    steps = (np.arange(min(n, len(ranked))) + 0.5) / max(min(n, len(ranked)), 1)
    return scores.rows[ranked[(steps * len(ranked)).astype(np.int64)]], 100 * steps


def _draw_profile(ax: Axes, predictions: Predictions, row: int, drawn: Sequence[int]) -> None:
    """Observed counts as bars, expected counts as a line, the second strand downwards; the middle of the window."""
    middle = predictions.n_bases // 2
    shown = slice(max(0, middle - MAX_SHOWN_BP // 2), middle + MAX_SHOWN_BP // 2)
    position = (np.arange(predictions.n_bases) - middle)[shown]
    expected = predictions.expected_counts()[row]
    for task, sign, color in zip(drawn, (1, -1), (BLUE, VERMILLION), strict=False):
        observed = predictions.label_profile[row, shown, task].astype(np.float64)
        profile = softmax(predictions.logits[row, :, task].astype(np.float64))[shown] * expected[task]
        edges = np.append(position, position[-1] + 1) - 0.5
        ax.stairs(sign * observed, edges, fill=True, color="#A3ABB5", linewidth=0)
        ax.plot(position, sign * profile, color=color, linewidth=1.0)
    if len(drawn) == 2:
        ax.axhline(0, color=SOFT, linewidth=0.6)
    ax.set_xlim(position[0], position[-1])
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")


def _examples_caption(predictions: Predictions, drawn: Sequence[int]) -> str:
    names = [predictions.tasks[task] for task in drawn]
    ways = f"{names[0]} upwards, {names[1]} downwards" if len(names) == 2 else names[0]
    shown = min(MAX_SHOWN_BP, predictions.n_bases)
    part = f" The middle {shown:,} of {predictions.n_bases:,} bases." if shown < predictions.n_bases else ""
    return (
        f"Grey bars: observed. Lines: predicted profile × predicted counts ({ways}).{part} Windows stand at even "
        "steps of the ranking by observed counts; none was picked by eye."
    )


def _ordinal(number: float) -> str:
    n = round(number)
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
