"""Decide which fold and seed of which configuration is worth training next, and for how many epochs.

A configuration climbs levels. Each asks for some of its units (folds and seeds, in a fixed order) up to some epochs;
the mean of what they score on validation decides whether it is admitted to the next level. All is a pure function of
what has been recorded, so that a study that is taken up again decides as an undisturbed one.

Sources: successive halving, Jamieson & Talwalkar 2016 (AISTATS); its asynchronous form ("ASHA"), Li et al. 2020
(MLSys); the median rule, Golovin et al. 2017 (KDD).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kerasac.config.space import Racing, Space

_MEDIAN_NEEDS = 4  # configurations at a level before the median of them drops any
_ASHA_ETA = 2


class Level(NamedTuple):
    """How many of its units a configuration trains, and up to which epoch; None = as long as the training lasts."""

    n_units: int
    epochs: int | None


class Step(NamedTuple):
    """A unit of a configuration, by its place in the order of units, to train up to an epoch (None = to its end)."""

    trial: str
    unit: int
    epochs: int | None


def levels_of(space: Space, n_units: int, epochs: int) -> tuple[Level, ...]:
    """Return the levels of a space's configurations; ``epochs`` are those of the experiment."""
    if space.race is not None:
        return halving_levels(space.race, n_units, epochs)
    if space.prune is not None:
        return tuple(Level(n, None) for n in range(1, n_units + 1))
    return (Level(n_units, None),)


def halving_levels(race: Racing, n_units: int, epochs: int) -> tuple[Level, ...]:
    """Return the levels of a race: first more and more folds, then more and more epochs, each ``eta`` times as many."""
    cap = race.first_epochs or max(2, math.ceil(epochs / race.eta**2))
    levels, units = [], 1
    while cap < epochs and units < n_units:
        levels.append(Level(units, cap))
        units *= race.eta
    while cap < epochs:
        levels.append(Level(n_units, cap))
        cap *= race.eta
    if not levels:  # so few epochs that folds alone are raced
        while units < n_units:
            levels.append(Level(units, None))
            units *= race.eta
    return (*levels, Level(n_units, None))


def raced_epochs(race: Racing, levels: Sequence[Level], n_trials: int, epochs: int) -> int:
    """Return the epochs that a race takes, of ``n_trials`` configurations whose trainings take all ``epochs``."""
    total, had = 0, [0] * levels[-1].n_units  # by unit, of a configuration that is still there
    for number, level in enumerate(levels):
        if number:
            n_trials = min(n_trials, max(race.finalists, math.ceil(n_trials / race.eta)))
        until = epochs if level.epochs is None else min(level.epochs, epochs)
        total += n_trials * sum(max(0, until - had[unit]) for unit in range(level.n_units))
        had = [until if unit < level.n_units else one for unit, one in enumerate(had)]
    return total


