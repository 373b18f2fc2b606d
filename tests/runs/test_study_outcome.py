"""What a study makes of the scores that lie in its folders, without training anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kerasac.config.space import Axis, Racing, Space, Trial
from kerasac.errors import RunError
from kerasac.genome.folds import Fold
from kerasac.runs.budget import Budget, Spent
from kerasac.runs.proposals import Judged
from kerasac.runs.race import Race, levels_of
from kerasac.runs.status import read_status
from kerasac.runs.study_outcome import Ending, Study, outcome, withdraw_verdict, write_outcome
from kerasac.runs.study_tasks import Member, StudyTasks
from kerasac.runs.unit import DONE, TUNED, VALID_SCORES, Unit, rung_from, rung_scores, rungs
from kerasac.steps.comparison import Metric

DISTANCE = Metric("peaks", "jsd_distance_mean", "peaks.jsd_distance_mean", "lower")
EPOCHS = 20
GRID = Space((Axis("x", "grid", (1, 2)),), default=False)
SEARCH = Space((Axis("x", "uniform", (0.0, 1.0)),), "tpe", 20)


class Experiment:
    def as_dict(self) -> dict[str, str]:
        return {"name": "x"}


PREPARED: Any = SimpleNamespace(experiment=Experiment())


def member(folder: Path, name: str, *, n_folds: int = 3) -> Member:
    units = tuple(
        Unit(Fold(i, ("a",), ("b",), (f"c{i}",)), 1, str(folder / name), name, tuning=True) for i in range(n_folds)
    )
    nothing: Any = None
    return Member(Trial(name, {"x": name}), nothing, PREPARED, units, nothing)


def scores(value: float | None, tasks: Mapping[str, float | None] | None = None) -> str:
    return json.dumps(
        {
            "windows": {"peaks": {"jsd_distance_mean": value}},
            "n": {"peaks": {"n_windows": 10}},
            "tasks": {name: {"peaks": {"jsd_distance_mean": one}} for name, one in (tasks or {}).items()},
            "definitions": {"jsd_distance_mean": "Distance; lower is better."},
        }
    )


def write(unit: Unit, state: str, *, score: float | str | None = "none", rung: int | None = None, **facts: Any) -> None:
    """Leave a unit's marker, and scores unless there are none."""
    unit.folder.mkdir(parents=True, exist_ok=True)
    (unit.folder / "unit.json").write_text(json.dumps({"state": state, "epochs": EPOCHS, **facts}))
    if score != "none":
        assert not isinstance(score, str)
        (unit.folder / VALID_SCORES).write_text(scores(score))
        if rung is not None:
            rung_scores(unit.folder, rung).write_text(scores(score))


def tasks_of(
    members: Sequence[Member],
    space: Space = GRID,
    *,
    budget: Budget | None = None,
    propose: Callable[[list[Judged]], Member | None] = lambda _: None,
    stopped: bool = False,
) -> StudyTasks:
    race = Race(
        levels_of(space, len(members[0].units), EPOCHS),
        race=space.race,
        prune=space.prune,
        closed=space.search != "tpe",
    )
    spent = Spent(budget or Budget())
    tasks = StudyTasks(space, race, DISTANCE, spent, propose=propose, stopped=lambda: stopped)
    for one in members:
        tasks.join(one)
    return tasks


def asked(tasks: StudyTasks) -> list[str]:
    found = []
    while (task := tasks.next_task()) is not None:
        found.append(task.unit.title)
    return found


def judge(folder: Path, members: Sequence[Member], tasks: StudyTasks, ending: Ending | None = None) -> Study:
    known: Any = SimpleNamespace(all=members, folder=folder, refused={}, by_name={one.name: one for one in members})
    return outcome(known, tasks, ending or Ending({}), 1.0)


def study(folder: Path, values: Mapping[str, Sequence[float | None]], **how: Any) -> Study:
    """Judge configurations whose units have ended with these scores."""
    members = [member(folder, name, n_folds=len(found)) for name, found in values.items()]
    for one, found in zip(members, values.values(), strict=True):
        for unit, value in zip(one.units, found, strict=True):
            write(unit, TUNED, score=value)
    return judge(folder, members, tasks_of(members), **how)


def test_a_configuration_without_the_objective_leaves_the_verdict_to_the_others(tmp_path: Path) -> None:
    found = study(tmp_path, {"dead": (None, None, None), "a": (0.5, 0.6, 0.55), "b": (0.4, 0.45, 0.41)})
    assert (found.ranked, found.undefined) == (("b", "a"), ("dead",))


def test_a_mean_that_lacks_the_difficult_fold_does_not_win(tmp_path: Path) -> None:
    found = study(tmp_path, {"whole": (0.2, 0.6, 0.2), "lacks": (0.21, None, 0.21)})
    assert found.ranked == ("whole", "lacks")


def test_a_mean_that_lacks_a_task_does_not_win_unless_all_lack_it(tmp_path: Path) -> None:
    values: dict[str, tuple[float, dict[str, float | None]]] = {
        "whole": (0.5, {"t": 0.3, "u": 0.7, "never": None}),
        "collapsed": (0.35, {"t": 0.35, "u": None, "never": None}),
    }
    members = [member(tmp_path, name) for name in values]
    for one in members:
        for unit in one.units:
            write(unit, TUNED, score=0.1)
            (unit.folder / VALID_SCORES).write_text(scores(*values[one.name]))
    found = judge(tmp_path, members, tasks_of(members))
    assert (found.ranked, found.equal) == (("whole", "collapsed"), frozenset())


