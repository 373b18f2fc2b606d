"""Say what came of a study: which configuration is best, what cannot be told from it, and what is unfinished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from kerasac.cache import write_whole
from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.runs.status import VERDICT
from kerasac.runs.study_members import Members
from kerasac.runs.study_page import level_text, write_verdict
from kerasac.runs.study_tasks import StudyTasks
from kerasac.runs.study_verdict import compared_metrics, equal_to_best, ranked_by, validated
from kerasac.runs.unit import read_marker
from kerasac.runs.unit_status import how_far
from kerasac.steps.comparison import Comparison, Metric, compare
from kerasac.steps.comparison_report import write_comparison
from kerasac.steps.configurations import Configuration
from kerasac.steps.study_results import StudyResult

WINNER = "winner.yaml"
_SCORED_ON = (
    "All scores here are of each fold's validation chromosomes, by which the best epoch of each training was chosen "
    "too; none is of the test chromosomes of its fold. As a chromosome validates one fold and tests "
    "another, the cross-validation of a configuration that was chosen here is slightly optimistic."
)


class Ending(NamedTuple):
    """How the units of a study ended: messages of those that failed, and by what it was asked to stop."""

    failures: Mapping[str, str]
    stopped: str | None = None
    exit_status: int = 0
    n_kept: int = 0
    """Units that were done before."""


@dataclass(frozen=True)
class Study:
    """What came of a study.

    ``read`` are all configurations with their validation scores, ``comparison`` the complete ones against the first,
    None when none is complete; ``ranked`` are the names of the complete configurations, the best first; ``equal`` those
    that cannot be told from the best by the paired test over folds; ``undefined`` complete ones whose objective is not
    defined in any unit; ``dropped`` the others by how far they came, the furthest first. ``failures`` are messages by
    unit, ``refused`` those of proposals that made no experiment; ``stopped`` says by what the study was asked to stop,
    ``over_budget`` which budget ended it before it had done all. ``page`` is what ``study.html`` shows.
    """

    folder: Path
    read: tuple[Configuration, ...]
    comparison: Comparison | None
    objective: Metric
    ranked: tuple[str, ...]
    equal: frozenset[str]
    dropped: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]
    failures: Mapping[str, str]
    n_trained: int
    n_kept: int
    epochs: int
    seconds: float
    unfinished: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    stopped: str | None = None
    over_budget: str | None = None
    undefined: tuple[str, ...] = ()
    exit_status: int = 0
    page: StudyResult | None = None

    @property
    def winner(self) -> str:
        """The name of the best configuration, whose experiment is ``winner.yaml``."""
        return self.ranked[0]

    @property
    def winner_folder(self) -> Path:
        """The folder of the best configuration's models."""
        return self.folder / self.winner


def outcome(members: Members, tasks: StudyTasks, ending: Ending, seconds: float) -> Study:
    """Judge the configurations by what lies in their folders.

    Raises
    ------
    RunError
        When none is complete, though nothing asked the study to end early.
    """
    read = {one.name: validated(one.name, one.prepared, one.units) for one in members.all}
    complete = [one for one in read.values() if one.scores and not one.missing]
    if not complete and ending.stopped is None and not tasks.spent.is_over():
        lines = [f"{name}: {message}" for name, message in ending.failures.items()]
        raise RunError("\n".join(["no configuration is finished; the same command goes on.", *lines]))
    comparison, objective = _compared(complete, tasks.objective)
    ranked = ranked_by(complete, objective) if complete else ()
    rivals = [one for one in complete if one.name in ranked]
    dropped = _dropped(tasks)
    unfinished = {
        unit.title: ending.failures.get(unit.title, how_far(unit))
        for one in members.all
        if one.name not in dropped
        for unit in one.units
        if unit.name in read[one.name].missing
    }
    stopped = ending.stopped if unfinished or tasks.has_work() else None
    is_cut_short = bool(unfinished) or stopped is not None
    return Study(
        folder=members.folder,
        read=tuple(read.values()),
        comparison=comparison,
        objective=objective,
        ranked=ranked,
        equal=equal_to_best(rivals, objective, ranked[0]) if ranked else frozenset(),
        undefined=tuple(one.name for one in complete if one.name not in ranked),
        dropped=dropped,
        settings={one.name: one.trial.values for one in members.all},
        failures=dict(ending.failures),
        refused=dict(members.refused),
        n_trained=len(tasks.touched),
        n_kept=ending.n_kept,
        epochs=sum(read_marker(unit.folder).get("epochs", 0) for one in members.all for unit in one.units),
        seconds=seconds,
        unfinished=unfinished,
        stopped=stopped,
        over_budget=str(tasks.spent.budget) if stopped is None and tasks.has_work() and tasks.spent.is_over() else None,
        exit_status=(ending.exit_status or int(bool(ending.failures))) if is_cut_short else 0,
    )


def _compared(complete: list[Configuration], objective: Metric) -> tuple[Comparison | None, Metric]:
    """Compare the complete configurations with the first; returns the objective with its title, too."""
    if not complete:
        return None, objective
    comparison = compare(complete, metrics=compared_metrics(objective, complete[0]))
    titled = next(one for one in comparison.metrics if one.key == objective.key)
    return replace(comparison, about=_SCORED_ON), titled


def _dropped(tasks: StudyTasks) -> dict[str, str]:
    """Say how far the configurations came that go no further."""
    race, is_over = tasks.race, not tasks.has_work()
    left = [name for name in race.ranked() if name not in race.failed and not race.is_complete(name)]
    return {name: level_text(race, name) for name in left if is_over or race.is_out(name)}


def withdraw_verdict(folder: Path) -> None:
    """Mark the verdict of an earlier command as one that does not know of what is done now."""
    path = folder / VERDICT
    if path.exists():
        write_verdict(folder, {**json.loads(path.read_text(encoding="utf-8")), "withdrawn": True})


def write_outcome(study: Study, winner: Experiment | None) -> None:
    """Write the verdict, and the best configuration as an experiment file."""
    if winner is not None:
        write_whole(study.folder / WINNER, winner.to_yaml())
    document = {
        "objective": study.objective.key,
        "scored_on": "validation chromosomes",
        "ranked": [
            {
                "name": name,
                "values": study.settings[name],
                "distinguishable_from_best": name not in study.equal if place else None,
            }
            for place, name in enumerate(study.ranked)
        ],
        "dropped": [
            {"name": name, "values": study.settings[name], "after": level} for name, level in study.dropped.items()
        ],
        "epochs": study.epochs,
        "undefined": list(study.undefined),
        "unfinished": dict(study.unfinished),
        "refused": dict(study.refused),
        "stopped": study.stopped,
        "over_budget": study.over_budget,
    }
    write_verdict(study.folder, document)
    if study.comparison is not None:
        write_comparison(study.comparison, study.folder)
