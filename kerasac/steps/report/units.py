"""Read what a run's units left: their state, numbers and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from kerasac.steps.page import number, plural, png_data
from kerasac.steps.plots import BIN_FIGURES, DPI, WINDOW_FIGURES
from kerasac.steps.report.files import branch, error_line, read_json, read_text
from kerasac.steps.report.tables import columns
from kerasac.steps.summary import fold_of, summarize_units, unit_order

MAX_FIGURE_BYTES = 4_000_000  # of all units together; figures beyond it are named, not shown
PAGE_DPI = 105  # a figure's inch on the page: text in figures is then as large as text around them

_CAPTIONS = {
    "counts": "Predicted against observed counts",
    "jsd": "Distance of predicted profiles to observed ones, and of the floors",
    "examples": "Example windows, observed above predicted",
    "best": "The best predicted profiles, observed above predicted",
    "worst": "The worst predicted profiles, observed above predicted",
    "counts_off": "Windows whose counts are furthest off, observed above predicted",
    "classes": "Precision and recall, and receiver operating characteristic",
    "values": "Predicted against observed values",
    "training": "Training and validation losses by epoch",
    "reliability": "Reliability before and after calibration",
}
# Numbers that a figure's alternative text gives: window set, metric, words.
_NUMBERS = {
    "counts": (("peaks", "counts_pearson", "r in peaks"), ("background", "counts_pearson", "r in background")),
    "jsd": (("peaks", "jsd_distance_median", "median in peaks"),),
    "classes": (("all", "auroc", "AUROC"), ("all", "auprc", "AUPRC")),
    "values": (("all", "pearson", "r"), ("all", "spearman", "ρ")),
}


@dataclass(frozen=True)
class FigureView:
    """A figure as the page shows it."""

    alt: str
    width: int
    """On the page, in pixels."""
    data: str
    """Base64 PNG."""


@dataclass
class UnitView:
    """A fold and seed as the page shows it."""

    name: str
    status: str
    error: str | None = None
    cells: list[float | None] = field(default_factory=list)
    n_peaks: int | None = None
    n_background: int | None = None
    n_bins: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    marker: Mapping[str, Any] = field(default_factory=dict)
    """What its unit.json holds."""
    figures: dict[str, FigureView] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether it has been scored."""
        return self.status == "finished"


def read_views(run_dir: Path, scores: Mapping[str, Mapping[str, Any]], *, expected: Sequence[str]) -> list[UnitView]:
    """Return every unit that is promised or has left a trace, with its figures while they fit the page.

    The first seed of every fold comes before other seeds, where there is not room for the figures of all.
    """
    begun = {f"{path.parent.name}/{path.name}" for path in run_dir.glob("fold-*/seed-*") if path.is_dir()}
    shown = columns(summarize_units(scores))
    views = []
    for name in sorted({*expected, *begun}, key=unit_order):
        view = UnitView(name, "finished" if name in scores else "not started")
        folder = run_dir / name
        view.marker = branch(read_json(folder / "unit.json"))
        _add_history(view, folder / "history.csv")
        if view.finished:
            _add_scores(view, scores[name], [(column.windows, column.metric) for column in shown])
        elif name in begun:
            _add_failure(view, folder)
        views.append(view)
    room = MAX_FIGURE_BYTES
    first = first_seeds(views)
    for view in [*first, *(view for view in views if view.finished and view not in first)]:
        room -= _add_figures(view, run_dir / view.name / "plots", room, scores[view.name])
    return views


def figures_of(scores: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the figures that a unit with these scores has, without reliability, which only a calibrated one has."""
    if "peaks" in scores["windows"]:
        return WINDOW_FIGURES
    return BIN_FIGURES["classification" if "auroc" in scores["windows"].get("all", {}) else "regression"]


def first_seeds(views: Sequence[UnitView]) -> list[UnitView]:
    """Return the first finished unit of every fold."""
    by_fold: dict[str, UnitView] = {}
    for view in views:
        if view.finished:
            by_fold.setdefault(fold_of(view.name), view)
    return list(by_fold.values())


def _add_scores(view: UnitView, scores: Mapping[str, Any], shown: Sequence[tuple[str, str]]) -> None:
    view.cells = [scores["windows"].get(windows, {}).get(metric) for windows, metric in shown]
    n = scores.get("n", {})
    if "peaks" in n:
        view.n_peaks = int(n["peaks"]["n_windows"])
        view.n_background = int(n["background"]["n_windows"])
    elif "all" in n:
        view.n_bins = int(n["all"]["n_windows"])


def _add_failure(view: UnitView, folder: Path) -> None:
    trained = f"{plural(view.epochs or 0, 'epoch')} trained"
    error = read_text(folder / "error.txt")
    view.status = f"failed, {trained}" if error else f"not finished, {trained}"
    view.error = error_line(error) if error else None


def _add_history(view: UnitView, path: Path) -> None:
    try:
        history = pd.read_csv(path)
    except (OSError, ValueError):
        view.notes.append("history.csv is missing or empty")
        return
    view.epochs = len(history)
    if "seconds" in history:
        view.minutes = float(history["seconds"].sum()) / 60


def _add_figures(view: UnitView, folder: Path, room: int, scores: Mapping[str, Any]) -> int:
    """Take in the unit's figures while there is room; returns the bytes taken."""
    taken = 0
    names = [*figures_of(scores), *(["reliability"] if (folder / "reliability.png").exists() else [])]
    for name in names:
        path = folder / f"{name}.png"
        if not path.exists():
            view.notes.append(f"plots/{name}.png is missing: kerasac-ray report draws it anew")
            continue
        width, data = png_data(path)
        if taken + len(data) > room:
            view.notes.append(f"plots/{name}.png is in the run folder; the page has no room for it")
            continue
        view.figures[name] = FigureView(_alt(name, view.name, scores), round(width * PAGE_DPI / DPI), data)
        taken += len(data)
    return taken


def _alt(name: str, unit: str, scores: Mapping[str, Any]) -> str:
    """Say what a figure shows, with its main numbers."""
    found = [
        f"{words} {number(value)}"
        for windows, metric, words in _NUMBERS.get(name, ())
        if (value := scores["windows"].get(windows, {}).get(metric)) is not None
    ]
    return f"{_CAPTIONS[name]}, {unit}" + (f": {', '.join(found)}" if found else "")