def test_no_defined_objective_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not defined for any configuration"):
        study(tmp_path, {"a": (None,), "b": (None,)})


def test_the_winner_is_not_said_to_differ_from_itself(tmp_path: Path) -> None:
    found = study(tmp_path, {"a": (0.3, 0.31, 0.32), "b": (0.5, 0.52, 0.54)})
    write_outcome(found, None)
    ranked = json.loads((tmp_path / "study.json").read_text())["ranked"]
    assert [one["distinguishable_from_best"] for one in ranked] == [None, True]


def test_folds_that_were_only_tested_are_scored_on_validation_when_a_study_comes_to_them(tmp_path: Path) -> None:
    winner, other = member(tmp_path, "winner"), member(tmp_path, "other")
    write(winner.units[0], DONE, score=0.3)
    for unit in winner.units[1:]:
        write(unit, DONE)
    write(other.units[0], TUNED, score=0.5)
    assert [unit.is_done for unit in winner.units] == [True, False, False]
    assert asked(tasks_of([winner, other])) == [
        f"{name}/fold-{fold}/seed-1" for fold in (1, 2) for name in ("winner", "other")
    ]


def test_trainings_that_ended_without_the_race_drop_nobody_from_it(tmp_path: Path) -> None:
    space = Space((Axis("x", "grid", tuple(range(8))),), race=Racing(first_epochs=5), default=False)
    old, new = ([member(tmp_path, f"{kind}{i}") for i in range(4)] for kind in ("old", "new"))
    for one in old:
        for unit in one.units:
            write(unit, TUNED, score=0.6)
    tasks = tasks_of([*old, *new], space)
    finished = {one.name: one.units for one in new}
    n_asked = 0
    while (task := tasks.next_task()) is not None:
        n_asked += 1
        epochs = task.until or EPOCHS
        state = {"state": "paused", "rung": task.until} if task.until else {"state": TUNED}
        write(task.unit, score=0.4 + 0.5 * 2 ** (-epochs / 5), epochs=epochs, **state)
        tasks.ended(task, {"event": "paused" if task.until else "done"})
    complete = [name for name in finished if tasks.race.is_complete(name)]
    assert len(complete) == 2, "half of the new ones go on, though at 5 epochs they are behind the old ones at 20"
    assert n_asked < 4 * 3 * len(tasks.race.levels)


def test_a_race_with_fewer_first_epochs_takes_no_later_score_for_an_early_one(tmp_path: Path) -> None:
    one = member(tmp_path, "a", n_folds=1)
    write(one.units[0], "paused", score=0.5, rung=5, epochs=5)
    assert (rung_from(one.units[0].folder, 3), rung_from(one.units[0].folder, 6)) == (5, None)
    assert list(rungs(one.units[0].folder)) == [5]
    tasks = tasks_of([one], Space((Axis("x", "grid", (1, 2)),), race=Racing(first_epochs=3), default=False))
    (step,) = tasks.race.ahead
    assert step.epochs == 3


def test_a_search_that_is_stopped_between_two_trainings_is_not_over(tmp_path: Path) -> None:
    members = [member(tmp_path, name) for name in ("a", "b")]
    for one, value in zip(members, (0.3, 0.4), strict=True):
        for unit in one.units:
            write(unit, TUNED, score=value)
    tasks = tasks_of(members, SEARCH, stopped=True)
    found = judge(tmp_path, members, tasks, Ending({}, "Ctrl-C", 130))
    assert (found.stopped, found.exit_status, found.unfinished) == ("Ctrl-C", 130, {})
    write_outcome(found, None)
    (tmp_path / "provenance.json").write_text("{}")
    assert read_status(tmp_path).state != "finished"


def test_a_study_that_its_budget_ended_is_finished_and_says_so(tmp_path: Path) -> None:
    members = [member(tmp_path, name) for name in ("a", "b")]
    for unit in members[0].units:
        write(unit, TUNED, score=0.3, seconds={"train": 3600})
    tasks = tasks_of(members, budget=Budget(device_seconds=3600, device="cpu"))
    found = judge(tmp_path, members, tasks)
    assert (found.over_budget, found.stopped, len(found.unfinished)) == ("1 cpu-hours", None, 3)
    write_outcome(found, None)
    (tmp_path / "provenance.json").write_text("{}")
    assert read_status(tmp_path).state == "finished"


def test_what_was_stopped_or_failed_counts_in_the_budget(tmp_path: Path) -> None:
    one = member(tmp_path, "a")
    tasks = tasks_of([one], budget=Budget(device_seconds=100, device="cpu"))
    for event in ("stopped", "failed"):
        task = tasks.next_task()
        assert task is not None
        tasks.ended(task, {"event": event, "time_total_s": 40.0})
    assert tasks.spent.unit_seconds == 80


def test_a_verdict_is_not_the_last_word_once_more_is_trained(tmp_path: Path) -> None:
    found = study(tmp_path, {"a": (0.3,), "b": (0.4,)})
    write_outcome(found, None)
    (tmp_path / "provenance.json").write_text("{}")
    assert read_status(tmp_path).state == "finished"
    (tmp_path / ".stop").write_text("Ctrl-C\n")
    assert read_status(tmp_path).state == "finished", "it came when nothing was left to stop"
    (tmp_path / ".stop").unlink()
    withdraw_verdict(tmp_path)
    assert read_status(tmp_path).state != "finished"
    write_outcome(found, None)
    assert read_status(tmp_path).state == "finished"
