"""Draw how much each varied key of a study matters."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasac.steps.plots.style import BLUE, INK, PALE, SOFT, caption, headline, panels, styled
from kerasac.steps.study_importance import Importance

_WIDTH_IN, _ROW_IN = 5.6, 0.34


@styled
def importance_bars(found: Importance, *, objective: str) -> Figure:
    """One bar a key, the longest on top; a tick is what chance gives. Without values, the reason in words."""
    rows = max(1, len(found.values))
    figure, axes = panels(1, 1, panel=(_WIDTH_IN, _ROW_IN * rows + 0.75))
    ax: Axes = axes[0, 0]
    headline(figure, "How much each key matters")
    if found.why_none:
        ax.set_axis_off()
        ax.text(0, 0.5, f"Not known: {found.why_none}.", va="center", color=SOFT, transform=ax.transAxes)
        caption(figure, found.basis)
        return figure
    _bars(ax, found)
    ax.set_xlabel("share of the variance" if found.kind == "share" else f"range of the mean {objective}")
    caption(figure, f"{found.basis} {found.definition}")
    return figure


def _bars(ax: Axes, found: Importance) -> None:
    longest = max(*found.values.values(), *found.chance.values(), 0.0)
    for row, (key, value) in enumerate(found.values.items()):
        chance = found.chance.get(key)
        ax.barh(row, value, height=0.62, color=BLUE if chance is None or value > chance else PALE)
        if chance is not None:
            ax.plot([chance, chance], [row - 0.42, row + 0.42], color=INK, linewidth=1.6)
        text = f"{value:.0%}".replace("%", " %") if found.kind == "share" else f"{value:.3g}"
        ax.text(1.0, row, text, va="center", ha="right", fontsize=8, color=INK, transform=ax.get_yaxis_transform())
    ax.set_yticks(range(len(found.values)), list(found.values))
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.set_ylim(len(found.values) - 0.4, -0.6)
    ax.set_xlim(0, 1.16 * longest)
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=5)
    ax.grid(axis="x")
    ax.set_axisbelow(True)
