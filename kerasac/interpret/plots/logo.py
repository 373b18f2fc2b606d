"""Draw sequence logos: letters as high as a value a base."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from kerasac.errors import InterpretError

Floats = npt.NDArray[np.floating[Any]]

BASES = "ACGT"
# Green, blue, amber and red, as logos have them, of shades with a contrast of at least 3 to white and a CIE76 distance
# of at least 37 from each other, with normal vision and without one of the three cones (Machado et al. 2009).
COLORS: Mapping[str, str] = {"A": "#19A68E", "C": "#134288", "G": "#C78300", "T": "#AB092A"}
_FONT = FontProperties(family="DejaVu Sans", weight="bold")  # which matplotlib brings
_GAP = 0.03  # of a base, free at each side of a letter


def draw_logo(axes: Axes, heights: Floats, *, start: int = 0) -> None:
    """Draw a letter a base and position; position ``i`` takes x from ``start + i`` to ``start + i + 1``.

    The letters of a position that are above 0 are stacked upwards from it, the higher ones on top; those below 0 hang
    upside down, the longer ones lowest. Zeros have no letter. Limits of the axes are set to what is drawn.

    Parameters
    ----------
    heights : array, shape (L, 4), in A, C, G, T order: contributions, probabilities, bits.

    Raises
    ------
    InterpretError
        For another shape, or a height that is not a finite number.
    """
    checked = _checked(heights)
    bottoms = stacked(checked)
    for base, (letter, color) in enumerate(COLORS.items()):
        path = _letters(glyph(letter), checked[:, base], bottoms[:, base], start)
        if path is not None:
            axes.add_artist(PathPatch(path, facecolor=color, edgecolor="none", linewidth=0))
    low, high = np.minimum(checked, 0).sum(axis=1), np.maximum(checked, 0).sum(axis=1)
    axes.update_datalim([(start, low.min(initial=0)), (start + len(checked), high.max(initial=0))])
    axes.set_xlim(start, start + max(len(checked), 1))
    axes.autoscale_view(scalex=False)


def information_heights(probabilities: Floats, background: Floats | None = None) -> npt.NDArray[np.float64]:
    """Return letters' heights in bits of a motif: each probability times the position's information.

    The information is the relative entropy to ``background`` (4,), by default even: sum of p·log2(p / background).
    Schneider & Stephens 1990, without their correction for small samples.

    Parameters
    ----------
    probabilities : array, shape (L, 4); rows sum to 1.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    q = np.full(4, 0.25) if background is None else np.asarray(background, dtype=np.float64)
    bits = np.where(p > 0, p * np.log2(np.where(p > 0, p, 1.0) / q), 0.0).sum(axis=1, keepdims=True)
    return np.asarray(p * np.maximum(bits, 0.0))


def stacked(heights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return where each letter begins, (L, 4): on the smaller ones of its sign."""
    order = np.argsort(np.abs(heights), axis=1, kind="stable")
    ranked = np.take_along_axis(heights, order, axis=1)
    begins = np.where(ranked > 0, _sum_before(np.maximum(ranked, 0)), _sum_before(np.minimum(ranked, 0)))
    bottoms = np.empty_like(heights)
    np.put_along_axis(bottoms, order, begins, axis=1)
    return bottoms


@cache
def glyph(letter: str) -> Path:
    """Return a letter's outline, scaled to fill the unit square."""
    path = TextPath((0, 0), letter, size=100, prop=_FONT).cleaned(curves=True)
    # What closes a loop, and what ends the path, has no place of its own.
    vertices, codes = np.asarray(path.vertices, dtype=np.float64), np.asarray(path.codes)
    drawn = ~np.isin(codes, (Path.STOP, Path.CLOSEPOLY))
    low, high = np.array(path.get_extents())
    vertices = np.where(drawn[:, None], (vertices - low) / (high - low), 0.0)
    kept = codes != Path.STOP
    return Path(vertices[kept], codes[kept])


def _checked(heights: Floats) -> npt.NDArray[np.float64]:
    checked = np.asarray(heights, dtype=np.float64)
    if checked.ndim != 2 or checked.shape[1] != 4:
        raise InterpretError(
            f"heights of a logo have shape {checked.shape}; expected (positions, 4), in A, C, G, T order"
        )
    odd = np.flatnonzero(~np.isfinite(checked).all(axis=1))
    if len(odd):
        raise InterpretError(
            f"position {odd[0]} of a logo has the heights {checked[odd[0]].tolist()}; give finite numbers"
        )
    return checked


def _sum_before(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.cumsum(values, axis=1) - values)


def _letters(
    outline: Path, heights: npt.NDArray[np.float64], bottoms: npt.NDArray[np.float64], start: int
) -> Path | None:
    """Return one path of all copies of a letter; None where there is none."""
    at = np.flatnonzero(heights)
    if not len(at):
        return None
    corners = np.stack([start + at + _GAP, bottoms[at]], axis=1)
    scales = np.stack([np.full(len(at), 1 - 2 * _GAP), heights[at]], axis=1)
    vertices = corners[:, None, :] + np.asarray(outline.vertices)[None] * scales[:, None, :]
    return Path(vertices.reshape(-1, 2), np.tile(np.asarray(outline.codes), len(at)))
