"""Draw the GC contents of peaks and of the background windows matched to them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasac.sampling.match_spec import MatchSpec
from kerasac.sampling.negatives import Negatives
from kerasac.steps.plots.style import BLUE, PALE, SOFT, VERMILLION, Floats, caption, panels, styled

_BIN = 0.01  # of GC content: a finer one would show how many bases of a window fall in each
_TAIL = 0.001  # of peaks, negatives or candidates, not shown at either end


@styled
def gc_distributions(negatives: Negatives, spec: MatchSpec, *, title: str = "") -> Figure:
    """Left: shares of peaks, negatives and candidates by GC content. Right: the negatives wanted, and those missing."""
    per_bin = max(1, round(_BIN / spec.bin_width))
    peaks, found = (np.bincount(spec.bins(gc), minlength=spec.n_bins) for gc in (negatives.peak_gc, negatives.gc))
    counts = {"peaks": peaks, "negatives": found, **negatives.by_gc._asdict()}
    binned = {name: _rebinned(values, per_bin) for name, values in counts.items()}
    edges: Floats = np.arange(len(binned["peaks"]) + 1, dtype=np.float64) * (per_bin * spec.bin_width)
    figure, axes = panels(1, 2, panel=(4.2, 2.9))
    _draw_shares(axes[0][0], binned, edges)
    _draw_missing(axes[0][1], binned, edges)
    limits = _limits([binned[name] for name in ("peaks", "negatives", "candidates")], edges)
    for ax in axes[0]:
        ax.set(xlim=limits, xlabel=f"GC content of {spec.width_bp:,} bases")
        ax.set_ylim(bottom=0)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, columnspacing=1.2, handlelength=1.4)
    figure.suptitle(f"{title} · GC content" if title else "GC content", x=0.02, ha="left")
    caption(
        figure,
        f"Negatives are within {spec.tolerance:g} of a peak's GC content. Missing: wanted by peaks of this GC "
        "content, but no candidate was left. Candidates: windows that touch no peak and nothing excluded.",
    )
    return figure


def _draw_shares(ax: Axes, counts: dict[str, Floats], edges: Floats) -> None:
    ax.stairs(_shares(counts["candidates"]), edges, fill=True, color=PALE, alpha=0.6, label="candidates")
    for name, color, style in (("peaks", BLUE, "-"), ("negatives", VERMILLION, "--")):
        ax.stairs(_shares(counts[name]), edges, color=color, linestyle=style, linewidth=1.4, label=name)
    ax.set_title("Distributions", fontweight="bold")
    ax.set_ylabel("share of windows")


def _draw_missing(ax: Axes, counts: dict[str, Floats], edges: Floats) -> None:
    wanted, missing = counts["wanted"], counts["missing"]
    ax.stairs(wanted, edges, color=SOFT, linewidth=1.1, label="wanted")
    ax.stairs(missing, edges, fill=True, color=VERMILLION, alpha=0.7, label="missing")
    ax.set_title(f"Missing  ({missing.sum():,.0f} of {wanted.sum():,.0f})", fontweight="bold")
    ax.set_ylabel("negatives, by the peak's GC")


def _rebinned(counts: npt.NDArray[np.int64], per_bin: int) -> Floats:
    """Add up every so many bins."""
    return np.add.reduceat(counts, np.arange(0, len(counts), per_bin)).astype(np.float64)


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / max(counts.sum(), 1), np.float64)


def _limits(counts: list[Floats], edges: Floats) -> tuple[float, float]:
    """Return the range that holds all but the tails of each of the distributions."""
    shares = np.stack([np.cumsum(_shares(values)) for values in counts])
    shown = np.flatnonzero(((shares > _TAIL) & (shares < 1 - _TAIL)).any(axis=0))
    low, high = (shown[0], shown[-1]) if len(shown) else (0, len(edges) - 2)
    return float(edges[max(low - 1, 0)]), float(edges[min(high + 3, len(edges) - 1)])
