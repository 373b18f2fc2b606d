"""Draw how many epochs each configuration of a study got, fold by fold."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kerasac.steps.metric_summary import fold_of, unit_order
from kerasac.steps.plots.style import BLUE, INK, ORANGE, PALE, SOFT, VERMILLION, caption, headline, panels, styled
from kerasac.steps.study_results import StudyResult, Tried

_WIDTH_IN, _ROW_IN, _MANY_IN = 5.6, 0.21, 6.5
_LABELLED = 40  # rows; of more, only the best and the default are named
_NAME_LETTERS = 30
_STATES = {"complete": BLUE, "dropped": ORANGE, "unfinished": PALE, "failed": INK}


@styled
def race_bars(result: StudyResult) -> Figure:
    """One bar a configuration, the best on top, cut into folds; the colour is what became of it."""
    rows = list(result.tried)
    height_in = max(0.5, _ROW_IN * len(rows)) if len(rows) <= _LABELLED else _MANY_IN
    figure, axes = panels(1, 1, panel=(_WIDTH_IN, height_in + 0.9))
    ax: Axes = axes[0, 0]
    for row, one in enumerate(rows):
        _bar(ax, row, one, is_best=one is result.winner, is_thin=len(rows) > _LABELLED)
    _whole(ax, result)
    _names(ax, result, rows)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, _reach(result) * 1.03)
    ax.set_xlabel("epochs trained, all folds and seeds together")
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)
    _legend(ax, result)
    headline(figure, "Where the epochs went")
    caption(figure, _caption(result))
    return figure


def _bar(ax: Axes, row: int, one: Tried, *, is_best: bool, is_thin: bool) -> None:
    start = 0
    folds: dict[str, int] = {}
    for name in sorted(one.units, key=unit_order):
        folds[fold_of(name)] = folds.get(fold_of(name), 0) + one.units[name].epochs
    colour = VERMILLION if is_best else _STATES[one.state]
    for epochs in folds.values():
        width = 0.0 if is_thin else 1.0
        ax.barh(
            row, epochs, left=start, height=1.0 if is_thin else 0.74, color=colour, edgecolor="white", linewidth=width
        )
        start += epochs


def _whole(ax: Axes, result: StudyResult) -> None:
    each = _each(result)
    if each:
        ax.axvline(each, color=SOFT, linestyle=(0, (3, 2)), linewidth=1.0)


def _each(result: StudyResult) -> float | None:
    """Return the epochs that the grid would give each configuration."""
    return result.epochs_of_grid / len(result.tried) if result.epochs_of_grid and result.tried else None


def _reach(result: StudyResult) -> float:
    return max([1.0, _each(result) or 0.0, *(float(one.epochs) for one in result.tried)])


def _names(ax: Axes, result: StudyResult, rows: Sequence[Tried]) -> None:
    named = [(row, one) for row, one in enumerate(rows)
             if len(rows) <= _LABELLED or one is result.winner or one.is_default]  # fmt: skip
    ax.set_yticks([row for row, _ in named], [_name(result, one) for _, one in named])
    ax.tick_params(axis="y", length=0, labelcolor=INK, labelsize=8)


def _name(result: StudyResult, one: Tried) -> str:
    text = one.name if len(one.name) <= _NAME_LETTERS else f"{one.name[:14]}…{one.name[-15:]}"
    marks = [mark for mark, holds in (("best", one is result.winner), ("default", one.is_default)) if holds]
    return f"{text} ({', '.join(marks)})" if marks and one.name not in marks else text


def _legend(ax: Axes, result: StudyResult) -> None:
    present = [
        state for state in _STATES if any(one.state == state and one is not result.winner for one in result.tried)
    ]
    patches = [Patch(color=VERMILLION, label="best")] if result.winner else []
    patches += [Patch(color=_STATES[state], label=state) for state in present]
    ax.legend(handles=patches, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=5, handlelength=1.0, borderaxespad=0.2)


def _caption(result: StudyResult) -> str:
    pieces = ", and each piece of it a fold" if len(result.tried) <= _LABELLED else ""
    text = f"A bar is a configuration, the best on top{pieces}."
    if not _each(result):
        return text
    return f"{text} Dashed line: what each would get without a race."
