"""Draw what a fold's scores mean: counts, profile distances, example windows, training, and folds side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import softmax

from kerasac.errors import ScoreError
from kerasac.steps.predictions import Predictions, whole_file
from kerasac.steps.score import Scores
from kerasac.steps.summary import HeadlineRow

Floats = npt.NDArray[np.float64]
P = ParamSpec("P")

DPI = 150
MAX_TASKS = 4  # more panels than these are no figure; the title says how many there are
MAX_POINTS = 20_000

# Okabe and Ito's palette, told apart with any colour vision.
BLUE, ORANGE, GREEN, VERMILLION, GREY, INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8A8F98", "#22262B"
FLOORS = {
    "jsd_mean_profile": ("mean profile of training peaks", ORANGE, "-"),
    "jsd_uniform": ("uniform profile", GREY, "--"),
    "jsd_shuffled": ("shuffled positions", VERMILLION, ":"),
}

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#6B7178",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#E6E8EB",
    "grid.linewidth": 0.6,
    "xtick.color": "#4A4F56",
    "ytick.color": "#4A4F56",
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
            ax.axline((0, 0), slope=1, color="#B9BEC5", linewidth=0.8, zorder=0)
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
            ax.set(xlim=limits, ylim=limits, aspect="equal", xlabel=f"observed {_count_label(predictions)}")
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
    figure, axes = _panels(len(tasks), 1, panel=(7.0, 2.5))
    for (ax,), task in zip(axes, tasks, strict=True):
        profiles = scores.profiles[task].take(member)
        series = {name: _defined(getattr(profiles, name)) for name in ("jsd", *FLOORS)}
        edges = _bin_edges(list(series.values()))
        model = series.pop("jsd")
        label = f"model, median {_median(model)}"
        ax.hist(model, edges, color=BLUE, alpha=0.28, linewidth=0)
        ax.hist(model, edges, color=BLUE, histtype="step", linewidth=1.4, label=label)
        for name, values in series.items():
            text, color, line = FLOORS[name]
            if len(values):
                label = f"{text}, {_median(values)}"
                ax.hist(values, edges, color=color, histtype="step", linestyle=line, linewidth=1.4, label=label)
        if len(model):
            ax.axvline(float(np.median(model)), color=BLUE, linewidth=0.9, linestyle=(0, (4, 3)))
        ax.set_title(f"{task}  (n = {len(model):,})" if len(predictions.tasks) > 1 else f"n = {len(model):,}")
        ax.set(xlabel="Jensen–Shannon distance to the observed profile (0 = identical, at most 0.833)")
        ax.set(ylabel="windows", xlim=(edges[0], edges[-1]))
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), borderaxespad=0, handlelength=1.6)
    what = "Profiles of peaks" if is_peak.any() else "Profiles of background windows"
    figure.suptitle(_title(title, what, predictions), x=0.02, ha="left")
    return figure


@_styled
def example_profiles(predictions: Predictions, scores: Scores, *, n_examples: int = 6, title: str = "") -> Figure:
    """Observed counts a base and the predicted expectation, in windows at even steps of the count ranking.

    Two tasks are drawn up and down, as strands; of any other number the first one is drawn.
    """
    rows, percentiles = _examples(predictions, scores, n_examples)
    n_columns = 2 if len(rows) > 1 else 1
    figure, axes = _panels(max(1, -(-len(rows) // n_columns)), n_columns, panel=(4.3, 1.75))
    expected = predictions.expected_counts()
    drawn = (0, 1) if len(predictions.tasks) == 2 else (0,)
    position = np.arange(predictions.n_bases) - predictions.n_bases // 2
    score_at = {int(row): at for at, row in enumerate(scores.rows)}
    for ax, row, percentile in zip(axes.flat, rows, percentiles, strict=False):
        for task, sign in zip(drawn, (1, -1), strict=False):
            observed = predictions.label_profile[row, :, task].astype(np.float64)
            profile = softmax(predictions.logits[row, :, task].astype(np.float64)) * expected[row, task]
            ax.fill_between(position, sign * observed, step="mid", color="#AEB6BF", linewidth=0)
            ax.plot(position, sign * profile, color=(BLUE, VERMILLION)[task], linewidth=1.0)
        if len(drawn) == 2:
            ax.axhline(0, color="#6B7178", linewidth=0.6)
        jsd = np.mean([scores.profiles[predictions.tasks[t]].jsd[score_at[int(row)]] for t in drawn])
        seen, said = predictions.label_profile[row][:, drawn].sum(), expected[row, list(drawn)].sum()
        ax.set_title(
            f"{predictions.chrom[row]}:{predictions.center[row]:,}   {seen:,.0f} counts, {said:,.0f} predicted,"
            f" JSD {jsd:.2f}",
            fontsize=8.5,
        )
        ax.set(xlim=(position[0], position[-1]))
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        ax.text(0.99, 0.96, f"{percentile:.0f}th percentile", transform=ax.transAxes, ha="right", va="top", fontsize=7.5,
                color="#6B7178")  # fmt: skip
    for ax in axes[-1]:
        ax.set_xlabel("position from the window's center (bp)")
    for ax in axes[:, 0]:
        ax.set_ylabel("counts a base")
    for ax in list(axes.flat)[len(rows) :]:
        ax.set_axis_off()
    figure.suptitle(_title(title, "Example profiles", predictions, limit=None), x=0.02, ha="left")
    names = [predictions.tasks[task] for task in drawn]
    ways = (
        "; ".join(f"{name} {way}" for name, way in zip(names, ("up", "down"), strict=False))
        if len(drawn) == 2
        else names[0]
    )
    _caption(figure, f"Grey: observed. Line: predicted profile × predicted counts. {ways}. "
             "Windows are taken at even steps of the ranking by observed counts, not chosen by eye.")  # fmt: skip
    return figure


@_styled
def training_curves(history: pd.DataFrame, *, title: str = "") -> Figure:
    """Every loss that has a training and a validation column, by epoch, with the best epoch marked."""
    names = [name for name in ("loss", "profile_loss", "logcount_loss") if name in history]
    names += [c for c in history if c.endswith("_loss") and not c.startswith("val_") and c not in names]
    if not names:
        raise ScoreError(f"the training history has no loss; its columns are {', '.join(history.columns)}")
    figure, panels = _panels(1, len(names), panel=(3.1, 2.6))
    epoch = history["epoch"] if "epoch" in history else pd.Series(np.arange(1, len(history) + 1))
    best = (
        int(history["val_loss"].argmin()) if "val_loss" in history and history["val_loss"].notna().any() else None
    )
    for ax, name in zip(panels[0], names, strict=True):
        ax.plot(epoch, history[name], color=GREY, linewidth=1.4, marker="o", markersize=2.5, label="training")
        if f"val_{name}" in history:
            values = history[f"val_{name}"]
            ax.plot(epoch, values, color=BLUE, linewidth=1.4, marker="o", markersize=2.5, label="validation")
            if best is not None:
                ax.plot(epoch.iloc[best], values.iloc[best], "o", color=BLUE, markersize=8, markerfacecolor="none",
                        markeredgewidth=1.4)  # fmt: skip
                ax.annotate(f"{values.iloc[best]:.4g}", (epoch.iloc[best], values.iloc[best]), (0, 8),
                            textcoords="offset points", ha="center", color=BLUE, fontsize=8)  # fmt: skip
        for at in _rate_drops(history):
            ax.axvline(float(epoch.iloc[at]) - 0.5, color="#B9BEC5", linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        ax.set_title(_LOSS_TITLES.get(name, name.replace("_", " ")), fontweight="bold")
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.margins(x=0.04, y=0.12)
    panels[0][0].legend(loc="upper right")
    figure.suptitle(title or "Training", x=0.02, ha="left")
    _caption(figure, _training_caption(history, epoch, best))
    return figure


@_styled
def across_folds(rows: Sequence[HeadlineRow]) -> Figure:
    """One dot a fold and seed for each headline metric, their mean as a bar, the floor as a dashed line."""
    figure, axes = _panels(1, max(1, len(rows)), panel=(1.75, 2.9))
    for ax, row in zip(axes[0], rows, strict=False):
        folds = [unit.split("/")[0] for unit in row.values]
        names = sorted(set(folds), key=lambda name: (len(name), name))
        values = np.array([np.nan if v is None else v for v in row.values.values()], dtype=np.float64)
        x = _spread(folds, names)
        if row.mean is not None:
            ax.axhline(row.mean, color=BLUE, linewidth=1.2)
            if row.sd is not None:
                ax.axhspan(row.mean - row.sd, row.mean + row.sd, color=BLUE, alpha=0.10, linewidth=0)
        ax.plot(x, values, "o", color=BLUE, markersize=5.5, markeredgecolor="white", markeredgewidth=0.8)
        if row.floor is not None:
            ax.axhline(row.floor, color=VERMILLION, linewidth=1.1, linestyle=(0, (4, 3)))
        ax.set_title(f"{row.label}\n", fontweight="bold", fontsize=8.5, linespacing=1.3)
        arrow = "↑ higher is better" if row.better == "higher" else "↓ lower is better"
        ax.text(0, 1.03, f"{row.windows}  {arrow}", transform=ax.transAxes, fontsize=7.5, color="#6B7178")
        ax.set_xticks(range(len(names)), [name.removeprefix("fold-") for name in names])
        ax.set(xlim=(-0.6, max(len(names), 1) - 0.4), xlabel="fold")
        ax.margins(y=0.12)
    return figure


_LOSS_TITLES = {"loss": "Total loss", "profile_loss": "Profile loss", "logcount_loss": "Count loss"}


def _panels(n_rows: int, n_columns: int, *, panel: tuple[float, float]) -> tuple[Figure, npt.NDArray[Any]]:
    width, height = panel
    figure = Figure(figsize=(width * n_columns + 0.3, height * n_rows + 0.75), layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False)


def _title(title: str, what: str, predictions: Predictions, limit: int | None = MAX_TASKS) -> str:
    text = f"{title} · {what}" if title else what
    n = len(predictions.tasks)
    return f"{text} (first {limit} of {n} tasks)" if limit is not None and n > limit else text


def _caption(figure: Figure, text: str) -> None:
    if text:
        figure.supxlabel(text, x=0.02, ha="left", fontsize=8, color="#4A4F56")


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
    values = np.concatenate([*series, np.empty(0)])
    if not len(values):
        return np.linspace(0, 1, 11)
    low, high = np.quantile(values, [0.0005, 1.0])
    low, high = max(0.0, float(low) - 0.02), min(0.84, float(high) + 0.02)
    return np.linspace(low, max(high, low + 0.05), 81)


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
    """Rows of peaks (of any windows when there are none) at even steps of the count ranking, and their percentiles."""
    total = predictions.label_profile.sum(axis=(1, 2))[scores.rows]
    peaks = predictions.is_peak[scores.rows]
    pool = np.flatnonzero((total > 0) & (peaks if (peaks & (total > 0)).any() else True))
    ranked = pool[np.argsort(total[pool], kind="stable")]
    n = min(n, len(ranked))
    steps = (np.arange(n) + 0.5) / max(n, 1)
    at = np.floor(steps * len(ranked)).astype(np.int64)
    return scores.rows[ranked[at]], 100 * steps


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


def _spread(folds: Sequence[str], names: Sequence[str]) -> Floats:
    """x of each dot: its fold, with the seeds of a fold side by side."""
    x = np.empty(len(folds))
    for place, name in enumerate(names):
        at = [i for i, fold in enumerate(folds) if fold == name]
        x[at] = place + (np.arange(len(at)) - (len(at) - 1) / 2) * min(0.18, 0.7 / max(len(at), 1))
    return x
