"""Score what a unit predicted of its test chromosomes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from kerasac.config import Experiment
from kerasac.runs.unit import Unit
from kerasac.steps.binned_predictions import read_binned_predictions
from kerasac.steps.binned_scores import score_bins
from kerasac.steps.plots import bin_figures, training_curves, write_figures, write_plots
from kerasac.steps.predictions import open_predictions
from kerasac.steps.score import Scored, score, write_scores
from kerasac.steps.score_settings import ScoreSettings
from kerasac.steps.window_scores import Pseudoreplicates

BINNED_PREFIX = "test"  # of the two files with labels and predictions of bins
PREDICTIONS = "predictions.h5"


def default_settings(unit: Unit) -> ScoreSettings:
    """Return how a training scores its unit."""
    return ScoreSettings(seed=unit.fold.index)


def write_unit_scores(
    experiment: Experiment,
    unit: Unit,
    settings: ScoreSettings,
    *,
    pseudoreplicates: Pseudoreplicates | None = None,
    folder: Path | None = None,
) -> Scored:
    """Score a unit's predictions; write scores.json, scores.tsv and plots to ``folder``, by default the unit's.

    scores.json comes last: a unit that has it is scored.
    """
    out = unit.folder if folder is None else folder
    title = f"{experiment.name}, fold {unit.fold.index}, seed {unit.seed}"
    history = pd.read_csv(unit.folder / "history.csv")
    scores: Scored
    if experiment.labels is not None:
        bins = read_binned_predictions(unit.folder / BINNED_PREFIX)
        binned = score_bins(bins)
        figures = bin_figures(bins, binned, title=title)
        write_figures(out, {**figures, "training": training_curves(history, title=title)})
        scores = binned
    else:
        with open_predictions(unit.folder / PREDICTIONS) as predictions:
            scored = score(predictions, settings, pseudoreplicates=pseudoreplicates)
            write_plots(out, predictions, scored, history=history, title=title)
        scores = scored
    write_scores(out, scores)
    return scores
