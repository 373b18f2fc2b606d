"""Give out the units of a study one after the other, as its race or its search asks for them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasac.config import Experiment
from kerasac.config.space import Space, Trial
from kerasac.runs.budget import Spent
from kerasac.runs.proposals import Judged
from kerasac.runs.race import Race, Step
from kerasac.runs.tasks import Task
from kerasac.runs.tracking import Tracker
from kerasac.runs.unit import VALID_SCORES, Event, Unit, read_marker, rung_from, rung_scores
from kerasac.steps.comparison import Metric
from kerasac.steps.prepared import Prepared

_ENDED = ("done", "paused")


@dataclass(frozen=True)
class Member:
    """A configuration of a study: its values, experiment and units, in the order in which they are trained."""

    trial: Trial
    experiment: Experiment
    prepared: Prepared
    units: tuple[Unit, ...]
    tracker: Tracker

    @property
    def name(self) -> str:
        """The configuration's name."""
        return self.trial.name


class StudyTasks:
    """What a study does next; a source of tasks for :func:`kerasac.runs.launch.launch_tasks`.

    ``propose`` makes a further configuration, None when none is left to try; ``stopped`` says whether the study was
    asked to stop. ``heard`` is called with each configuration that has a new score.
    """

    def __init__(
        self,
        space: Space,
        race: Race,
        objective: Metric,
        spent: Spent,
        *,
        propose: Callable[[list[Judged]], Member | None],
        stopped: Callable[[], bool],
    ) -> None:
        self.space, self.race, self.objective, self.spent = space, race, objective, spent
        self.members: dict[str, Member] = {}
        self.touched: set[str] = set()  # units that were trained by this command
        self._propose, self._stopped = propose, stopped
        self._steps: dict[tuple[str, int | None], Step] = {}

    def join(self, member: Member) -> None:
        """Let a configuration join, with what is known of it from before."""
        self.members[member.name] = member
        self.race.add(member.name)
        for place, unit in enumerate(member.units):
            for level in {level.epochs: level for level in self.race.levels}.values():
                self._read(Step(member.name, place, level.epochs), unit)
            self.spent.add(sum(read_marker(unit.folder).get("seconds", {}).values()))

    def has_work(self) -> bool:
        """Whether anything is left to do."""
        step = self.race.next_step()
        if step is not None:
            self.race.release(step)
        return step is not None or self._may_propose()

    def next_task(self) -> Task | None:
        """Return the next unit, up to the epochs that it is worth; None when there is nothing to do now."""
        step = self.race.next_step()
        while step is None and self._may_propose():
            member = self._propose(self._judged())
            self.race.closed = member is None or not self._may_propose(after=1)
            if member is not None:
                self.join(member)
            step = self.race.next_step()
        if step is None:
            return None
        member = self.members[step.trial]
        unit = member.units[step.unit]
        self._steps[unit.title, step.epochs] = step
        return Task(unit, member.prepared, step.epochs)

    def ended(self, task: Task, event: Event | None) -> None:
        """Record what a unit scored, or that it failed or was stopped."""
        step = self._steps.pop((task.unit.title, task.until))
        kind = None if event is None else event.get("event")
        if kind == "stopped":
            self.race.release(step)
        elif kind not in _ENDED or not self._read(step, task.unit):
            self.race.fail(step)
        else:
            self.touched.add(task.unit.title)
        self.spent.add(float((event or {}).get("time_total_s", 0.0)))  # what was stopped or failed has cost, too

    def is_finished(self) -> bool:
        """Whether nothing will come any more."""
        if self._stopped() or self.spent.is_over():
            return True
        return not self.race.running and not self.has_work()

    def _may_propose(self, *, after: int = 0) -> bool:
        if self.space.search != "tpe" or self.space.trials is None or self.race.closed:
            return False
        n_tried = sum(bool(member.trial.values) for member in self.members.values())
        return n_tried + after < self.space.trials

    def _judged(self) -> list[Judged]:
        return [Judged(member.trial.values, self._judgement(name)) for name, member in self.members.items()]

    def _judgement(self, name: str) -> float | None:
        """Return what a search learns of a configuration: its mean so far once it is complete or dropped."""
        if name in self.race.failed:
            return math.inf
        if self.race.is_complete(name) or self.race.is_dropped(name):
            return self.race.standing(name)[1]
        return None

    def _read(self, step: Step, unit: Unit) -> bool:
        """Record a score that lies in the unit's folder; False when there is none.

        That is the one at the epochs asked for, or else at the next ones after them: a race may be taken up with other
        epochs, or by trainings that have ended without it.
        """
        rung = None if step.epochs is None else rung_from(unit.folder, step.epochs)
        if rung is None and not unit.is_done:
            return False
        path = unit.folder / VALID_SCORES if rung is None else rung_scores(unit.folder, rung)
        epochs = read_marker(unit.folder).get("epochs", 0) if rung is None else rung
        self.race.record(
            step,
            self.loss_of(objective_at(path, self.objective)),
            complete=rung is None,
            ahead=step.epochs is not None and epochs > step.epochs,
        )
        return True

    def loss_of(self, value: float | None) -> float:
        """Return a score as the race takes it: the lower the better, ``inf`` where it is not defined."""
        if value is None or not math.isfinite(value):
            return math.inf
        return -value if self.objective.better == "higher" else value


def objective_at(path: Path, objective: Metric) -> float | None:
    """Return the objective out of a file of scores; None where it is not defined."""
    if not path.exists():
        return None
    windows: Mapping[str, Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["windows"]
    value = windows.get(objective.windows, {}).get(objective.name)
    return None if value is None else float(value)
