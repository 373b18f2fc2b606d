"""Draw what a fold's scores mean: counts, profile distances, example windows, training, and folds side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from textwrap import fill
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import softmax

from kerasac.cache import whole_file
from kerasac.errors import ScoreError
from kerasac.steps.predictions import Predictions
from kerasac.steps.score import Scores
from kerasac.steps.summary import HeadlineRow

Floats = npt.NDArray[np.float64]
P = ParamSpec("P")

DPI = 150
MAX_TASKS = 4  # more panels than these are no figure; the title says how many there are
MAX_POINTS = 20_000
MAX_SHOWN_BP = 500  # of an example profile: a base stays wider than a pixel

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


def _styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw under this module's style, leaving the caller's matplotlib settings alone."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


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
    paths = []
    for name, figure in figures.items():
        path = folder / "plots" / f"{name}.png"
        with whole_file(path) as beside:
            figure.savefig(beside, format="png", dpi=DPI)
        paths.append(path)
    return paths


@_styled
def counts_scatter(predictions: Predictions, scores: Scores, *, title: str = "") -> Figure:
    """Predicted against observed log counts: a row a task, peaks left, background right."""
    tasks = predictions.tasks[:MAX_TASKS]
    is_peak = predictions.is_peak[scores.rows]
    sets = [name for name, member in (("peaks", is_peak), ("background", ~is_peak)) if member.any()] or ["peaks"]
    figure, axes = _panels(len(tasks), len(sets), panel=(3.5, 3.3))
    for index, task in enumerate(tasks):
        observed = predictions.label_logcount[scores.rows, index].astype(np.float64)
        predicted = predictions.logcount[scores.rows, index].astype(np.float64)
        limits = _limits(observed, predicted)
        for ax, name in zip(axes[index], sets, strict=True):
            member = is_peak if name == "peaks" else ~is_peak
            ax.axline((0, 0), slope=1, color=PALE, linewidth=0.8, zorder=0)
            _dots(ax, observed[~member], predicted[~member], color="#DDE0E4")
            _density_dots(ax, observed[member], predicted[member], BLUE if name == "peaks" else VERMILLION)
            metrics = scores.tasks[task][name]
            heading = f"{task} · {name}" if len(predictions.tasks) > 1 else name.capitalize()
            ax.set_title(f"{heading}  (n = {member.sum():,})", fontweight="bold")
            ax.text(
                0.04,
                0.96,
                f"r = {_number(metrics['counts_pearson'])}\nρ = {_number(metrics['counts_spearman'])}",
                transform=ax.transAxes,
                va="top",
                linespacing=1.35,
            )
            ax.set(xlim=limits, ylim=limits, aspect="equal")
            if index == len(tasks) - 1:
                ax.set_xlabel(f"observed {_count_label(predictions)}")
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_locator(MaxNLocator(5, integer=True))
        axes[index][0].set_ylabel(f"predicted {_count_label(predictions)}")
    figure.suptitle(_title(title, "Counts a window", predictions), x=0.02, ha="left")
    _caption(figure, _counts_caption(scores))
    return figure


@_styled
def jsd_histogram(predictions: Predictions, scores: Scores, *, title: str = "") -> Figure:
    """How far predicted profiles of peaks lie from the observed ones, and how far the floors lie."""
    tasks = predictions.tasks[:MAX_TASKS]
    is_peak = predictions.is_peak[scores.rows]
    member = is_peak if is_peak.any() else ~is_peak
    figure, axes = _panels(len(tasks), 1, panel=(7.6, 2.2), sharex=True)
    taken = [scores.profiles[task].take(member) for task in tasks]
    edges = _bin_edges([_defined(getattr(profiles, name)) for profiles in taken for name in ("jsd", *FLOORS)])
    for (ax,), task, profiles in zip(axes, tasks, taken, strict=True):
        model = _defined(profiles.jsd)
        ax.hist(model, edges, color=BLUE, alpha=0.25, linewidth=0)
        ax.hist(model, edges, color=BLUE, histtype="step", linewidth=1.4, label=f"{_median(model)}  model")
        for name, (text, color, line) in FLOORS.items():
            values = _defined(getattr(profiles, name))
            if len(values):
                label = f"{_median(values)}  {text}"
                ax.hist(values, edges, color=color, histtype="step", linestyle=line, linewidth=1.3, label=label)
        heading = f"{task}  (n = {len(model):,})" if len(predictions.tasks) > 1 else f"n = {len(model):,}"
        ax.set_title(heading, fontweight="bold")
        ax.set(ylabel="windows", xlim=(edges[0], edges[-1]))
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.05), borderaxespad=0, handlelength=1.6,
                  title="median", alignment="left", title_fontsize=8)  # fmt: skip
    axes[-1][0].set_xlabel("Jensen–Shannon distance to the observed profile")
    what = "Profiles of peaks" if is_peak.any() else "Profiles of background windows"
    figure.suptitle(_title(title, what, predictions), x=0.02, ha="left")
    _caption(figure, "0 = the same profile, 0.833 = nothing in common. Few counts keep any prediction far from 0.")
    return figure


@_styled
def example_profiles(predictions: Predictions, scores: Scores, *, n_examples: int = 6, title: str = "") -> Figure:
    """Observed counts a base and the predicted expectation, in windows at even steps of the count ranking.

    Two tasks are drawn up and down, as strands; of any other number the first one is drawn.
    """
    rows, percentiles = _examples(predictions, scores, n_examples)
    n_columns = 2 if len(rows) > 1 else 1
    figure, axes = _panels(max(1, -(-len(rows) // n_columns)), n_columns, panel=(4.6, 1.7))
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
    figure.suptitle(_title(title, "Example profiles", predictions, limit=None), x=0.02, ha="left")
    _caption(figure, _examples_caption(predictions, drawn))
    return figure


@_styled
def training_curves(history: pd.DataFrame, *, title: str = "") -> Figure:
    """Every loss that has a training and a validation column, by epoch, with the best epoch marked."""
    columns = [str(column) for column in history.columns]
    names = [name for name in columns if name.endswith("loss") and not name.startswith("val_")]
    if not names:
        raise ScoreError(f"the training history has no loss; its columns are {', '.join(columns)}")
    names.sort(key=lambda name: (list(_LOSS_TITLES).index(name) if name in _LOSS_TITLES else 99, name))
    epoch = history["epoch"] if "epoch" in columns else pd.Series(np.arange(1, len(history) + 1))
    best = _best_epoch(history)
    figure, axes = _panels(1, len(names), panel=(3.1, 2.5))
    for ax, name in zip(axes[0], names, strict=True):
        line = {"linewidth": 1.4, "marker": "o", "markersize": 2.5}
        ax.plot(epoch, history[name], color=GREY, label="training", **line)
        if f"val_{name}" in columns:
            values = history[f"val_{name}"]
            ax.plot(epoch, values, color=BLUE, label="validation", **line)
            if best is not None:
                _mark(ax, float(epoch.iloc[best]), float(values.iloc[best]))
        for at in _rate_drops(history):
            ax.axvline(float(epoch.iloc[at]) - 0.5, color=PALE, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        ax.set_title(_LOSS_TITLES.get(name, name.replace("_", " ")), fontweight="bold")
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.margins(x=0.04, y=0.12)
    axes[0][0].legend(loc="upper right")
    figure.suptitle(f"{title} · Training" if title else "Training", x=0.02, ha="left")
    _caption(figure, _training_caption(history, epoch, best))
    return figure


@_styled
def across_folds(rows: Sequence[HeadlineRow]) -> Figure:
    """One dot a fold and seed for each headline metric, their mean as a line, the floor as a dashed line."""
    figure, axes = _panels(1, max(1, len(rows)), panel=(1.95, 2.6))
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
    _caption(
        figure,
        "Dot: a fold and seed, scored on its test chromosomes. Line and band: mean ± standard deviation. "
        "Dashed: what it takes no model to reach.",
    )
    return figure


_LOSS_TITLES = {"loss": "Total loss", "profile_loss": "Profile loss", "logcount_loss": "Count loss"}


def _panels(
    n_rows: int, n_columns: int, *, panel: tuple[float, float], sharex: bool = False
) -> tuple[Figure, npt.NDArray[Any]]:
    width, height = panel
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    figure = Figure(figsize=(width * n_columns + 0.3, height * n_rows + 0.8), layout=layout)
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, sharex=sharex)


def _title(title: str, what: str, predictions: Predictions, limit: int | None = MAX_TASKS) -> str:
    text = f"{title} · {what}" if title else what
    n = len(predictions.tasks)
    return f"{text} (first {limit} of {n} tasks)" if limit is not None and n > limit else text


def _caption(figure: Figure, text: str) -> None:
    """Put a sentence or two under the panels, wrapped to the figure's width."""
    if text:
        lines = fill(text, width=int(figure.get_figwidth() * 18))
        figure.supxlabel(lines, x=0.02, ha="left", fontsize=8, color=SOFT, linespacing=1.4)


