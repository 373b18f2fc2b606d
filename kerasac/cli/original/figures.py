"""Draw the figures of one task of a file of predictions."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

from matplotlib.figure import Figure

from kerasac.steps.plots.counts import counts_scatter
from kerasac.steps.plots.profiles import jsd_histogram
from kerasac.steps.predictions import PredictionFile
from kerasac.steps.score import Scores
from kerasac.steps.window_scores import Ceiling


def task_figures(file: PredictionFile, scores: Scores, task: int, *, title: str) -> tuple[Figure, Figure]:
    """Return the figures of a task: predicted against observed counts, and distances of profiles."""
    name = file.tasks[task]
    view, shown = copy(file), _of_task(scores, name, task)
    view.tasks = (name,)  # figures take values from the scores, and read no windows
    return counts_scatter(view, shown, title=title), jsd_histogram(view, shown, title=title)


def _of_task(scores: Scores, name: str, task: int) -> Scores:
    return replace(
        scores,
        windows=scores.tasks[name],
        tasks={name: scores.tasks[name]},
        profiles={name: scores.profiles[name]},
        observed=scores.observed[:, [task]],
        predicted=scores.predicted[:, [task]],
        ceiling=None if scores.ceiling is None else _ceiling(scores.ceiling, task),
    )


def _ceiling(ceiling: Ceiling, task: int) -> Ceiling:
    return replace(ceiling, counts=ceiling.counts[:, :, [task]], jsd=ceiling.jsd[:, [task]])
