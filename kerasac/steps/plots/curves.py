"""Draw precision by recall and receiver operating characteristics of several configurations, with bands over folds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasac.cache import whole_file
from kerasac.errors import ScoreError
from kerasac.steps.curves import Curve, Curves, TaskCurves
from kerasac.steps.plots.style import (
    BLUE,
    DPI,
    INK,
    MAX_TASKS,
    ORANGE,
    PALE,
    VERMILLION,
    caption,
    number,
    panels,
    styled,
)

ENDINGS = (".png", ".pdf", ".svg")
# Okabe and Ito's palette without its yellow, which is too pale for a line.
COLORS = (BLUE, VERMILLION, "#009E73", "#CC79A7", ORANGE, "#56B4E9", INK)

_NAME = 28  # letters of a name in a legend


def check_figure(path: Path, n_sources: int) -> None:
    """Refuse a figure that cannot be drawn, before its numbers are computed.

    Raises
    ------
    ScoreError
        For a file of another kind, or more sources than there are colours to tell apart.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ScoreError(f"{path} is no {', '.join(ENDINGS)} file; name the figure so")
    if n_sources > len(COLORS):
        raise ScoreError(f"{n_sources} sources are too many to tell apart in one figure; give at most {len(COLORS)}")


def write_curves(path: Path, curves: Curves, *, title: str = "") -> None:
    """Draw curves to a PNG, PDF (its text can be edited) or SVG."""
    check_figure(path, len(curves.sources))
    figure = curves_figure(curves, title=title)
    with whole_file(path) as beside, mpl.rc_context({"pdf.fonttype": 42}):
        figure.savefig(beside, format=path.suffix.lower()[1:], dpi=DPI)


@styled
def curves_figure(curves: Curves, *, title: str = "") -> Figure:
    """Precision by recall left, receiver operating characteristic right: a row a task, a colour a source."""
    tasks = curves.tasks[:MAX_TASKS]
    legend_in = 0.17 * (len(curves.sources) + 1)
    figure, axes = panels(len(tasks), 2, panel=(3.6, 3.2 + legend_in))
    for row, task in zip(axes, tasks, strict=True):
        of_task = {name: by_task[task] for name, by_task in curves.sources.items()}
        heading = f"{task} · " if len(curves.tasks) > 1 else ""
        _precision_recall(row[0], of_task)
        row[0].set_title(f"{heading}PR" if heading else "Precision and recall", fontweight="bold")
        _operating(row[1], of_task)
        row[1].set_title(f"{heading}ROC" if heading else "Receiver operating characteristic", fontweight="bold")
    figure.suptitle(_title(curves, title), x=0.02, ha="left")
    caption(figure, _caption(curves))
    return figure


def _precision_recall(ax: Axes, of_task: Mapping[str, TaskCurves]) -> None:
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    shares = [curves.chance for curves in of_task.values() if curves.defined]
    same = len(shares) > 0 and np.ptp(shares) < 0.002
    if same:
        ax.axhline(float(np.mean(shares)), color=PALE, linestyle="--", linewidth=0.9)
    for (name, curves), color in zip(of_task.items(), COLORS, strict=False):
        if not same and curves.defined:
            ax.axhline(curves.chance, color=color, linestyle="--", linewidth=0.9, alpha=0.5)
        _draw(ax, name, curves, "pr", "auprc", color)
    _legend(ax, "AUPRC")


def _operating(ax: Axes, of_task: Mapping[str, TaskCurves]) -> None:
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="false positive rate", ylabel="true positive rate")
    ax.axline((0, 0), slope=1, color=PALE, linestyle="--", linewidth=0.9)
    for (name, curves), color in zip(of_task.items(), COLORS, strict=False):
        _draw(ax, name, curves, "roc", "auroc", color)
    _legend(ax, "AUROC")


def _draw(ax: Axes, name: str, curves: TaskCurves, kind: str, area: str, color: str) -> None:
    if not curves.defined:
        ax.plot([], [], color=color, label=f"{_short(name)}: one class only")
        return
    curve: Curve = curves.curve(kind)
    step = "steps-pre" if kind == "pr" else "default"
    ax.plot(curve.x, curve.y, color=color, linewidth=1.4, drawstyle=step, label=_label(name, curves, area))
    if curve.low is not None and curve.high is not None:
        ax.fill_between(curve.x, curve.low, curve.high, color=color, alpha=0.18, linewidth=0,
                        step="pre" if kind == "pr" else None)  # fmt: skip


def _label(name: str, curves: TaskCurves, area: str) -> str:
    found = curves.area(area)
    spread = "" if found.sd is None else f" ± {found.sd:.3f}"
    n, n_all = len(curves.defined), len(curves.units)
    units = "" if n_all == 1 else f" ({n if n == n_all else f'{n} of {n_all}'})"
    return f"{_short(name)}: {number(found.mean)}{spread}{units}"


def _short(name: str) -> str:
    """Keep a name's two ends: what tells runs apart is often the last of it."""
    if len(name) <= _NAME:
        return name
    half = (_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _legend(ax: Axes, area: str) -> None:
    """Name the curves and their areas under the panel, where they hide nothing."""
    ax.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.17), borderaxespad=0, handlelength=1.4, title=area,
              alignment="left", title_fontproperties={"size": 8, "weight": "bold"})  # fmt: skip


def _title(curves: Curves, title: str) -> str:
    found = "Peaks told from background" if curves.positives == "peaks" else "Positive bins found"
    what = f"{title} · {found}" if title else found
    n = len(curves.tasks)
    return f"{what} (first {MAX_TASKS} of {n} tasks; --task picks)" if n > MAX_TASKS else what


def _caption(curves: Curves) -> str:
    n_units = max(len(of_task.defined) for by_task in curves.sources.values() for of_task in by_task.values())
    ranked = " Windows are ranked by predicted log count." if curves.positives == "peaks" else ""
    dashes = "Grey dashes: chance" if len(curves.sources) == 1 else "Dashes: chance"
    text = f"{dashes}, in the left panels the share of {curves.positives}.{ranked} Test windows."
    if n_units == 1:
        return text
    return (
        f"{text} Lines: mean over units (folds and seeds), averaged vertically, at each recall and at each false "
        "positive rate. Bands: ± 1 standard deviation over units (of two units, their range). Areas: mean ± standard "
        "deviation of the units' own (number of units)."
    )
