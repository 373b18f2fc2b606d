"""Gather what a study's page shows out of its units' folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasac.cache import write_whole
from kerasac.runs.race import Race
from kerasac.runs.status import VERDICT
from kerasac.runs.study_tasks import Member, StudyTasks, objective_at
from kerasac.runs.unit import VALID_SCORES, Unit, read_marker, rungs
from kerasac.steps.comparison import Metric
from kerasac.steps.history import read_history
from kerasac.steps.metric_summary import MetricSummary
from kerasac.steps.study_page import write_study_page
from kerasac.steps.study_results import State, StudyResult, Tried, UnitResult

if TYPE_CHECKING:
    from kerasac.runs.study import Study

_STAGES = {"bias": "training", "train": "training", "validate": "validation"}


def level_text(race: Race, name: str) -> str:
    """Say how far a configuration came: ``2 units, 4 epochs``."""
    done = race.level(name)
    if not done:
        return "no level"
    level = race.levels[done - 1]
    units = f"{level.n_units} unit{'s' if level.n_units > 1 else ''}"
    return f"{units}, to the end" if level.epochs is None else f"{units}, {level.epochs} epochs"


def study_result(
    study: Study, members: Mapping[str, Member], tasks: StudyTasks, phases: Mapping[str, float], name: str
) -> StudyResult:
    """Return what the page shows: the complete configurations by rank, then the others by how far they came."""
    order = [*study.ranked, *(one for one in tasks.race.ranked() if one not in study.ranked)]
    seconds = {**phases}
    seconds.pop("training", None)
    for member in members.values():
        for unit in member.units:
            for stage, took in read_marker(unit.folder).get("seconds", {}).items():
                phase = f"{_STAGES.get(stage, stage)} (all units)"
                seconds[phase] = seconds.get(phase, 0.0) + took
    full = [sum(unit.epochs for unit in _units(members[one], study.objective).values()) for one in study.ranked]
    return StudyResult(
        name=name,
        objective_key=study.objective.key,
        objective_title=study.objective.title,
        better=study.objective.better,
        scored_on="each fold's validation chromosomes",
        keys=tuple(axis.key for axis in tasks.space.axes),
        tried=tuple(_tried(one, study, members[one], tasks) for one in order),
        **(_tested(study.winner_folder) if study.ranked else {}),
        also_tested=tuple(one for one in order if one not in study.ranked[:1] and _tested(study.folder / one)),
        phases=seconds,
        epochs_trained=study.epochs,
        epochs_of_grid=round(sum(full) / len(full) * len(members)) if full else None,
        notes=tuple(f"{unit}: {message}" for unit, message in study.failures.items()),
        seconds=study.seconds,
    )


def _tried(name: str, study: Study, member: Member, tasks: StudyTasks) -> Tried:
    state: State = "unfinished"
    if name in study.ranked or name in study.undefined:
        state = "complete"
    elif name in tasks.race.failed:
        state = "failed"
    elif name in study.dropped:
        state = "dropped"
    return Tried(
        name=name,
        values=member.trial.values,
        units=_units(member, study.objective),
        rank=study.ranked.index(name) + 1 if name in study.ranked else None,
        state=state,
        level=level_text(tasks.race, name),
        is_default=not member.trial.values,
    )


def _units(member: Member, objective: Metric) -> dict[str, UnitResult]:
    return {unit.name: _unit(unit, objective) for unit in member.units if (unit.folder / "history.csv").exists()}


def _unit(unit: Unit, objective: Metric) -> UnitResult:
    history = read_history(unit.folder / "history.csv")
    marker = read_marker(unit.folder)
    return UnitResult(
        objective=objective_at(unit.folder / VALID_SCORES, objective),
        epochs=len(history),
        seconds=sum(marker.get("seconds", {}).values()) or None,
        history=tuple((int(row["epoch"]), row["loss"], row["val_loss"]) for row in history),
        earlier=tuple((epoch, objective_at(path, objective)) for epoch, path in rungs(unit.folder).items()),
        is_done=unit.is_done,
    )


def write_tested(study: Study) -> None:
    """Write page and verdict again, with the scores of the winner on test, which is cross-validated by now."""
    assert study.page is not None, "a study with a winner has a page"
    page = replace(study.page, **_tested(study.winner_folder))
    write_study_page(page, study.folder, study.comparison)
    verdict = json.loads((study.folder / VERDICT).read_text(encoding="utf-8"))
    test = {metric: MetricSummary(values).mean for metric, values in (page.test or {}).items()}
    write_verdict(study.folder, {**verdict, "test": test})


def write_verdict(folder: Path, document: Mapping[str, Any]) -> None:
    """Write what a study found, for other programs."""
    write_whole(folder / VERDICT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _tested(winner: Path) -> dict[str, Any]:
    """Return the best configuration's scores on test, and their day, where it has been cross-validated."""
    path = winner / "summary.json"
    if not path.exists():
        return {}
    metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    scores = {f"{windows}.{name}": one["values"] for windows, by in metrics.items() for name, one in by.items()}
    return {"test": scores, "tested_on": str(date.fromtimestamp(path.stat().st_mtime))}
