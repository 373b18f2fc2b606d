"""Draw what motifs do in backgrounds: their effects above each other, their footprints, and pairs by distance."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from kerasac.interpret.marginal import Marginal, estimate
from kerasac.interpret.marginal_design import FORWARD
from kerasac.steps.plots.style import BLUE, GREY, ORANGE, PALE, SOFT, VERMILLION, caption, headline, panels, styled

MAX_EFFECTS, MAX_FOOTPRINTS = 30, 8  # motifs that are drawn, those with the largest effects
FOOTPRINT_BP = 200
_WIDTH_IN = 7.6
_NAMES = {"log2fc": "log2 fold change of counts", "log_odds": "change of log odds", "difference": "change of the value"}


@styled
def marginal_figure(marginal: Marginal) -> Figure:
    """Draw the effects of motifs beside those of their scrambled sites, and below them mean footprints."""
    order = _order(marginal)
    shown = order[:MAX_EFFECTS]
    drawn = order[:MAX_FOOTPRINTS] if marginal.footprints.size else []
    n_rows = -(-len(drawn) // 2)
    above_in, row_in = 0.9 + 0.24 * len(shown), 1.7
    size = (_WIDTH_IN, above_in + row_in * n_rows + 0.9)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    # Each part has margins of its own: names of motifs take no room beside footprints.
    heights = [above_in, row_in * n_rows] if drawn else [above_in]
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)
    _draw_effects(parts[0, 0].subplots(), marginal, shown)
    for place, motif in enumerate(drawn):
        ax = parts[1, 0].add_subplot(n_rows, 2, place + 1)
        _draw_footprint(ax, marginal, motif, is_first=place == 0)
        if place >= len(drawn) - 2:
            ax.set_xlabel("bases from the site's middle")
    what = f"{len(order)} motif{'s' if len(order) > 1 else ''} in {marginal.n_backgrounds:,} shuffled backgrounds"
    headline(figure, f"{what} · {marginal.scores.targets[0].name}")
    caption(figure, _reading(marginal, len(shown)))
    return figure


@styled
def pairs_figure(marginal: Marginal) -> Figure:
    """Draw, of each pair of motifs, what both do beyond the sum of each alone, by the bases between them."""
    design = marginal.design
    names = list(dict.fromkeys((pair.first, pair.second) for pair in design.pairs))
    figure, axes = panels(len(names), 1, panel=(_WIDTH_IN, 2.1), sharex=True)
    for (ax,), name in zip(axes, names, strict=True):
        for way, color in (("+", BLUE), ("-", ORANGE)):
            pairs = [(p, pair) for p, pair in enumerate(design.pairs) if pair[:2] == name and pair.way == way]
            found = [estimate(_synergy(marginal, p)) for p, _ in pairs]
            at = [pair.spacing_bp for _, pair in pairs]
            mean, se = (np.array([getattr(one, part) for one in found]) for part in ("mean", "se"))
            ax.fill_between(at, mean - se, mean + se, color=color, alpha=0.18, linewidth=0)
            ax.plot(at, mean, color=color, marker="o", markersize=3, linewidth=1.2, label=f"second motif {way}")
        ax.axhline(0, color=SOFT, linewidth=0.6)
        first, second = (design.motifs[i].name for i in name)
        ax.set_title(f"{first} and {second}", fontweight="bold")
        ax.set_ylabel("beyond the sum")
        ax.legend(loc="best")
    axes[-1][0].set_xlabel("bases between the two sites")
    headline(figure, f"Pairs of motifs in {marginal.n_backgrounds:,} shuffled backgrounds")
    caption(
        figure, f"{_name(marginal)} of both sites less the sum of each alone; mean ± standard error over backgrounds."
    )
    return figure


def _order(marginal: Marginal) -> list[int]:
    """Return the motifs, those with the largest effects first."""
    effects = [abs(marginal.mean(i).mean) for i in range(len(marginal.design.motifs))]
    return [int(i) for i in np.argsort(-np.array(effects), kind="stable")]


def _draw_effects(ax: Axes, marginal: Marginal, shown: list[int]) -> None:
    at = np.arange(len(shown))[::-1]
    for estimates, color, label in (
        ([marginal.floor(i) for i in shown], GREY, "scrambled site"),
        ([marginal.mean(i) for i in shown], BLUE, "motif"),
    ):
        mean, se = (np.array([getattr(one, part) for one in estimates]) for part in ("mean", "se"))
        ax.errorbar(mean, at, xerr=np.nan_to_num(se), fmt="o", color=color, markersize=4.5, linewidth=1.2, label=label)
    ax.axvline(0, color=SOFT, linewidth=0.6)
    names = [f"{marginal.design.motifs[i].name}  {_short(marginal.design.motifs[i].letters)}" for i in shown]
    ax.set_yticks(at, names)
    ax.set(ylim=(-0.6, len(shown) - 0.4), xlabel=_name(marginal))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2, handlelength=1.4)


def _draw_footprint(ax: Axes, marginal: Marginal, motif: int, *, is_first: bool) -> None:
    width = marginal.footprints.shape[1]
    half = min(FOOTPRINT_BP, width) // 2
    part = slice(width // 2 - half, width // 2 + half)
    edges = np.arange(-half, half + 1) - 0.5
    tasks = marginal.scores.targets[0].tasks
    chosen = marginal.footprints[:, part][:, :, list(tasks)]
    if len(tasks) > 2:
        chosen = chosen.sum(axis=2, keepdims=True)
    site = marginal.design.motifs[motif]
    first = -(len(site) // 2)
    ax.axvspan(first - 0.5, first + len(site) - 0.5, color=VERMILLION, alpha=0.14, linewidth=0)
    for track, sign in zip(range(chosen.shape[2]), (1, -1), strict=False):
        labels = ("background", "with the motif") if track == 0 and is_first else (None, None)
        ax.stairs(sign * chosen[0, :, track], edges, fill=True, color=PALE, linewidth=0, label=labels[0])
        with_it = chosen[marginal.design.condition_of(motif, FORWARD), :, track]
        ax.stairs(sign * with_it, edges, color=BLUE, linewidth=1.0, baseline=None, label=labels[1])
    if chosen.shape[2] == 2:
        ax.axhline(0, color=SOFT, linewidth=0.6)
    ax.set_title(site.name, fontweight="bold")
    ax.set_xlim(edges[0], edges[-1])
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    ax.set_ylabel("counts a base", fontsize=8)
    if is_first:
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=7, handlelength=1.2, borderaxespad=0.1)


def _synergy(marginal: Marginal, pair: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    at = marginal.design.condition_of_pair(pair)
    first, second, both = marginal.effects[:, :, at : at + 3, 0, 0].astype(np.float64).mean(axis=1).T
    return np.asarray(both - first - second)


def _name(marginal: Marginal) -> str:
    return _NAMES.get(marginal.scores.names[0], marginal.scores.names[0])


def _short(letters: str) -> str:
    return letters if len(letters) <= 20 else f"{letters[:17]}…"


def _reading(marginal: Marginal, n_shown: int) -> str:
    n, n_models = len(marginal.design.motifs), marginal.effects.shape[1]
    part = f" The {n_shown} largest of {n}." if n_shown < n else ""
    models = f"mean of {n_models} models" if n_models > 1 else "one model"
    text = (
        f"Effects: mean ± standard error over backgrounds of both orientations, {models}; grey: the site's "
        f"bases in another order.{part}"
    )
    if not marginal.footprints.size:
        return text
    tasks = marginal.scores.targets[0].tasks
    names = [marginal.tasks[i] for i in tasks]
    ways = f" {names[0]} upwards, {names[1]} downwards." if len(names) == 2 else ""
    return f"{text} Footprints: mean predicted counts, forward orientation.{ways}"
