"""Draw places of the genome: letters of contributions above observed and predicted profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasac.errors import InterpretError
from kerasac.interpret.plots.choices import Kind
from kerasac.interpret.plots.logo import draw_logo
from kerasac.interpret.plots.places import Place
from kerasac.interpret.plots.tracks import Floats, Track
from kerasac.steps.plots.style import BLUE, INK, SOFT, caption, headline, styled

MAX_LETTERS_BP = 400  # of a wider place a letter is too thin to be read: bars are drawn

_BASE_IN, _NARROW_IN, _WIDE_IN = 0.045, 7.0, 18.0  # width of a letter, least and most width of letters together
_BARS_IN = 12.0
_SHADE = "#ECEEF1"
_TEXTS_IN = 1.3  # what title, numbers and caption take
_HEIGHT_IN: Mapping[Kind, float] = {Kind.CONTRIBUTIONS: 1.25, Kind.OBSERVED: 0.8, Kind.PREDICTED: 0.8}
_COLOR: Mapping[Kind, str] = {Kind.CONTRIBUTIONS: INK, Kind.OBSERVED: INK, Kind.PREDICTED: BLUE}


@dataclass(frozen=True)
class Look:
    """How places are drawn.

    ``ymin`` and ``ymax`` are limits of contributions, None what is drawn; contributions nearer to 0 than ``threshold``
    are left out. ``minimal`` draws contributions alone, without axes and texts. With ``shared_scale``, tracks of equal
    units have one scale in all places.
    """

    ymin: float | None = None
    ymax: float | None = None
    threshold: float = 0.0
    minimal: bool = False
    shared_scale: bool = False
    title: str = ""

    def __post_init__(self) -> None:
        if self.ymin is not None and self.ymax is not None and self.ymin >= self.ymax:
            raise InterpretError(f"--ymin {self.ymin:g} is not below --ymax {self.ymax:g}")
        if self.threshold < 0:
            raise InterpretError(f"--threshold is {self.threshold:g}; give 0 or more")


Panel = list[Track]
"""Tracks that share axes: strands, one upwards and one downwards."""
Limits = Mapping[str, tuple[float, float]]
"""Limits of y, by units."""


def panels_of(tracks: Sequence[Track]) -> list[Panel]:
    """Put tracks that are strands of one profile together."""
    panels: list[Panel] = []
    for track in tracks:
        if track.sign < 0 and panels:
            panels[-1].append(track)
        else:
            panels.append([track])
    return panels


def shared_limits(drawn: Sequence[Sequence[Track]], look: Look) -> Limits:
    """Return the limits that tracks of several places have in common."""
    found: dict[str, tuple[float, float]] = {}
    for panel in (panel for tracks in drawn for panel in panels_of(tracks)):
        low, high = _ends(panel, look)
        before = found.get(panel[0].units, (low, high))
        found[panel[0].units] = min(low, before[0]), max(high, before[1])
    return found


@styled
def region_figure(place: Place, tracks: Sequence[Track], look: Look, limits: Limits | None = None) -> Figure:
    """Draw the tracks of a place below each other, over the same bases.

    ``limits`` of :func:`shared_limits` take the place of each track's own.

    Raises
    ------
    InterpretError
        When there is nothing to draw.
    """
    panels = panels_of(tracks)
    if look.minimal:
        panels = [panel for panel in panels if panel[0].kind is Kind.CONTRIBUTIONS]
        if not panels:
            raise InterpretError("--minimal draws contributions alone, and there are none; give --contributions FILE")
    figure, axes = _page(place, panels, look)
    for ax, panel in zip(axes, panels, strict=True):
        _draw(ax, place, panel, look)
        if not look.minimal:
            _shade(ax, place, panel)
        low, high = (limits or {}).get(panel[0].units) or _ends(panel, look)
        _limit(ax, panel, low, high, look)
        _finish(ax, panel[0])
    if look.minimal:
        for ax in axes:
            ax.set_axis_off()
        return figure
    axes[-1].tick_params(labelbottom=True)
    axes[-1].set_xlabel(f"{place.chrom}, bases (0-based)")
    headline(figure, " · ".join(filter(None, [look.title, f"{place}"])))
    caption(figure, _reading(place, panels, look))
    return figure


def _page(place: Place, panels: Sequence[Panel], look: Look) -> tuple[Figure, list[Axes]]:
    has_letters = place.width_bp <= MAX_LETTERS_BP
    width = min(max(_BASE_IN * place.width_bp, _NARROW_IN), _WIDE_IN) if has_letters else _BARS_IN
    heights = [_HEIGHT_IN[panel[0].kind] for panel in panels]
    grid: dict[str, Any] = {"height_ratios": heights}
    if look.minimal:
        figure = Figure(figsize=(width, sum(heights)))
        grid |= {"left": 0, "right": 1, "bottom": 0, "top": 1, "hspace": 0.05}
    else:
        figure = Figure(figsize=(width, sum(heights) + _TEXTS_IN), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, gridspec_kw=grid)
    return figure, list(axes[:, 0])


def _draw(ax: Axes, place: Place, panel: Panel, look: Look) -> None:
    edges = np.arange(place.start, place.end + 1)
    for track in panel:
        if track.kind is not Kind.CONTRIBUTIONS:
            ax.stairs(track.sign * np.nan_to_num(track.values), edges, fill=True, color=_COLOR[track.kind], linewidth=0)
            continue
        values = _kept(track, look)
        if place.width_bp <= MAX_LETTERS_BP:
            draw_logo(ax, values, start=place.start)
        else:
            ax.stairs(values.sum(axis=1), edges, fill=True, color=_COLOR[track.kind], linewidth=0)
    ax.set_xlim(place.start, place.end)


def _shade(ax: Axes, place: Place, panel: Panel) -> None:
    """Shade the bases that have no value."""
    edges = np.flatnonzero(np.diff(np.r_[False, _missing(panel), False])) + place.start
    for low, high in edges.reshape(-1, 2).tolist():
        ax.axvspan(low, high, color=_SHADE, linewidth=0, zorder=0)


def _missing(panel: Panel) -> npt.NDArray[np.bool_]:
    """Return whether each base has no value in any of the tracks, (L,)."""
    together = np.stack([np.isnan(track.values).reshape(len(track.values), -1).any(axis=1) for track in panel])
    return np.asarray(together.any(axis=0))


def _kept(track: Track, look: Look) -> Floats:
    """Return contributions without those that are not there or too small to be drawn."""
    values = np.nan_to_num(track.values)
    return np.where(np.abs(values) >= look.threshold, values, 0.0)


def _ends(panel: Panel, look: Look) -> tuple[float, float]:
    """Return the lowest and the highest point of what is drawn, 0 among them."""
    stacks = [
        _kept(track, look).sum(axis=1) if track.kind is Kind.CONTRIBUTIONS else track.sign * np.nan_to_num(track.values)
        for track in panel
    ]
    return min(float(one.min(initial=0)) for one in stacks), max(float(one.max(initial=0)) for one in stacks)


def _limit(ax: Axes, panel: Panel, low: float, high: float, look: Look) -> None:
    room = 0.06 * max(high - low, 1e-12)
    low, high = low - room if low < 0 else 0.0, high + room
    if panel[0].kind is Kind.CONTRIBUTIONS:
        low = low if look.ymin is None else look.ymin
        high = high if look.ymax is None else look.ymax
        if low >= high:
            raise InterpretError(
                f"limits of contributions from {low:g} to {high:g} leave nothing; give both --ymin and --ymax"
            )
    ax.set_ylim(low, high)


def _finish(ax: Axes, track: Track) -> None:
    if ax.get_ylim()[0] < 0:
        ax.axhline(0, color=SOFT, linewidth=0.5)
    ax.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
    if track.kind is not Kind.CONTRIBUTIONS:
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.tick_params(labelbottom=False)
    ax.set_ylabel(_lines(track.label), fontsize=8)


def _lines(label: str) -> str:
    """Break a label where it has a comma, and before what contributions are to."""
    return label.replace(", ", "\n").replace(" to ", "\nto ")


def _reading(place: Place, panels: Sequence[Panel], look: Look) -> str:
    """Say what the tracks are."""
    kinds = {panel[0].kind for panel in panels}
    said = []
    if Kind.CONTRIBUTIONS in kinds:
        what = "Letters are" if place.width_bp <= MAX_LETTERS_BP else "Bars are"
        small = f", from {look.threshold:g} on" if look.threshold else ""
        said.append(f"{what} as high as the contribution of the base that is there{small}.")
    if kinds - {Kind.CONTRIBUTIONS}:
        strands = any(len(panel) > 1 for panel in panels)
        ways = ", the first strand upwards, the second downwards" if strands else ""
        said.append(f"Profiles are in counts a base{ways}.")
    if any(_missing(panel).any() for panel in panels):
        said.append("Grey: bases that are in no window.")
    said.append(_scales(panels, look))
    return " ".join(said)


def _scales(panels: Sequence[Panel], look: Look) -> str:
    if not look.shared_scale:
        return "Each track is on its own scale."
    n_scales = len({panel[0].units for panel in panels})
    own = "Each track is on its own scale" if n_scales == len(panels) else "Tracks of the same units are on one scale"
    return f"{own}, the same in all places."
