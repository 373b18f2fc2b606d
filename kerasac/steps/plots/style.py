"""Share one look among all figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from textwrap import fill
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kerasac.steps.predictions import Predictions

Floats = npt.NDArray[np.float64]
P = ParamSpec("P")

DPI = 150
_TITLE_IN = 5.4  # what a title takes: experiment, fold, seed and what is shown
MAX_TASKS = 4  # more panels than these are no figure; the title says how many there are

# Okabe and Ito's palette, told apart with any colour vision.
BLUE, ORANGE, VERMILLION = "#0072B2", "#E69F00", "#D55E00"
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


def figure_title(title: str, what: str, predictions: Predictions, limit: int | None = MAX_TASKS) -> str:
    """Say what a figure shows, and that not all tasks are in it where there are more than ``limit``."""
    text = f"{title} · {what}" if title else what
    n = len(predictions.tasks)
    return f"{text} (first {limit} of {n} tasks)" if limit is not None and n > limit else text


def caption(figure: Figure, text: str) -> None:
    """Put a sentence or two under the panels, wrapped to the figure's width."""
    if text:  # 15 letters an inch fit in DejaVu Sans, the widest of the fonts
        lines = fill(text, width=int(figure.get_figwidth() * 15))
        figure.supxlabel(lines, x=0.02, ha="left", fontsize=8, color=SOFT, linespacing=1.4)


def number(value: float | None) -> str:
    """Return three digits, or ``undefined``."""
    return "undefined" if value is None else f"{value:.3f}"


def median(values: Floats) -> str:
    """Return the median to three digits, or ``undefined`` where there is no value."""
    return f"{np.median(values):.3f}" if len(values) else "undefined"


def defined(values: Floats) -> Floats:
    """Return the values that are not NaN."""
    return values[~np.isnan(values)]


def count_label(predictions: Predictions) -> str:
    """Name the space that counts are compared in."""
    by = f"log(counts + {predictions.pseudocount:g})" if predictions.transform == "log" else None
    return by or (f"{predictions.transform} counts" if predictions.transform != "none" else "counts")
