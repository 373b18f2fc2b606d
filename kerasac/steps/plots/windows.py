"""Draw single windows, observed above predicted, in a figure narrow enough for a phone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import softmax

from kerasac.errors import ScoreError
from kerasac.steps.plots.chosen import CHOICES, distances
from kerasac.steps.plots.style import BLUE, INK, SOFT, Floats, styled, wrapped
from kerasac.steps.predictions import Predictions
from kerasac.steps.score import Scores
from kerasac.steps.window_scores import Scorable

MAX_SHOWN_BP = 500  # of a window: a base stays wider than a pixel

_WIDTH_IN, _LEFT_IN, _RIGHT_IN = 3.7, 0.56, 0.08
_TRACK_IN, _GAP_IN, _HEADING_IN, _TICKS_IN = 0.62, 0.1, 0.46, 0.2
_SMALL, _LINE_IN = 8, 0.155  # small text, and the height of a line of it
_TRACKS = (("observed", INK), ("predicted", BLUE))


@styled
def window_figure(name: str, predictions: Scorable, scores: Scores, *, title: str = "") -> Figure:
    """Draw the windows of a choice of :data:`CHOICES` below each other.

    Two tasks are drawn up and down, as strands; of any other number the first one is drawn.
    """
    what, choose = CHOICES[name]
    distance = distances(scores)
    chosen = choose(predictions, scores)
    tasks = (0, 1) if len(predictions.tasks) == 2 else (0,)
    figure, starts = _page(what, title, f"{chosen.rule} {_reading(predictions, tasks)}", n_windows=len(chosen.places))
    for i, (start, place) in enumerate(zip(starts, chosen.places.tolist(), strict=True)):
        row = int(scores.rows[place])
        window = predictions.take(slice(row, row + 1))
        axes = [_track(figure, start - _TRACK_IN), _track(figure, start - 2 * _TRACK_IN - _GAP_IN)]
        _draw_window(axes, window, tasks)
        _head(axes[0], window, f"JSD {distance[place]:.2f}", chosen.words[i] if chosen.words else "")
    if len(starts):
        axes[1].set_xlabel("bases from the window's center", labelpad=2)
    return figure


def _page(what: str, title: str, footer: str, *, n_windows: int) -> tuple[Figure, list[float]]:
    """Return a figure with its texts, and the upper ends of its windows in inches from below."""
    header = wrapped(title, _WIDTH_IN - 0.15, size=_SMALL)
    footer = wrapped(footer, _WIDTH_IN - 0.15, size=_SMALL)
    top = 0.32 + _LINE_IN * len(header.splitlines())
    bottom = 0.4 + _LINE_IN * len(footer.splitlines())
    one = _HEADING_IN + 2 * _TRACK_IN + _GAP_IN + _TICKS_IN
    height = top + one * max(n_windows, 1) + bottom
    figure = Figure(figsize=(_WIDTH_IN, height))
    figure.text(0.02, 1 - 0.07 / height, what, va="top", fontsize=11, fontweight="bold")
    figure.text(0.02, 1 - 0.3 / height, header, va="top", fontsize=_SMALL, color=SOFT)
    figure.text(0.02, 0.06 / height, footer, va="bottom", fontsize=_SMALL, color=SOFT, linespacing=1.35)
    return figure, [height - top - _HEADING_IN - one * i for i in range(n_windows)]


def _head(ax: Axes, window: Predictions, distance: str, word: str) -> None:
    """Write where the window lies and its distance, below it its counts."""
    ax.set_title(f"{window.chrom[0]}:{window.center[0]:,}", fontweight="bold", pad=18)
    ax.set_title(distance, loc="right", fontsize=9, pad=18)
    expected = _expected(window)
    counts = f"{window.label_profile.sum(dtype=np.float64):,.0f} counts"
    counts += "" if expected is None else f", {expected.sum():,.0f} predicted"
    text = f"{counts} · {word}" if word else counts
    ax.text(0, 1.1, text, transform=ax.transAxes, fontsize=_SMALL, color=SOFT)


def _track(figure: Figure, bottom_in: float) -> Axes:
    width, height = figure.get_size_inches()
    inside = width - _LEFT_IN - _RIGHT_IN
    return figure.add_axes((_LEFT_IN / width, bottom_in / height, inside / width, _TRACK_IN / height))


def _draw_window(axes: Sequence[Axes], window: Predictions, tasks: Sequence[int]) -> None:
    """Draw observed counts on the first axes, predicted ones on the second, a second task downwards."""
    expected = _expected(window)
    middle = window.n_bases // 2
    shown = slice(max(0, middle - MAX_SHOWN_BP // 2), middle + MAX_SHOWN_BP // 2)
    position = (np.arange(window.n_bases) - middle)[shown]
    edges = np.append(position, position[-1] + 1) - 0.5
    for task, sign in zip(tasks, (1, -1), strict=False):
        observed = window.label_profile[0, :, task].astype(np.float64)
        total = observed.sum() if expected is None else expected[0, task]
        predicted = softmax(window.logits[0, :, task].astype(np.float64)) * total
        for ax, values, (_, color) in zip(axes, (observed, predicted), _TRACKS, strict=True):
            ax.stairs(sign * values[shown], edges, fill=True, color=color, linewidth=0)
    for ax, (name, _) in zip(axes, _TRACKS, strict=True):
        ax.set_xlim(edges[0], edges[-1])
        _finish(ax, name, both=len(tasks) == 2)
    axes[0].tick_params(labelbottom=False)


def _finish(ax: Axes, name: str, *, both: bool) -> None:
    low, high = ax.dataLim.intervaly
    room = 0.05 * max(high - low, 1e-9)
    ax.set_ylim(low - room if both else 0.0, high + room)
    if both:
        ax.axhline(0, color=SOFT, linewidth=0.6)
    ax.yaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2))
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.tick_params(pad=2)
    ax.set_ylabel(name, fontsize=_SMALL)
    ax.yaxis.set_label_coords(-(_LEFT_IN - 0.17) / (_WIDTH_IN - _LEFT_IN - _RIGHT_IN), 0.5)


def _expected(window: Predictions) -> Floats | None:
    """Return predicted counts, (1, T); None where their transform cannot be undone."""
    try:
        return window.expected_counts()
    except ScoreError:
        return None


def _reading(predictions: Scorable, tasks: Sequence[int]) -> str:
    """Say what the tracks are."""
    names = [predictions.tasks[task] for task in tasks]
    ways = f" {names[0]} upwards, {names[1]} downwards." if len(names) == 2 else ""
    if len(predictions.tasks) > 2:
        ways = f" Task {names[0]}, first of {len(predictions.tasks)}."
    shown = min(MAX_SHOWN_BP, predictions.n_bases)
    part = f" The middle {shown:,} of {predictions.n_bases:,} bases." if shown < predictions.n_bases else ""
    return f"Counts a base, each track on its own scale.{ways}{part}"