@dataclass
class Race:
    """What is known of the configurations of a study, and what follows from it.

    ``values`` are means over validation windows, the lower the better, by configuration, unit and epochs (None: of a
    training that has ended). A value that is not defined is ``inf``. ``ahead`` are those of more epochs than were asked
    for, left by an earlier command: a configuration that has one is not compared at that level, and goes on.
    """

    levels: tuple[Level, ...]
    race: Racing | None = None
    prune: str | None = None
    wide: bool = True  # each unit of all configurations before the next unit; else a configuration at a time
    closed: bool = True  # no further configuration will join
    trials: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    values: dict[tuple[str, int], dict[int | None, float]] = field(default_factory=dict)
    running: set[Step] = field(default_factory=set)
    ahead: set[Step] = field(default_factory=set)
    _admitted_to: dict[int, list[str]] = field(default_factory=dict)  # levels of a race, until something is recorded

    def add(self, trial: str) -> None:
        """Let a configuration join."""
        self.trials.append(trial)
        self._admitted_to.clear()

    def record(self, step: Step, value: float, *, complete: bool, ahead: bool = False) -> None:
        """Note what a unit scored.

        ``complete``: its training has ended, perhaps before the step's epochs. ``ahead``: the score is of more epochs.
        """
        if ahead:
            self.ahead.add(step)
        known = self.values.setdefault((step.trial, step.unit), {})
        known[step.epochs] = value
        if complete:
            known[None] = value
        self.running.discard(step)
        self._admitted_to.clear()

    def fail(self, step: Step) -> None:
        """Note that a unit failed for good: its configuration is out of the race."""
        self.failed.add(step.trial)
        self.running.discard(step)
        self._admitted_to.clear()

    def release(self, step: Step) -> None:
        """Note that a unit was left unfinished."""
        self.running.discard(step)

    def next_step(self) -> Step | None:
        """Return what is to be trained next, which counts as running from now; None when nothing can be started."""
        steps = [step for trial in self.trials for step in self._missing(trial) if step not in self.running]
        steps = steps or self._last_steps()
        if not steps:
            return None
        place = {trial: i for i, trial in enumerate(self.trials)}
        if self.wide:
            chosen = min(steps, key=lambda step: (step.unit, place[step.trial]))
        else:  # what is begun comes first
            chosen = min(steps, key=lambda step: (-self.level(step.trial), place[step.trial], step.unit))
        self.running.add(chosen)
        return chosen

    def level(self, trial: str) -> int:
        """Return how many levels a configuration has finished."""
        for number, level in enumerate(self.levels):
            if any(self._value(trial, unit, level) is None for unit in range(level.n_units)):
                return number
        return len(self.levels)

    def score(self, trial: str, number: int) -> float:
        """Return a configuration's mean at a level that it has finished; ``inf`` when a value is not defined."""
        level = self.levels[number]
        found = [self._value(trial, unit, level) for unit in range(level.n_units)]
        return statistics.fmean(value for value in found if value is not None)

    def standing(self, trial: str) -> tuple[int, float]:
        """Return the levels that a configuration has finished, and its mean at the last of them (``inf`` at none)."""
        done = self.level(trial)
        return done, self.score(trial, done - 1) if done else math.inf

    def is_complete(self, trial: str) -> bool:
        """Whether all that a configuration can be asked for is there."""
        return self.level(trial) == len(self.levels)

    def is_dropped(self, trial: str) -> bool:
        """Whether a configuration that did not fail goes no further, as far as is known."""
        return trial not in self.failed and not self.is_complete(trial) and not self._admitted(trial, self.level(trial))

    def is_out(self, trial: str) -> bool:
        """Whether a configuration has lost its place in a race, whatever comes of those that go on."""
        if self.race is None or trial in self.failed or self.is_complete(trial):
            return False
        return self._is_out(trial, self.level(trial))

    def ranked(self) -> list[str]:
        """Return the configurations, those that came furthest first, the best of them first."""
        standings = {trial: self.standing(trial) for trial in self.trials}
        return sorted(self.trials, key=lambda trial: (-standings[trial][0], standings[trial][1]))

    def _value(self, trial: str, unit: int, level: Level) -> float | None:
        known = self.values.get((trial, unit), {})
        return known.get(level.epochs, known.get(None))

    def _missing(self, trial: str, *, anyway: bool = False) -> list[Step]:
        """Return what a configuration is allowed to train now, or should ``anyway``, and has not."""
        number = self.level(trial)
        if trial in self.failed or number == len(self.levels) or not (anyway or self._admitted(trial, number)):
            return []
        level = self.levels[number]
        units = [unit for unit in range(level.n_units) if self._value(trial, unit, level) is None]
        return [Step(trial, unit, level.epochs) for unit in units]

    def _last_steps(self) -> list[Step]:
        """Return what the best configuration lacks when all have come to rest and none is complete."""
        if not self.closed or self.running or any(self.is_complete(trial) for trial in self.trials):
            return []
        alive = [trial for trial in self.ranked() if trial not in self.failed]
        return self._missing(alive[0], anyway=True) if alive else []

    def _admitted(self, trial: str, number: int) -> bool:
        """Whether a configuration that has finished the levels before may train this one."""
        if number == 0:
            return True
        if self.race is not None:
            return trial in self._survivors(number)
        if self.prune is None:
            return True
        mine = self.score(trial, number - 1)
        others = [
            self.score(one, number - 1)
            for one in self.trials
            if one != trial and one not in self.failed and self.level(one) >= number
        ]
        if self.prune == "median":
            return len(others) < _MEDIAN_NEEDS or mine <= statistics.median(others)
        # ASHA: among the best half of those that have got as far, however many more will
        return sum(other < mine for other in others) < (len(others) + 1) // _ASHA_ETA

    def _survivors(self, number: int) -> Sequence[str]:
        """Return who is admitted to a level: nobody before all that were admitted to the level before have finished it.

        A configuration that failed frees its place.
        """
        if number not in self._admitted_to:
            self._admitted_to[number] = self._best_of(number)
        return self._admitted_to[number]

    def _best_of(self, number: int) -> list[str]:
        assert self.race is not None, "only a race has survivors"
        before = self._entrants(number - 1)
        if any(self.level(trial) < number for trial in before):
            return []
        ahead = [trial for trial in before if self._is_ahead(trial, number - 1)]
        rivals = [trial for trial in before if trial not in ahead]
        keep = max(self.race.finalists, math.ceil(len(rivals) / self.race.eta))
        scores = {trial: self.score(trial, number - 1) for trial in rivals}
        defined = [trial for trial in rivals if math.isfinite(scores[trial])]
        return [*ahead, *sorted(defined, key=lambda trial: scores[trial])[:keep]]

    def _is_ahead(self, trial: str, number: int) -> bool:
        level = self.levels[number]
        return any(Step(trial, unit, level.epochs) in self.ahead for unit in range(level.n_units))

    def _is_out(self, trial: str, number: int) -> bool:
        """Whether the level that a configuration asks for, or one before it, has been settled without it."""
        return any((best := self._survivors(one)) and trial not in best for one in range(1, number + 1))

    def _entrants(self, number: int) -> Sequence[str]:
        alive = [trial for trial in self.trials if trial not in self.failed]
        return alive if number == 0 else [one for one in self._survivors(number) if one in alive]
