"""Choose the background that a bias model learns from, and judge what it learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kerasac.config import BiasSpec
from kerasac.errors import SamplingError
from kerasac.genome.intervals import BoolArray
from kerasac.sampling.background_plan import BackgroundPlan
from kerasac.sampling.plan import Limits, SamplingPlan, Windows
from kerasac.steps.loss_weights import counts_outputs
from kerasac.steps.prepare import PreparedWindows
from kerasac.steps.score import correlation

Floats = npt.NDArray[np.floating[Any]]
Verdict = Literal["pass", "warn", "fail"]

_PEAKS = 20_000  # of one fold, spread evenly; a quantile of more changes nothing that matters
_LEAST_COUNTS = 1  # windows without any say nothing about where the enzyme cuts


@dataclass(frozen=True)
class BiasCheck:
    """How a bias model's log counts correlate with the observed ones, task by task, in peaks and in background.

    A correlation is None where one side is constant. ``verdict`` is that of the worst task in peaks.
    """

    verdict: Verdict
    peaks: dict[str, float | None]
    background: dict[str, float | None]

    def as_dict(self) -> dict[str, Any]:
        """What bias.json holds of it."""
        return {"verdict": self.verdict, "counts_pearson": {"peaks": self.peaks, "background": self.background}}

    def __str__(self) -> str:
        worst = min((value for value in self.peaks.values() if value is not None), default=None)
        return f"r = {'undefined' if worst is None else f'{worst:.2f}'} in peaks ({self.verdict})"


def bias_plan(prepared: PreparedWindows, plan: SamplingPlan) -> BackgroundPlan:
    """Plan the background windows that a fold's bias model learns from: with fewer counts than :func:`most_counts`.

    Raises
    ------
    SamplingError
        When a split has none, or hardly any.
    """
    experiment, spec = prepared.experiment, _spec(prepared)
    most = most_counts(prepared, plan)
    (output,) = counts_outputs(prepared)

    def accept(windows: Windows) -> BoolArray:
        totals = prepared.source.total_counts(windows, output)
        chosen: BoolArray = (totals >= _LEAST_COUNTS) & (totals < most) & prepared.source.accepts(windows)
        return chosen

    return BackgroundPlan(
        plan,
        accept,
        train_size=spec.train_size or len(plan.train(0)),
        valid_size=spec.valid_size or len(plan.valid()),
        reverse_complement=experiment.sampling.reverse_complement,
        limits=Limits(f"{_LEAST_COUNTS} to below {most:.4g} counts", f"raise bias.threshold (now {spec.threshold:g})"),
    )


def most_counts(prepared: PreparedWindows, plan: SamplingPlan) -> float:
    """Return the counts that background of the bias model stays below: ``threshold`` times those of the weakest peaks.

    These are the ``quantile`` of the total counts of a fold's training peaks, all tasks together; chrombpnet takes 0.01
    (``find_bias_hyperparams``), over training and validation.

    Raises
    ------
    SamplingError
        When no window could have fewer.
    """
    spec, (output,) = _spec(prepared), counts_outputs(prepared)
    totals = prepared.source.total_counts(plan.train_peaks(_PEAKS), output)
    weakest = float(np.quantile(totals, spec.quantile))
    if spec.threshold * weakest <= _LEAST_COUNTS:
        raise SamplingError(
            f"bias.threshold {spec.threshold:g} times the {weakest:g} counts of the weakest training peaks of fold "
            f"{plan.fold.index} leaves no background with counts; raise bias.threshold or bias.quantile, or leave out "
            "peaks without counts"
        )
    return spec.threshold * weakest


def judge(spec: BiasSpec, tasks: Sequence[str], observed: Floats, predicted: Floats, is_peak: BoolArray) -> BiasCheck:
    """Judge a bias model by its log counts, (n, n_tasks), of windows that it was not trained on.

    What raises the counts of peaks is absent from weak background, so a bias model that learned the enzyme's preference
    alone has no strong negative correlation there; one that learned to tell weak background by its composition has
    (chrombpnet's report: below -0.3 it is biased to AT-rich sequence).
    """
    correlations = [
        {task: correlation(predicted[rows, i], observed[rows, i]) for i, task in enumerate(tasks)}
        for rows in (is_peak, ~is_peak)
    ]
    worst = min((value for value in correlations[0].values() if value is not None), default=0.0)
    verdict: Verdict = "warn" if worst < spec.warn_below else "pass"
    if spec.fail_below is not None and worst < spec.fail_below:
        verdict = "fail"
    return BiasCheck(verdict, *correlations)


def offsets(observed: Floats, predicted: Floats) -> list[float]:
    """Return what to add to a bias model's log counts, (n, n_tasks), a number a task, for the least squared error."""
    means: list[float] = (observed - predicted).mean(axis=0, dtype=np.float64).tolist()
    return means


def _spec(prepared: PreparedWindows) -> BiasSpec:
    assert prepared.experiment.bias is not None, "asked for by an experiment with a bias section"
    return prepared.experiment.bias
