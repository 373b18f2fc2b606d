"""Draw what the bases around 5' ends say about how a file is shifted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from kerasac.cache import whole_file
from kerasac.steps.plots.style import (
    BLUE,
    DPI,
    GREY,
    INK,
    ORANGE,
    PALE,
    SOFT,
    VERMILLION,
    Floats,
    caption,
    panels,
    styled,
)
from kerasac.store.reads.shift import FLANK_BP, MIN_STRENGTH, OFFSETS, ShiftEvidence, StrandFit

_SHOWN = range(-16, 21)  # bases from the recorded 5' end, downstream
_COLORS = dict(zip("ACGT", ("#009E73", BLUE, ORANGE, VERMILLION), strict=True))
_LETTER = FontProperties(family="DejaVu Sans", weight="bold")  # matplotlib brings it


@styled
def shift_evidence(evidence: ShiftEvidence, *, title: str = "") -> Figure:
    """Logos of both strands' sequence around recorded 5' ends, and the motif's strength at each offset from them."""
    figure, axes = panels(3, 1, panel=(7.4, 1.9))
    for ax, fit, strand in zip(axes[:2, 0], (evidence.plus, evidence.minus), ("plus", "minus"), strict=True):
        _draw_logo(ax, fit, clear=evidence.problem is None)
        ax.set_title(f"{strand} strand, {fit.n_sampled:,} 5' ends", fontweight="bold")
        ax.set_xlabel("bases downstream of the recorded 5' end")
    _draw_strengths(axes[2, 0], evidence)
    figure.suptitle(f"{title} · 5' ends" if title else "5' ends", x=0.02, ha="left")
    summary = f"{evidence.summary[0].upper()}{evidence.summary[1:]}."
    caption(figure, f"{summary} Solid line: recorded 5' end. Dashed: the enzyme's. Letters: relative entropy.")
    return figure


def write_shift_plot(path: Path, evidence: ShiftEvidence, *, title: str = "") -> None:
    """Write the figure as PNG."""
    with whole_file(path) as beside:
        shift_evidence(evidence, title=title).savefig(beside, format="png", dpi=DPI)


def _draw_logo(ax: Axes, fit: StrandFit, *, clear: bool) -> None:
    """Stack letters whose heights sum to the relative entropy against the background, in bits."""
    rows = fit.frequencies[FLANK_BP + _SHOWN.start : FLANK_BP + _SHOWN.stop]
    bits = (rows * np.log2(rows / fit.background)).sum(axis=1)
    for x, heights in zip(_SHOWN, rows * bits[:, None], strict=True):
        _draw_stack(ax, x, heights)
    ax.axvline(-0.5, color=INK, linewidth=0.9)
    if clear:
        ax.axvline(fit.best - 0.5, color=INK, linewidth=0.9, linestyle="--")
    ax.set_xlim(_SHOWN.start - 0.6, _SHOWN.stop - 0.4)
    ax.set_ylim(0, max(1.1 * float(bits.max()), 0.02))
    ax.set_ylabel("bits")


def _draw_stack(ax: Axes, x: int, heights: Floats) -> None:
    bottom = 0.0
    for base in np.argsort(heights):
        letter = "ACGT"[base]
        glyph = TextPath((0, 0), letter, size=1, prop=_LETTER)
        box = glyph.get_extents()
        scaled = Affine2D().translate(-box.x0, -box.y0).scale(0.9 / box.width, heights[base] / box.height)
        placed = scaled.translate(x - 0.45, bottom)
        ax.add_patch(PathPatch(placed.transform_path(glyph), color=_COLORS[letter], linewidth=0))
        bottom += float(heights[base])


def _draw_strengths(ax: Axes, evidence: ShiftEvidence) -> None:
    for fit, name, color, side in ((evidence.plus, "plus", BLUE, -0.2), (evidence.minus, "minus", VERMILLION, 0.2)):
        ax.bar(OFFSETS + side, fit.strengths, width=0.4, color=color, label=name)
    ax.axhline(0, color=SOFT, linewidth=0.7)
    ax.axhline(1, color=PALE, linewidth=0.9, linestyle="--")
    ax.axhline(MIN_STRENGTH, color=GREY, linewidth=0.9, linestyle=":")
    ax.set_xticks(OFFSETS)
    ax.set_title(f"{evidence.motif.enzyme} motif: where the true 5' ends lie", fontweight="bold")
    ax.set_xlabel("bases downstream of the recorded 5' end (dashed: usual strength; dotted: least that is believed)")
    ax.set_ylabel("strength")
    ax.legend(loc="upper right")
