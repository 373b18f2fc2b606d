"""Draw the figures of one task of a file of predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from kerasac.steps.plots.counts import counts_scatter
from kerasac.steps.plots.profiles import jsd_histogram
from kerasac.steps.predictions import PredictionFile, Predictions
from kerasac.steps.score import Scores
from kerasac.steps.window_scores import Ceiling


@dataclass(frozen=True, eq=False)
class _TaskView:
    """A file of predictions of which one task is shown; its windows are not read anew."""

    file: PredictionFile
    tasks: tuple[str, ...]

    @property
    def is_peak(self) -> npt.NDArray[np.bool_]:
        return self.file.is_peak

    @property
    def chrom(self) -> npt.NDArray[np.str_]:
        return self.file.chrom

    @property
    def center(self) -> npt.NDArray[np.int64]:
        return self.file.center

    @property
    def strand(self) -> npt.NDArray[np.str_]:
        return self.file.strand

    @property
    def n_windows(self) -> int:
        return self.file.n_windows

    @property
    def n_bases(self) -> int:
        return self.file.n_bases

    @property
    def transform(self) -> str:
        return self.file.transform

    @property
    def pseudocount(self) -> float:
        return self.file.pseudocount

    @property
    def mean_profile(self) -> npt.NDArray[np.float32] | None:
        return self.file.mean_profile

    def take(self, rows: slice) -> Predictions:
        return self.file.take(rows)


def task_figures(file: PredictionFile, scores: Scores, task: int, *, title: str) -> tuple[Figure, Figure]:
    """Return the figures of a task: predicted against observed counts, and distances of profiles."""
    name = file.tasks[task]
    view, shown = _TaskView(file, (name,)), _of_task(scores, name, task)
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
