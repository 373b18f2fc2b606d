"""Draw a training, epoch by epoch."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasac.errors import ScoreError
from kerasac.steps.plots.style import BLUE, PALE, SOFT, caption, headline, panels, styled

_LOSS_TITLES = {"loss": "Total loss", "profile_loss": "Profile loss", "logcount_loss": "Count loss"}


@styled
def training_curves(history: pd.DataFrame, *, title: str = "") -> Figure:
    """Every loss that has a training and a validation column, by epoch, with the best epoch marked."""
    columns = [str(column) for column in history.columns]
    names = [name for name in columns if name.endswith("loss") and not name.startswith("val_")]
    if not names:
        raise ScoreError(f"the training history has no loss; its columns are {', '.join(columns)}")
    names.sort(key=lambda name: (list(_LOSS_TITLES).index(name) if name in _LOSS_TITLES else 99, name))
    epoch = history["epoch"] if "epoch" in columns else pd.Series(np.arange(1, len(history) + 1))
    best = _best_epoch(history)
    figure, axes = panels(1, len(names), panel=(3.1, 2.5))
    for ax, name in zip(axes[0], names, strict=True):
        line = {"linewidth": 1.4, "marker": "o", "markersize": 2.5}
        ax.plot(epoch, history[name], color=SOFT, label="training", linestyle="--", **line)
        if f"val_{name}" in columns:
            values = history[f"val_{name}"]
            ax.plot(epoch, values, color=BLUE, label="validation", **line)
            if best is not None:
                _mark(ax, float(epoch.iloc[best]), float(values.iloc[best]), side="left" if best == 0 else "center")
        for at in _rate_drops(history):
            ax.axvline(float(epoch.iloc[at]) - 0.5, color=PALE, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        ax.set_title(_LOSS_TITLES.get(name, name.replace("_", " ")), fontweight="bold")
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.margins(x=0.04, y=0.12)
    axes[0][0].legend(loc="upper right")
    headline(figure, f"{title} · Training" if title else "Training")
    caption(figure, _training_caption(history, epoch, best))
    return figure


def _mark(ax: Axes, x: float, y: float, *, side: Literal["left", "center"]) -> None:
    ax.plot(x, y, "o", color=BLUE, markersize=8, markerfacecolor="none", markeredgewidth=1.4)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
    ax.annotate(f"{y:.4g}", (x, y), (0, 10), textcoords="offset points", ha=side, color=BLUE, fontsize=8, bbox=box)


def _best_epoch(history: pd.DataFrame) -> int | None:
    """Row of the lowest validation loss."""
    if "val_loss" not in history or not history["val_loss"].notna().any():
        return None
    return int(np.nanargmin(history["val_loss"].to_numpy(dtype=np.float64)))


def _rate_drops(history: pd.DataFrame) -> list[int]:
    """Rows at which the learning rate is lower than the epoch before; none for one that falls most of the time."""
    if "learning_rate" not in history:
        return []
    rate = history["learning_rate"].to_numpy(dtype=np.float64)
    drops = [int(i) for i in np.flatnonzero(rate[1:] < rate[:-1] * 0.999) + 1]
    return drops if len(drops) <= len(rate) / 2 else []


def _training_caption(history: pd.DataFrame, epoch: pd.Series[Any], best: int | None) -> str:
    parts = []
    if best is not None:
        parts.append(f"Circle: lowest validation loss, epoch {epoch.iloc[best]:g} of {epoch.iloc[-1]:g}.")
    if _rate_drops(history):
        parts.append("Dotted lines: learning rate lowered.")
    if "seconds" in history:
        parts.append(f"{history['seconds'].sum() / 60:.1f} minutes in all.")
    return " ".join(parts)
