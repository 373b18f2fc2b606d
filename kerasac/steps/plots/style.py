"""Share one look among all figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kerasac.steps.window_scores import Scorable

Floats = npt.NDArray[np.float64]
P = ParamSpec("P")

DPI = 150
_CAPTION_SIZE = 8
_TITLE_IN = 5.4  # what a title takes: experiment, fold, seed and what is shown
MAX_TASKS = 4  # more panels than these are no figure; the title says how many there are

# Okabe and Ito's palette, told apart with any colour vision.
BLUE, ORANGE, VERMILLION, GREEN = "#0072B2", "#E69F00", "#D55E00", "#009E73"
DARK_RED = "#9A3F00"  # vermillion, dark enough for text
INK, SOFT, GREY, PALE = "#22262B", "#5A6068", "#8A8F98", "#B9BEC5"
FLOORS = {
    "jsd_mean_profile": ("mean profile of training peaks", ORANGE, "-"),
    "jsd_uniform": ("uniform profile", GREY, "--"),
    "jsd_shuffled": ("shuffled positions", VERMILLION, ":"),
}

_FONTS = ("Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")  # matplotlib brings the last

# The family is named outright: a generic one would be looked up when the figure is saved, outside this style.
STYLE: Any = {
    "font.family": next(name for name in _FONTS if name in fontManager.get_font_names()),
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#E6E8EB",
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "savefig.dpi": DPI,
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw under this module's style, leaving the caller's matplotlib settings alone."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


def panels(
    n_rows: int, n_columns: int, *, panel: tuple[float, float], sharex: bool = False
) -> tuple[Figure, npt.NDArray[Any]]:
    """Return a figure and its axes, shape (n_rows, n_columns); ``panel`` is the size of one in inches."""
    width, height = panel
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    figure = Figure(figsize=(max(width * n_columns + 0.3, _TITLE_IN), height * n_rows + 0.8), layout=layout)
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, sharex=sharex)


def figure_title(title: str, what: str, predictions: Scorable, limit: int | None = MAX_TASKS) -> str:
    """Say what a figure shows, and that not all tasks are in it where there are more than ``limit``."""
    text = f"{title} · {what}" if title else what
    n = len(predictions.tasks)
    return f"{text} (first {limit} of {n} tasks)" if limit is not None and n > limit else text


def headline(figure: Figure, text: str) -> None:
    """Put a title above the panels, wrapped to the figure's width."""
    size = STYLE["figure.titlesize"]
    lines = wrapped(text, figure.get_figwidth() * 0.98 - 0.1, size=size, weight=STYLE["figure.titleweight"])
    figure.suptitle(lines, x=0.02, ha="left")


def caption(figure: Figure, text: str) -> None:
    """Put a sentence or two under the panels, wrapped to the figure's width."""
    if text:
        lines = wrapped(text, figure.get_figwidth() * 0.98 - 0.1, size=_CAPTION_SIZE)
        figure.supxlabel(lines, x=0.02, ha="left", fontsize=_CAPTION_SIZE, color=SOFT, linespacing=1.4)


def wrapped(text: str, width_in: float, *, size: float, weight: str = "normal") -> str:
    """Break text into lines of at most ``width_in`` inches, as the style's font is measured at ``size`` points."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width_in(longer, size, weight) <= width_in:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Return three digits, or ``undefined``."""
    return "undefined" if value is None else f"{value:.3f}"


def median(values: Floats) -> str:
    """Return the median to three digits, or ``undefined`` where there is no value."""
    return f"{np.median(values):.3f}" if len(values) else "undefined"


def defined(values: Floats) -> Floats:
    """Return the values that are not NaN."""
    return values[~np.isnan(values)]


def count_label(predictions: Scorable) -> str:
    """Name the space that counts are compared in."""
    by = f"log(counts + {predictions.pseudocount:g})" if predictions.transform == "log" else None
    return by or (f"{predictions.transform} counts" if predictions.transform != "none" else "counts")


def _width_in(text: str, size: float, weight: str) -> float:
    """Return how wide a line is drawn, in inches."""
    font = get_font(findfont(FontProperties(family=STYLE["font.family"], weight=weight)))
    font.set_size(size, 72)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / 72  # in 64ths of a point
