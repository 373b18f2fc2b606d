"""Draw what a variant is predicted to change: the profiles of both alleles, and the contributions of their bases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from kerasac.interpret.plots.logo import draw_logo
from kerasac.interpret.variant_drawings import DrawnVariant
from kerasac.steps.plots.style import BLUE, INK, PALE, SOFT, VERMILLION, caption, headline, styled

Floats = npt.NDArray[np.float64]

PROFILE_BP, LOGO_BP = 300, 60  # bases that are drawn
_WIDTH_IN = 7.6
_SHOWN_ALLELE = 12  # letters of an allele in the title


@styled
def variant_figure(drawn: DrawnVariant) -> Figure:
    """Draw a variant: predicted counts of both alleles above, the contributions of their bases below.

    Of two tracks the first is drawn upwards, the second downwards; of more, their sum.
    """
    n_rows = 2 if drawn.profiles is None else 3
    figure = Figure(figsize=(_WIDTH_IN, 1.5 * n_rows + 1.3), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    axes = figure.subplots(n_rows, 1, height_ratios=[1.0] * n_rows)
    headline(figure, _title(drawn))
    if drawn.profiles is not None:
        _draw_profiles(axes[0], drawn.profiles, drawn.tracks)
    _draw_logos(axes[-2], axes[-1], drawn)
    caption(figure, _reading(drawn))
    return figure


def _draw_profiles(ax: Axes, profiles: Floats, tracks: tuple[str, ...]) -> None:
    if len(tracks) > 2:
        profiles = profiles.sum(axis=2, keepdims=True)
    width = profiles.shape[1]
    half = min(PROFILE_BP, width) // 2
    shown = slice(width // 2 - half, width // 2 + half)
    edges = np.arange(-half, half + 1) - 0.5
    for track, sign in zip(range(profiles.shape[2]), (1, -1), strict=False):
        ref, alt = (sign * profile[shown, track] for profile in profiles)
        names = ("reference", "alternate") if track == 0 else (None, None)
        ax.stairs(ref, edges, fill=True, color=PALE, linewidth=0, label=names[0])
        ax.stairs(alt, edges, color=BLUE, linewidth=1.1, baseline=None, label=names[1])
    ax.axvline(0, color=VERMILLION, linewidth=0.8, linestyle=":")
    if profiles.shape[2] == 2:
        ax.axhline(0, color=SOFT, linewidth=0.6)
        ax.text(0.005, 0.97, tracks[0], transform=ax.transAxes, va="top", fontsize=8, color=SOFT)
        ax.text(0.005, 0.03, tracks[1], transform=ax.transAxes, va="bottom", fontsize=8, color=SOFT)
    ax.set(xlim=(edges[0], edges[-1]), ylabel="predicted counts", xlabel="bases from the first changed one")
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, handlelength=1.4, borderaxespad=0.1)


def _draw_logos(above: Axes, below: Axes, drawn: DrawnVariant) -> None:
    middle = drawn.contributions.shape[1] // 2
    half = min(LOGO_BP, drawn.contributions.shape[1]) // 2
    limits = []
    for ax, values, letters, name in zip(
        (above, below), drawn.contributions, drawn.change[1:], ("reference", "alternate"), strict=True
    ):
        ax.axvspan(0, max(len(letters), 0.15), color=VERMILLION, alpha=0.16, linewidth=0)
        draw_logo(ax, values[middle - half : middle + half], start=-half)
        ax.axhline(0, color=SOFT, linewidth=0.5)
        ax.set_ylabel(name, color=INK)
        ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(3))
        limits.append(ax.get_ylim())
    low, high = min(one[0] for one in limits), max(one[1] for one in limits)
    for ax in (above, below):
        ax.set_ylim(low, high)
    explained = "value" if drawn.profiles is None else "log counts"
    above.set_title(f"Contributions of the bases to the {explained}, on one scale", fontweight="bold")
    below.set_xlabel("bases from the first changed one")


def _title(drawn: DrawnVariant) -> str:
    variant = drawn.variant
    name = "" if variant.name == "." else f"{variant.name} · "
    alleles = f"{_short(variant.ref)} → {_short(variant.alt)}"
    return f"{name}{variant.chrom}:{variant.position:,} {alleles} · {drawn.target}"


def _number(name: str, value: float) -> str:
    if name.endswith("_counts"):
        return f"{value:,.0f}"
    return f"{value:.3f}" if name == "jsd" else f"{value:+.3f}"


def _short(allele: str) -> str:
    """Return an allele, or its ends and its length where it is long."""
    if len(allele) <= _SHOWN_ALLELE:
        return allele or "–"
    return f"{allele[:4]}…{allele[-4:]} ({len(allele)} bases)"


def _reading(drawn: DrawnVariant) -> str:
    scores = ", ".join(f"{name} {_number(name, value)}" for name, value in drawn.scores.items() if not np.isnan(value))
    models = f"mean of {drawn.n_models} models" if drawn.n_models > 1 else "one model"
    seen = ", not trained on this chromosome" if drawn.held_out else ""
    text = f"{scores}; {models}{seen}. Profiles are the mean of both strands' predictions."
    if drawn.change.ref and drawn.change.alt and len(drawn.change.ref) == len(drawn.change.alt):
        return text
    return f"{text} The bases that follow the change are the genome's in both, so one lies shifted."
