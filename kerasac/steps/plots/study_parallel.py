"""Draw every configuration of a study as a line through its values and its objective."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from kerasac.steps.plots.study_scale import Scale, scale_of
from kerasac.steps.plots.style import BLUE, INK, PALE, SOFT, VERMILLION, Floats, caption, headline, panels, styled
from kerasac.steps.study_results import StudyResult, Tried

_AXIS_IN, _HEIGHT_IN = 1.3, 3.5
_TITLE_LETTERS, _TICK_LETTERS = 15, 13
_BELOW = -0.13  # where the lines of configurations end that have no objective to compare
_SPREAD = 0.028  # up and down, of lines through one value
_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.88, "pad": 0.8}
# Pale to dark, told apart with any colour vision and in grey.
_COLOURS = LinearSegmentedColormap.from_list("objective", ["#BCD6E8", "#4F97C4", BLUE, "#00304F"])


@styled
def parallel_coordinates(result: StudyResult) -> Figure:
    """One vertical axis a varied key, the last one the objective with the best at the top, one line a configuration."""
    drawn = [one for one in result.tried if one.summary.mean is not None or one.values or one.is_default]
    figure, axes = panels(1, 1, panel=(_AXIS_IN * (len(result.keys) + 1), _HEIGHT_IN))
    ax: Axes = axes[0, 0]
    scales = [scale_of([one.values.get(key) for one in drawn]) for key in result.keys]
    objective, is_turned = _objective_scale(result), result.better == "lower"
    places = _places(result, drawn, scales, objective)
    for row in range(len(drawn) - 1, -1, -1):  # the best last, on top
        _line(ax, result, drawn[row], places[row])
    for at, (key, scale) in enumerate(zip(result.keys, scales, strict=True)):
        _axis(ax, at, _broken(key), scale)
    _axis(ax, len(scales), _broken(result.objective_key), objective, is_turned=is_turned)
    _finish(ax, result, with_below=any(_value(one) is None for one in drawn))
    headline(figure, "Values and objective of each configuration")
    caption(figure, _caption(result, drawn))
    return figure


def _value(one: Tried) -> float | None:
    """Return the objective that is compared: that of a configuration trained on all units to the end."""
    return one.summary.mean if one.state == "complete" else None


def _objective_scale(result: StudyResult) -> Scale:
    values = [value for one in result.tried if (value := _value(one)) is not None]
    return scale_of(values or [0.0], is_log=False)


def _places(result: StudyResult, drawn: Sequence[Tried], scales: Sequence[Scale], objective: Scale) -> Floats:
    """Return where each line crosses each axis, shape (configurations, keys + 1)."""
    columns = [_spread([scale.place(one.values.get(key)) for one in drawn])
               for key, scale in zip(result.keys, scales, strict=True)]  # fmt: skip
    values = [_value(one) for one in drawn]
    ends = [_BELOW if value is None else objective.place(value) for value in values]
    if result.better == "lower":
        ends = [end if value is None else 1 - end for end, value in zip(ends, values, strict=True)]
    return np.column_stack([*columns, np.array(ends)]).astype(np.float64)


def _spread(places: Sequence[float]) -> Floats:
    """Move lines apart that pass through one value, in order, the best highest."""
    spread = np.array(places, dtype=np.float64)
    for place in set(places):
        rows = np.flatnonzero(spread == place)
        if len(rows) > 1:
            width = min(_SPREAD, 0.008 * len(rows))
            spread[rows] = place + np.linspace(width, -width, len(rows))
    return spread


def _line(ax: Axes, result: StudyResult, one: Tried, places: Floats) -> None:
    """Draw a configuration; what stands out lies on top."""
    x, y = _smooth(places)
    value = _value(one)
    if one is result.winner:
        ax.plot(x, y, color="white", linewidth=4.4, zorder=8)
        ax.plot(x, y, color=VERMILLION, linewidth=2.4, zorder=9, label="best")
        ax.plot(range(len(places)), places, "o", color=VERMILLION, markersize=5, markeredgecolor="white", zorder=9)
    elif one.is_default:
        ax.plot(x, y, color=INK, linewidth=1.6, linestyle=(0, (5, 2)), zorder=7, label="default")
        ax.plot(range(len(places)), places, "s", color=INK, markersize=4.5, markeredgecolor="white", zorder=7)
    elif value is None:
        ax.plot(x, y, color=PALE, linewidth=0.8, linestyle=(0, (3, 2)), zorder=2)
    else:
        span, colours = _colours(result)
        ax.plot(x, y, color=colours(span(value)), linewidth=1.3, alpha=0.9, zorder=4)


def _smooth(places: Floats, n: int = 16) -> tuple[Floats, Floats]:
    """Return a curve that is level at every axis, so that lines through one value can be followed."""
    if len(places) < 2:
        return np.arange(len(places), dtype=np.float64), places
    step = np.linspace(0, 1, n, endpoint=False)
    rise = step**2 * (3 - 2 * step)
    x = (np.arange(len(places) - 1)[:, None] + step).ravel()
    y = (places[:-1, None] + np.diff(places)[:, None] * rise).ravel()
    return np.append(x, len(places) - 1.0), np.append(y, places[-1])


def _axis(ax: Axes, at: int, title: str, scale: Scale, *, is_turned: bool = False) -> None:
    ax.plot([at, at], [-0.02, 1.02], color=SOFT, linewidth=0.9, zorder=5)
    for place, text in scale.ticks:
        y = 1 - place if is_turned else place
        ax.plot([at - 0.02, at + 0.02], [y, y], color=SOFT, linewidth=0.9, zorder=5)
        ax.text(at + 0.06, y, _cut(text), fontsize=8, va="center", color=INK, zorder=10, bbox=_BOX)
    ax.text(at, 1.07, title, fontsize=8.5, ha="center", va="bottom", fontweight="bold", linespacing=1.1)


def _finish(ax: Axes, result: StudyResult, *, with_below: bool) -> None:
    last = len(result.keys)
    if with_below:
        ax.text(last + 0.06, _BELOW, "not\ncompared", fontsize=8, va="center", color=SOFT, linespacing=1.0)
    ax.set_xlim(-0.5, last + 0.62)
    ax.set_ylim(_BELOW - 0.06 if with_below else -0.06, 1.27)
    ax.set_axis_off()
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, -0.1), ncols=2, handlelength=2.4, columnspacing=1.4)


def _colours(result: StudyResult) -> tuple[Normalize, Colormap]:
    """Map objectives to colours, the best to the darkest."""
    values = [value for one in result.tried if (value := _value(one)) is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    span = Normalize(low, high if high > low else low + 1e-12)
    return span, _COLOURS.reversed() if result.better == "lower" else _COLOURS


def _broken(key: str) -> str:
    """Break a dotted key into lines that fit above its axis."""
    lines: list[str] = []
    for part in re.findall(r"[^._]+[._]?", key):
        if lines and len(lines[-1]) + len(part) <= _TITLE_LETTERS:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(lines)


def _cut(text: str) -> str:
    return text if len(text) <= _TICK_LETTERS else f"{text[: _TICK_LETTERS - 1]}…"


def _caption(result: StudyResult, drawn: Sequence[Tried]) -> str:
    parts = ["A line is a configuration; the best objective is at the top of the last axis, and darker."]
    absent = len([one for one in drawn if _value(one) is None])
    if absent:
        parts.append(
            f"Dashed, pale: {absent} that were dropped or not finished, whose scores come from less training and are "
            "not on this axis."
        )
    if any(one.values.get(key) is None for one in drawn for key in result.keys):
        parts.append("Not set: the key is as the experiment has it.")
    if len(drawn) > 1:
        parts.append("Lines through one value are moved apart, the better the higher.")
    return " ".join(parts)
