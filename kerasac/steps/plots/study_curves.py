"""Draw the validation loss of each configuration of a study, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasac.steps.plots.style import BLUE, INK, PALE, SOFT, VERMILLION, Floats, caption, headline, panels, styled
from kerasac.steps.study_results import StudyResult, Tried
from kerasac.steps.study_values import value_text

MAX_PANELS = 12
_COLUMNS, _PANEL_IN = 3, (2.1, 1.55)
_MAX_PALE = 60  # lines behind a panel
_VALUES_LETTERS = 30
# Keys beneath these change what the validation loss is a loss of.
_OTHER_LOSS = ("loss", "outputs", "labels", "sampling", "inputs", "datasets", "folds")


class _Curve(NamedTuple):
    """The validation loss of a configuration by epoch, over as many epochs as all its units were trained."""

    epochs: Floats
    mean: Floats
    low: Floats
    high: Floats


@styled
def loss_curves(result: StudyResult) -> Figure:
    """A panel for each of the best configurations and the default: mean over units with a band from least to most.

    Behind it the other configurations, pale, and the best, thin, where their losses can be set side by side.
    """
    curves = {one.name: curve for one in result.tried if (curve := _curve(one)) is not None}
    drawn = _drawn(result, list(curves))
    others = () if _differing(result) else _pale(list(curves.values()))
    n_rows = max(1, math.ceil(len(drawn) / _COLUMNS))
    columns = min(_COLUMNS, max(1, len(drawn)))
    figure, axes = panels(n_rows, columns, panel=_PANEL_IN if columns > 1 else (5.0, 2.4))
    figure.set_figwidth(max(figure.get_figwidth(), _PANEL_IN[0] * _COLUMNS + 0.3))
    winner = result.winner
    for ax, one in zip(axes.ravel(), drawn, strict=False):
        best = curves.get(winner.name) if winner and one is not winner and not _differing(result) else None
        _panel(ax, one, curves[one.name], others, best=best, is_best=one is winner)
        ax.set_title(_title(result, one), fontsize=8, linespacing=1.25)
    _limit(result, list(axes.ravel()[: len(drawn)]), [curves[one.name] for one in drawn])
    for ax in axes.ravel()[len(drawn) :]:
        ax.set_axis_off()
    _label(axes.tolist(), n_drawn=len(drawn), is_empty=not drawn)
    headline(figure, "Validation loss by epoch")
    caption(figure, _caption(result, len(curves), len(drawn)))
    return figure


def _curve(one: Tried) -> _Curve | None:
    """Return the mean, least and most over the units, up to the last epoch of the shortest; None without a history."""
    histories = [[entry[2] for entry in unit.history] for unit in one.units.values() if unit.history]
    n = min(map(len, histories), default=0)
    if not n:
        return None
    losses = np.array([history[:n] for history in histories], dtype=np.float64)
    losses[~np.isfinite(losses)] = np.nan
    kept = ~np.isnan(losses).any(axis=0)
    if not kept.any():
        return None
    losses, epochs = losses[:, kept], np.arange(1, n + 1, dtype=np.float64)[kept]
    return _Curve(epochs, losses.mean(axis=0), losses.min(axis=0), losses.max(axis=0))


def _drawn(result: StudyResult, known: Sequence[str]) -> list[Tried]:
    """Return the configurations that have a panel: the best, and the default wherever it came."""
    with_curve = [one for one in result.tried if one.name in known]
    first = with_curve[:MAX_PANELS]
    default = next((one for one in with_curve if one.is_default), None)
    return first if default is None or default in first else [*first[:-1], default]


def _pale(curves: Sequence[_Curve]) -> list[_Curve]:
    return list(curves[:: max(1, math.ceil(len(curves) / _MAX_PALE))])


def _differing(result: StudyResult) -> list[str]:
    """Return the keys that vary and change what the loss is: then it cannot be set side by side."""
    return [key for key in result.keys if key.split(".")[0] in _OTHER_LOSS]


def _panel(
    ax: Axes, one: Tried, curve: _Curve, others: Sequence[_Curve], *, best: _Curve | None, is_best: bool
) -> None:
    for other in others:
        ax.plot(other.epochs, other.mean, color=PALE, linewidth=0.5, alpha=0.7, zorder=1, rasterized=len(others) > 20)
    if best is not None:
        ax.plot(best.epochs, best.mean, color=VERMILLION, linewidth=1.0, zorder=2)
    colour = VERMILLION if is_best else INK if one.is_default else BLUE
    ax.fill_between(curve.epochs, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0, zorder=3)
    marker = "o" if len(curve.epochs) < 3 else None
    ax.plot(curve.epochs, curve.mean, color=colour, linewidth=1.7, marker=marker, markersize=3, zorder=4,
            linestyle="--" if one.is_default and not is_best else "-")  # fmt: skip
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(4))


def _limit(result: StudyResult, axes: Sequence[Axes], curves: Sequence[_Curve]) -> None:
    """Give all panels the same epochs, and where losses can be set side by side the same losses, without outliers."""
    if not curves:
        return
    last = max(float(curve.epochs[-1]) for curve in curves)
    for ax in axes:
        ax.set_xlim(0.5, last + 0.5)
    groups = [[curve] for curve in curves] if _differing(result) else [list(curves)] * len(axes)
    for ax, group in zip(axes, groups, strict=True):
        low = min(float(curve.low.min()) for curve in group)
        values = np.concatenate([curve.mean for curve in group])
        high = max(float(np.quantile(values, 0.97)), float(np.median([curve.mean[0] for curve in group])))
        margin = 0.06 * (high - low) or max(abs(high) * 0.05, 1e-6)
        ax.set_ylim(low - margin, high + margin)


def _label(axes: Sequence[Sequence[Axes]], *, n_drawn: int, is_empty: bool) -> None:
    if is_empty:
        axes[0][0].text(0, 0.5, "No training has a validation loss yet.", va="center", color=SOFT)
        return
    columns = len(axes[0])
    for at in range(n_drawn):
        row, column = divmod(at, columns)
        if column == 0:
            axes[row][column].set_ylabel("validation loss")
        if at + columns >= n_drawn:
            axes[row][column].set_xlabel("epoch")


def _title(result: StudyResult, one: Tried) -> str:
    """Say which it is, and its values beneath."""
    rank = f"{one.rank}." if one.rank is not None else f"{one.state}:"
    name = "best" if one is result.winner else "default" if one.is_default else ""
    shown = [value_text(one.values[key]) for key in result.keys if one.values.get(key) is not None]
    values = ", ".join(shown) or "as the experiment"
    cut = values if len(values) <= _VALUES_LETTERS else f"{values[: _VALUES_LETTERS - 1]}…"
    return f"{rank} {name}\n{cut}" if name else f"{rank}\n{cut}"


def _caption(result: StudyResult, n_curves: int, n_drawn: int) -> str:
    if not n_drawn:
        return ""
    values = f"Titles: rank and values of {', '.join(result.keys)}. " if result.keys else ""
    text = (
        f"{values}Lines: mean over folds and seeds, as far as all of them were trained; bands: their least and most. "
        "Orange: the best; dashed: the default."
    )
    differing = _differing(result)
    if differing:
        return f"{text} {', '.join(differing)} changes what the loss is: heights do not compare between panels."
    if n_curves > 1:
        text = f"{text} Pale: other configurations, in all panels on the same scale; the highest losses are cut off."
    return f"{text} {n_curves - n_drawn} more configurations have no panel." if n_curves > n_drawn else text
