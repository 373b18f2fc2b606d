"""Draw the figures that finished units of a run lack, from the predictions that they left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd

from kerasac.errors import KerasacError
from kerasac.steps.binned_predictions import read_binned_predictions
from kerasac.steps.binned_scores import score_bins
from kerasac.steps.plots import bin_figures, training_curves, write_figures, write_plots
from kerasac.steps.predictions import open_predictions
from kerasac.steps.report.files import parse_yaml, read_text
from kerasac.steps.report.units import figures_of
from kerasac.steps.score import score
from kerasac.steps.score_settings import ScoreSettings
from kerasac.steps.summary import read_units

logger = logging.getLogger(__name__)

Say = Callable[[str], None]

_BINNED_PREFIX = "test"  # of the files of a unit whose labels are of bins


def silent(message: str) -> None:
    """Say nothing."""


def draw_missing(run_dir: Path, say: Say = silent) -> list[Path]:
    """Draw what finished units lack of their figures, and return the new files.

    Predictions are read and scored again for it, some seconds a unit; a figure that is there is left alone. A unit
    whose predictions cannot be read is left as it is, and said in a warning. ``say`` is told of each unit before it
    is drawn.
    """
    settings = parse_yaml(read_text(run_dir / "experiment.yaml"))
    name = str(settings.get("name") or run_dir.resolve().name)
    drawn = []
    for unit, scores in read_units(run_dir).items():
        folder = run_dir / unit
        missing = [figure for figure in figures_of(scores) if not (folder / "plots" / f"{figure}.png").exists()]
        if not missing:
            continue
        say(f"{unit}: drawing {', '.join(missing)}")
        try:
            drawn += _draw(folder, missing, title=_title(name, unit))
        except (KerasacError, OSError) as error:
            logger.warning("%s: %s cannot be drawn (%s)", unit, ", ".join(missing), error)
    return drawn


def _draw(folder: Path, missing: Collection[str], *, title: str) -> list[Path]:
    history = _history(folder)
    if set(missing) == {"training"}:
        return [] if history is None else write_figures(folder, {"training": training_curves(history, title=title)})
    if (folder / "predictions.h5").exists():
        settings = ScoreSettings(seed=int(folder.parent.name.partition("-")[2]))  # as a training scores its units
        with open_predictions(folder / "predictions.h5") as predictions:
            scores = score(predictions, settings)
            return write_plots(folder, predictions, scores, history=history, title=title, only=missing)
    bins = read_binned_predictions(folder / _BINNED_PREFIX)
    figures = dict(bin_figures(bins, score_bins(bins), title=title))
    if history is not None:
        figures["training"] = training_curves(history, title=title)
    return write_figures(folder, {name: figure for name, figure in figures.items() if name in missing})


def _history(folder: Path) -> pd.DataFrame | None:
    try:
        history = pd.read_csv(folder / "history.csv")
    except (OSError, ValueError):
        return None
    return history if len(history) else None


def _title(name: str, unit: str) -> str:
    """Return ``yeast, fold 0, seed 1234``."""
    fold, seed = (part.replace("-", " ") for part in unit.split("/"))
    return f"{name}, {fold}, {seed}"