def _counts_caption(scores: Scores) -> str:
    metrics = scores.windows["all"]
    if metrics["auroc"] is None:
        return f"Grey line: prediction = observation. {len(scores.rows):,} windows."
    return (
        f"All windows: r = {_number(metrics['counts_pearson'])}, AUROC of peaks against background = "
        f"{_number(metrics['auroc'])}. Pale dots: the other set. Grey line: prediction = observation."
    )


def _count_label(predictions: Predictions) -> str:
    by = f"log(counts + {predictions.pseudocount:g})" if predictions.transform == "log" else None
    return by or (f"{predictions.transform} counts" if predictions.transform != "none" else "counts")


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _median(values: Floats) -> str:
    return f"{np.median(values):.3f}" if len(values) else "undefined"


def _defined(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _limits(x: Floats, y: Floats) -> tuple[float, float]:
    """The same limits for both axes, around all but a thousandth of the points."""
    both = np.concatenate([x, y])
    if not len(both):
        return 0.0, 1.0
    low, high = np.quantile(both, [0.0005, 0.9995])
    margin = max(0.05 * (high - low), 0.1)
    return float(low - margin), float(high + margin)


def _bin_edges(series: Sequence[Floats]) -> Floats:
    """Common bins: finer for more windows, 20 to 80 of them."""
    values = np.concatenate([*series, np.empty(0)])
    if not len(values):
        return np.linspace(0, 1, 11)
    low, high = np.quantile(values, [0.0005, 1.0])
    low, high = max(0.0, float(low) - 0.02), min(0.85, float(high) + 0.02)
    n_bins = int(np.clip(1.7 * np.sqrt(max(len(one) for one in series)), 20, 80))
    return np.linspace(low, max(high, low + 0.05), n_bins + 1)


def _dots(ax: Axes, x: Floats, y: Floats, color: str) -> None:
    kept = slice(None, None, -(-len(x) // MAX_POINTS) or 1)
    ax.scatter(x[kept], y[kept], s=4, color=color, linewidths=0, rasterized=True, zorder=1)


def _density_dots(ax: Axes, x: Floats, y: Floats, color: str) -> None:
    """Dots coloured by how many lie around them, the densest on top."""
    kept = slice(None, None, -(-len(x) // MAX_POINTS) or 1)
    density = _density(x, y)[kept]
    order = np.argsort(density, kind="stable")
    colours = LinearSegmentedColormap.from_list("density", ["#C9D6E2", color, INK] if color == BLUE else
                                                ["#EBD9CE", color, INK])  # fmt: skip
    ax.scatter(x[kept][order], y[kept][order], c=density[order], cmap=colours, s=6, linewidths=0, zorder=2)


def _density(x: Floats, y: Floats) -> Floats:
    """Smoothed number of neighbours of each point, scaled to at most 1."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.ones(len(x))
    grid, x_edges, y_edges = np.histogram2d(x, y, bins=100)
    smooth = gaussian_filter(grid, sigma=2.5)
    at = np.stack([(x - x_edges[0]) / np.diff(x_edges)[0] - 0.5, (y - y_edges[0]) / np.diff(y_edges)[0] - 0.5])
    found: Floats = map_coordinates(smooth, at, order=1, mode="nearest")
    return np.asarray(found / max(float(found.max()), 1e-12), dtype=np.float64)


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


def _mark(ax: Axes, x: float, y: float) -> None:
    ax.plot(x, y, "o", color=BLUE, markersize=8, markerfacecolor="none", markeredgewidth=1.4)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
    ax.annotate(f"{y:.4g}", (x, y), (0, 10), textcoords="offset points", ha="center", color=BLUE, fontsize=8, bbox=box)


def _best_epoch(history: pd.DataFrame) -> int | None:
    """Row of the lowest validation loss."""
    if "val_loss" not in history or not history["val_loss"].notna().any():
        return None
    return int(np.nanargmin(history["val_loss"].to_numpy(dtype=np.float64)))


def _rate_drops(history: pd.DataFrame) -> list[int]:
    """Rows at which the learning rate is lower than the epoch before."""
    if "learning_rate" not in history:
        return []
    rate = history["learning_rate"].to_numpy(dtype=np.float64)
    return [int(i) for i in np.flatnonzero(rate[1:] < rate[:-1] * 0.999) + 1]


def _training_caption(history: pd.DataFrame, epoch: pd.Series[Any], best: int | None) -> str:
    parts = []
    if best is not None:
        parts.append(f"Circle: lowest validation loss, epoch {epoch.iloc[best]:g} of {epoch.iloc[-1]:g}.")
    if _rate_drops(history):
        parts.append("Dotted lines: learning rate lowered.")
    if "seconds" in history:
        parts.append(f"{history['seconds'].sum() / 60:.1f} minutes in all.")
    return " ".join(parts)


def _beside(folds: Sequence[str], names: Sequence[str]) -> Floats:
    """x of each dot: its fold, with the seeds of a fold side by side."""
    x = np.empty(len(folds))
    for place, name in enumerate(names):
        at = [i for i, fold in enumerate(folds) if fold == name]
        x[at] = place + (np.arange(len(at)) - (len(at) - 1) / 2) * min(0.18, 0.7 / max(len(at), 1))
    return x
