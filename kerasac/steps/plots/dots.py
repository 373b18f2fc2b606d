"""Draw many points of two values so that their density shows."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from scipy.ndimage import gaussian_filter, map_coordinates

from kerasac.steps.plots.style import BLUE, INK, Floats

MAX_POINTS = 20_000


def limits(x: Floats, y: Floats) -> tuple[float, float]:
    """The same limits for both axes, around all but a thousandth of the points."""
    both = np.concatenate([x, y])
    if not len(both):
        return 0.0, 1.0
    low, high = np.quantile(both, [0.0005, 0.9995])
    margin = max(0.05 * (high - low), 0.1)
    return float(low - margin), float(high + margin)


def dots(ax: Axes, x: Floats, y: Floats, color: str) -> None:
    """Dots of one colour, behind others."""
    kept = slice(None, None, -(-len(x) // MAX_POINTS) or 1)
    ax.scatter(x[kept], y[kept], s=4, color=color, linewidths=0, rasterized=True, zorder=1)


def density_dots(ax: Axes, x: Floats, y: Floats, color: str) -> None:
    """Dots coloured by how many lie around them, the densest on top."""
    kept = slice(None, None, -(-len(x) // MAX_POINTS) or 1)
    density = _density(x, y)[kept]
    order = np.argsort(density, kind="stable")
    colours = LinearSegmentedColormap.from_list("density", ["#C9D6E2", color, INK] if color == BLUE else
                                                ["#EBD9CE", color, INK])  # fmt: skip
    ax.scatter(x[kept][order], y[kept][order], c=density[order], cmap=colours, s=6, linewidths=0, zorder=2)


def _density(x: Floats, y: Floats) -> Floats:
    """Smoothed number of neighbours of each point, scaled to at most 1."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.ones(len(x))
    grid, x_edges, y_edges = np.histogram2d(x, y, bins=100)
    smooth = gaussian_filter(grid, sigma=2.5)
    at = np.stack([(x - x_edges[0]) / np.diff(x_edges)[0] - 0.5, (y - y_edges[0]) / np.diff(y_edges)[0] - 0.5])
    found: Floats = map_coordinates(smooth, at, order=1, mode="nearest")
    return np.asarray(found / max(float(found.max()), 1e-12), dtype=np.float64)
