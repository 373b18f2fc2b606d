"""Hold what a study tried and what came of it, as its page shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from kerasac.steps.comparison import Metric
from kerasac.steps.metric_summary import MetricSummary
from kerasac.steps.summary import Better

State = Literal["complete", "dropped", "unfinished", "failed"]


@dataclass(frozen=True)
class UnitResult:
    """What one fold and seed of a configuration scored, and what it took.

    ``objective`` is the latest score on validation, after ``epochs`` epochs; None where it was not scored or the score
    is not defined. ``history`` is (epoch, loss, validation loss), from epoch 1. ``earlier`` are the scores of pauses
    before, as (epochs, objective): by them a configuration that was dropped can be set against one that went on.
    ``is_done``: the training came to its own end, by its last epoch or by early stopping; of a complete configuration
    that holds anyway.
    """

    objective: float | None
    epochs: int
    seconds: float | None = None
    history: tuple[tuple[int, float, float], ...] = ()
    earlier: tuple[tuple[int, float | None], ...] = ()
    is_done: bool = False

    def scored_at(self, epochs: int) -> float | None:
        """Return the score after a number of epochs; None where there is none that is a number."""
        latest = self.score if epochs == self.epochs else None
        return finite(dict(self.earlier).get(epochs)) if latest is None else latest

    @property
    def score(self) -> float | None:
        """The latest score; None where it is not a number."""
        return finite(self.objective)


@dataclass(frozen=True)
class Tried:
    """A configuration, and what each of its units came to; units are named ``fold-0/seed-1``.

    ``values`` by dotted key; a key that is not set is as the experiment has it. ``level`` says how far it got:
    ``1 fold, 4 epochs``.
    """

    name: str
    values: Mapping[str, Any]
    units: Mapping[str, UnitResult]
    rank: int | None
    state: State
    level: str = ""
    is_default: bool = False

    @property
    def summary(self) -> MetricSummary:
        """The objective over the units, each by its latest score."""
        return MetricSummary({name: unit.score for name, unit in self.units.items()})

    @property
    def epochs(self) -> int:
        """Epochs of all units together."""
        return sum(unit.epochs for unit in self.units.values())

    def is_done(self, unit: str) -> bool:
        """Whether the training of a unit came to its own end."""
        return self.state == "complete" or self.units[unit].is_done


class SideBySide(NamedTuple):
    """Scores of a unit in two configurations; ``epochs`` is None where both trainings came to their own end."""

    score: float
    other: float
    epochs: int | None


@dataclass(frozen=True)
class StudyResult:
    """What came of a study.

    ``tried`` are all configurations, the best first; ``keys`` the keys that vary, in order. ``epochs_of_grid``
    is what every configuration on every unit takes, counted or estimated. ``test`` holds the winner's
    scores on test by metric and unit, None before it is scored; ``tested_on`` says when, and ``also_tested`` which
    others were, each the best when it was. ``phases`` are seconds by phase, added up over units that ran side by side;
    ``seconds`` is what passed on the clock. ``scored_to_train`` is the number of scored windows as a share of the
    training windows (see :mod:`kerasac.steps.paired`); None = by the
    fold table of the comparison that the page is given.
    """

    name: str
    objective_key: str
    objective_title: str
    better: Better
    scored_on: str
    keys: tuple[str, ...]
    tried: tuple[Tried, ...]
    test: Mapping[str, Mapping[str, float | None]] | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    epochs_trained: int = 0
    epochs_of_grid: int | None = None
    notes: tuple[str, ...] = ()
    tested_on: str = ""
    also_tested: tuple[str, ...] = ()
    seconds: float | None = None
    scored_to_train: float | None = None

    @property
    def metric(self) -> Metric:
        """The objective as a metric that can be compared."""
        windows, _, name = self.objective_key.partition(".")
        return Metric(windows, name, self.objective_title, self.better)

    @property
    def winner(self) -> Tried | None:
        """The best of the configurations that are ranked; None where none is."""
        ranked = [one for one in self.tried if one.rank is not None and one.summary.mean is not None]
        return min(ranked, key=lambda one: one.rank or 0, default=None)

    @property
    def default(self) -> Tried | None:
        """The experiment as it is; None where it was not tried."""
        return next((one for one in self.tried if one.is_default), None)

    def of(self, *states: State) -> list[Tried]:
        """Return the configurations in some states, the best first."""
        return [one for one in self.tried if one.state in states]


def finite(value: float | None) -> float | None:
    """Return a number that is neither NaN nor infinite, else None."""
    return value if value is not None and math.isfinite(value) else None


def side_by_side(one: Tried, other: Tried, unit: str) -> SideBySide | None:
    """Return the scores of a unit in both configurations after equal training; None where there are none.

    Equal is that both trainings came to their own end, else the most epochs after which both were scored.
    """
    if unit not in one.units or unit not in other.units:
        return None
    ours, theirs = one.units[unit], other.units[unit]
    if one.is_done(unit) and other.is_done(unit) and ours.score is not None and theirs.score is not None:
        return SideBySide(ours.score, theirs.score, None)
    for epochs in sorted({ours.epochs, *(at for at, _ in ours.earlier)}, reverse=True):
        score, beside = ours.scored_at(epochs), theirs.scored_at(epochs)
        if score is not None and beside is not None:
            return SideBySide(score, beside, epochs)
    return None
