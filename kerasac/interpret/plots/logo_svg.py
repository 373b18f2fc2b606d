"""Write logos into HTML pages as SVG, in which each letter's outline is there once a page."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.path import Path

from kerasac.interpret.plots.logo import COLORS, glyph, stacked

Floats = npt.NDArray[np.floating[Any]]

_LETTER_PX, _HEIGHT_PX = 22, 96
_LEAST_PX = 0.25  # lower letters are left out
_VERBS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}


def letter_outlines() -> str:
    """Return an SVG without size that defines the letters; a page needs it once, before its logos."""
    symbols = "".join(f'<path id="letter-{letter}" fill="{COLORS[letter]}" d="{_data(letter)}"/>' for letter in COLORS)
    return f'<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>{symbols}</defs></svg>'


def logo_svg(heights: Floats, label: str, *, top: float | None = None, low: float | None = None) -> str:
    """Return a logo as an SVG of its own width; ``label`` is read to those who do not see it.

    Parameters
    ----------
    heights : array, shape (L, 4), in A, C, G, T order.
    top, low
        Values at the upper and the lower edge, by default the highest stack's, and the lowest's or 0.
    """
    values = np.asarray(heights, dtype=np.float64)
    ends = np.maximum(values, 0).sum(axis=1).max(initial=0.0), np.minimum(values, 0).sum(axis=1).min(initial=0.0)
    upper, lower = (end if given is None else given for end, given in zip(ends, (top, low), strict=True))
    scale = _HEIGHT_PX / max(upper - lower, 1e-12)
    base_px = upper * scale
    width = _LETTER_PX * len(values)
    letters = "".join(_letters(values, base_px, scale))
    line = f'<line x1="0" x2="{width}" y1="{base_px:.1f}" y2="{base_px:.1f}" stroke="#8A8F98" stroke-width="1"/>'
    size = f'viewBox="0 -1 {width} {_HEIGHT_PX + 2}" width="{width}" height="{_HEIGHT_PX + 2}"'
    return f'<svg class="logo" role="img" aria-label="{escape(label, quote=True)}" {size}>{letters}{line}</svg>'


def _letters(heights: npt.NDArray[np.float64], base_px: float, scale: float) -> list[str]:
    bottoms = stacked(heights)
    drawn = np.argwhere(np.abs(heights) * scale >= _LEAST_PX)
    return [
        f'<use href="#letter-{"ACGT"[base]}" transform="translate({_LETTER_PX * i + 0.5:g} '
        f'{base_px - bottoms[i, base] * scale:.2f}) scale({_LETTER_PX - 1} {-heights[i, base] * scale:.2f})"/>'
        for i, base in drawn.tolist()
    ]


def _data(letter: str) -> str:
    """Return a letter's outline in the unit square as SVG path data."""
    parts = []
    for vertices, code in glyph(letter).iter_segments(simplify=False):
        if code == Path.CLOSEPOLY:
            parts.append("Z")
        else:
            parts.append(_VERBS[code] + " ".join(f"{value:.4g}" for value in vertices))
    return "".join(parts)
