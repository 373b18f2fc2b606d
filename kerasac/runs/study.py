"""Try the configurations of a space on folds and seeds, judged on validation chromosomes alone."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from kerasac.cache import remove, write_whole
from kerasac.config import Experiment, make_experiment, with_values
from kerasac.config.space import Space, Trial
from kerasac.errors import ConfigError, KerasacError, RunError
from kerasac.runs.budget import Budget, Spent
from kerasac.runs.cluster_nodes import check_experiment_on_nodes, require_local_folder
from kerasac.runs.heartbeat import Command, heartbeat
from kerasac.runs.launch import UnitAllotment, launch_tasks
from kerasac.runs.listening import Listener
from kerasac.runs.lock import run_lock
from kerasac.runs.nodes import decode_on_other_nodes, node_shards
from kerasac.runs.origin import check_folder, write_origin
from kerasac.runs.progress import ProgressView
from kerasac.runs.proposals import Judged, propose
from kerasac.runs.race import Race, levels_of, raced_epochs
from kerasac.runs.session import closing_ray, ray_session
from kerasac.runs.stopping import stopping
from kerasac.runs.study_page import level_text, study_result
from kerasac.runs.study_tasks import Member, StudyTasks
from kerasac.runs.study_verdict import (
    compared_metrics,
    equal_to_best,
    objective_of,
    ranked_by,
    validated,
    validation_means,
)
from kerasac.runs.tracking import Tracker, flat_parameters
from kerasac.runs.unit import Unit, read_marker
from kerasac.steps.check import checked
from kerasac.steps.comparison import Comparison, Metric, compare
from kerasac.steps.comparison_report import write_comparison
from kerasac.steps.configurations import Configuration
from kerasac.steps.prepare import prepare
from kerasac.steps.prepared import Prepared
from kerasac.steps.study_page import write_study_page

WINNER = "winner.yaml"
TRIALS = "trials.json"  # what a search has proposed, so that it goes on from there
_SCORED_ON = (
    "All scores here are of each fold's validation chromosomes, by which the best epoch of each training was chosen "
    "too; no model has been scored on the test chromosomes of its fold. As a chromosome validates one fold and tests "
    "another, the cross-validation of a configuration that was chosen here is slightly optimistic."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """What came of a study.

    ``read`` are all configurations with their validation scores, ``comparison`` the complete ones against the first,
    None when none is complete; ``ranked`` are the names of the complete configurations, the best first; ``equal`` those
    that cannot be told from the best by the paired test over folds; ``dropped`` the others by how far they came, the
    furthest first. ``failures`` are messages by unit, ``refused`` those of proposals that made no experiment;
    ``stopped`` says by what the study was asked to stop.
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
    exit_status: int = 0

    @property
    def winner(self) -> str:
        """The name of the best configuration, whose experiment is ``winner.yaml``."""
        return self.ranked[0]

    @property
    def winner_folder(self) -> Path:
        """The folder of the best configuration's models."""
        return self.folder / self.winner


def run_study(
    document: Mapping[str, Any],
    base: Path,
    space: Space,
    folder: Path,
    *,
    name: str,
    console: Console,
    budget: Budget | None = None,
    stop_after_s: float | None = None,
) -> Study:
    """Train the configurations of a space on folds and seeds, and compare them on the validation chromosomes.

    ``document`` is an experiment's keys, relative to ``base``. The test chromosomes are not read. What is finished in
    ``folder`` is kept, what was interrupted goes on at its last epoch; further configurations may join. A race or a
    pruner gives up configurations early (:mod:`kerasac.runs.race`); after the ``budget`` no further unit is begun.

    Raises
    ------
    KerasacError
        Before any training, for whatever is wrong with any of the configurations.
    RunError
        When no configuration could be finished, without having been asked to stop; finished units are kept.
    """
    require_local_folder(folder)
    with closing_ray():
        study = _Run(document, base, space, folder.resolve(), name, console)
        return study.run(budget or Budget(), stop_after_s)


class _Run:
    """The parts of a study, in order."""

    def __init__(
        self, document: Mapping[str, Any], base: Path, space: Space, folder: Path, name: str, console: Console
    ) -> None:
        self.document, self.base, self.space, self.name = document, base, space, name
        self.folder, self.console = folder, console
        self.started = time.monotonic()
        self.phases: dict[str, float] = {}
        self.members: dict[str, Member] = {}
        self.refused: dict[str, str] = {}  # proposals that make no experiment, and why

    def run(self, budget: Budget, stop_after_s: float | None) -> Study:
        with self._phase("checking"):
            self._prepare(self._trials(budget))
        first = next(iter(self.members.values()))
        self.objective = objective_of(self.space, first.prepared)
        self.folder.mkdir(parents=True, exist_ok=True)
        with run_lock(self.folder):
            for member in self.members.values():
                self._start_folder(member)
            write_whole(self.folder / "provenance.json", json.dumps(self._provenance(), indent=1) + "\n")
            with stopping(self.folder, after_s=stop_after_s, since=self.started) as stop:
                tasks = self._tasks(budget, lambda: stop.reason is not None)
                kept = {unit.title for one in self.members.values() for unit in one.units if unit.is_done}
                failures = self._train(tasks, stop) if tasks.has_work() else {}
                asked = (stop.reason, stop.exit_status)
            study = self._judge(tasks, failures, kept, asked)
            if tasks.touched or failures:
                self._close_tracking(study)
            return study

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - began

    def _trials(self, budget: Budget) -> list[Trial]:
        """Return what is tried from the start: all of a grid or of drawn ones, and what a search proposed before."""
        if budget.trials is not None and self.space.search != "grid":
            self.space = replace(self.space, trials=budget.trials)
        trials = list(self.space.configurations())
        path = self.folder / TRIALS
        if self.space.search == "tpe" and path.exists():
            for values in json.loads(path.read_text(encoding="utf-8"))[: self.space.trials]:
                trials.append(self.space.trial(values, trials))
        if self.space.search == "tpe" and not any(one.values for one in trials):
            trials.append(self.space.trial(propose(self.space, ()), trials))  # a mistake in a key shows at once
        return trials[: budget.trials] if budget.trials is not None and self.space.search == "grid" else trials

    def _prepare(self, trials: Sequence[Trial]) -> None:
        """Check all configurations before any is trained: the first one with everything, what the others change."""
        self.tracker: Tracker | None = None
        with node_shards() as shards:
            for trial, experiment in experiments_of(self.document, self.base, self.space, trials, self.name):
                try:
                    prepared = (prepare if self.members else checked)(experiment, shards)
                except KerasacError as error:
                    raise type(error)(f"configuration {trial.name}: {error}") from error
                self.members[trial.name] = self._member(trial, experiment, prepared)

    def _member(self, trial: Trial, experiment: Experiment, prepared: Prepared) -> Member:
        if self.tracker is None:
            self.tracker = Tracker(experiment, self.folder, kind="study")
        tracker = Tracker(experiment, self.folder / trial.name, kind="configuration", study=self.tracker)
        return Member(trial, experiment, prepared, self._units(trial.name, prepared), tracker)

    def _units(self, name: str, prepared: Prepared) -> tuple[Unit, ...]:
        """Return a configuration's units in the order of their training: all folds with a seed before the next seed."""
        by_index = {fold.index: fold for fold in prepared.folds}
        wanted = self.space.folds or tuple(by_index)
        unknown = sorted(set(wanted) - set(by_index))
        if unknown:
            raise ConfigError(f"configuration {name} has {len(by_index)} folds, none of number {unknown[0]}")
        run_folder = str(self.folder / name)
        seeds = prepared.experiment.seeds
        return tuple(Unit(by_index[i], seed, run_folder, name, tuning=True) for seed in seeds for i in wanted)

    def _start_folder(self, member: Member) -> None:
        folder = self.folder / member.name
        folder.mkdir(exist_ok=True)
        check_folder(member.prepared, folder)
        write_origin(member.prepared, folder)

    def _provenance(self) -> dict[str, Any]:
        command = Command.this()
        return {"command": str(command), "cwd": command.cwd, "name": self.name}

    def _tasks(self, budget: Budget, stopped: Any) -> StudyTasks:
        first = next(iter(self.members.values()))
        levels = levels_of(self.space, len(first.units), first.experiment.training.epochs)
        race = Race(
            levels,
            race=self.space.race,
            prune=self.space.prune,
            wide=self.space.search != "tpe" and self.space.prune is None,
            closed=self.space.search != "tpe",
        )
        tasks = StudyTasks(
            self.space, race, self.objective, Spent(budget, began=self.started), propose=self._propose, stopped=stopped
        )
        for member in self.members.values():
            tasks.join(member)
        return tasks

    def _propose(self, judged: list[Judged]) -> Member | None:
        """Make a configuration of what the search proposes; one that fits nothing is noted, the next tried."""
        refused: list[Judged] = []
        for _ in range(20):
            values = propose(self.space, [*judged, *refused])
            trial = self.space.trial(values, [one.trial for one in self.members.values()])
            try:
                experiment = experiment_of(self.document, self.base, self.space, trial, self.name)
                if all(experiment != one.experiment for one in self.members.values()):
                    member = self._member(trial, experiment, prepare(experiment))
                    break
            except KerasacError as error:
                self.refused[trial.name] = str(error)
            refused.append(Judged(values, float("inf")))
        else:
            return None
        self.members[trial.name] = member
        self._start_folder(member)
        tried = [one.trial.values for one in self.members.values() if one.trial.values]
        write_whole(self.folder / TRIALS, json.dumps(tried, indent=1) + "\n")
        member.tracker.open(flat_parameters(member.experiment))
        return member

    def _open_tracking(self) -> None:
        assert self.tracker is not None, "there is a configuration"
        self.tracker.open({axis.key: f"{axis.kind} {list(axis.values)}" for axis in self.space.axes})
        for member in self.members.values():
            member.tracker.open(flat_parameters(member.experiment))

    def _close_tracking(self, study: Study) -> None:
        assert self.tracker is not None, "there is a configuration"
        if study.ranked:
            self._register(study)  # before its configuration's run is closed
        for one in study.read:
            member = self.members[one.name]
            for unit in member.units:
                state = read_marker(unit.folder).get("state")
                if one.name in study.dropped and state == "paused":
                    member.tracker.drop(unit, study.dropped[one.name])
                elif state == "started":
                    member.tracker.interrupt(unit)
            ended = not one.missing or one.name in study.dropped
            member.tracker.close(finished=ended, metrics=validation_means(one))
        best = [one for one in study.read if study.ranked and one.name == study.winner]
        self.tracker.close(finished=not study.unfinished, metrics=validation_means(best[0]) if best else {})

    def _register(self, study: Study) -> None:
        """Put the winner's model, of the fold and seed that it learned best, in MLflow's registry."""
        best = self.members[study.winner]
        model = min(best.units, key=lambda unit: read_marker(unit.folder).get("best_loss", float("inf")))
        said = f"The best of {len(self.members)} configurations by {study.objective.key} on validation chromosomes."
        best.tracker.register(model, name=self.name, alias="winner", description=said)

    def _train(self, tasks: StudyTasks, stop: Any) -> dict[str, str]:
        self._open_tracking()
        scratch = self.folder / ".ray"
        remove(scratch)
        first = next(iter(self.members.values()))
        with self._phase("starting"):
            session = ray_session()
            resources = session.__enter__()
        try:
            stop.hold_signals()
            check_experiment_on_nodes(first.experiment, self.folder)
            n_trials = self.space.trials if self.space.search == "tpe" else len(self.members)
            n_units = len(first.units) * max(n_trials or 1, len(self.members))
            compute = first.experiment.compute
            allotment = UnitAllotment(compute, n_units, resources, decoded=first.prepared.source.in_memory)
            device = tasks.spent.budget.device
            tasks.spent.per_unit = allotment.share.gpus * allotment.trainers if device == "gpu" else allotment.cpus
            logger.info("%d configurations, %s", len(self.members), allotment.describe())
            with self._phase("decoding"):
                for member in self.members.values():
                    decode_on_other_nodes(member.prepared.source)
            epochs = max(one.experiment.training.epochs for one in self.members.values())
            pending = [unit for one in self.members.values() for unit in one.units if not unit.is_done]
            view = ProgressView(pending, epochs, self.console, finished=n_units - len(pending), total=n_units)
            self._announce(view, tasks, n_units, epochs)
            listener = _Scores(view, self, tasks, stop)
            with self._phase("training"), view, heartbeat(self.folder, view, stop=stop, gpus=allotment.share.gpus):
                launch_tasks(tasks, allotment, listener, scratch=scratch)
        finally:
            session.__exit__(None, None, None)
        shutil.rmtree(scratch, ignore_errors=True)
        return listener.failures

    def _announce(self, view: ProgressView, tasks: StudyTasks, n_units: int, epochs: int) -> None:
        """Tell the screen how much is to come; how many epochs trainings want is only known of a race."""
        budget, race = tasks.spent.budget, self.space.race
        planned = None if race is None else raced_epochs(race, tasks.race.levels, len(self.members), epochs)
        view.planned(units=n_units, epochs=planned, budget=str(budget) if any(budget) else "")

    def _judge(
        self, tasks: StudyTasks, failures: dict[str, str], kept: set[str], asked: tuple[str | None, int]
    ) -> Study:
        read = [validated(one.name, one.prepared, one.units) for one in self.members.values()]
        complete = [one for one in read if one.scores and not one.missing]
        ended = not tasks.has_work()
        dropped = {
            name: level_text(tasks.race, name)
            for name in tasks.race.ranked()
            if ended and name not in tasks.race.failed and not tasks.race.is_complete(name)
        }
        unfinished = {
            f"{one.name}/{unit}": failures.get(f"{one.name}/{unit}", "unfinished")
            for one in read
            if one.name not in dropped
            for unit in one.missing
        }
        if not complete and asked[0] is None and not tasks.spent.is_over():
            lines = [f"{name}: {message}" for name, message in failures.items()]
            raise RunError("\n".join(["no configuration is finished; the same command goes on.", *lines]))
        comparison: Comparison | None = None
        ranked: tuple[str, ...] = ()
        equal: frozenset[str] = frozenset()
        if complete:
            comparison = replace(
                compare(complete, metrics=compared_metrics(self.objective, complete[0])), about=_SCORED_ON
            )
            self.objective = next(one for one in comparison.metrics if one.key == self.objective.key)  # with its title
            ranked = ranked_by(complete, self.objective)
            equal = equal_to_best(complete, self.objective, ranked[0])
        study = Study(
            folder=self.folder,
            read=tuple(read),
            comparison=comparison,
            objective=self.objective,
            ranked=ranked,
            equal=equal,
            dropped=dropped,
            settings={name: one.trial.values for name, one in self.members.items()},
            failures={**failures, **unfinished},
            refused=dict(self.refused),
            n_trained=len(tasks.touched),
            n_kept=len(kept),
            epochs=sum(read_marker(u.folder).get("epochs", 0) for one in self.members.values() for u in one.units),
            seconds=time.monotonic() - self.started,
            unfinished=unfinished,
            stopped=asked[0] if unfinished else None,
            exit_status=asked[1] if unfinished else 0,
        )
        _write(study, self.members[ranked[0]].experiment if ranked else None)
        write_study_page(study_result(study, self.members, tasks, self.phases, self.name), self.folder, comparison)
        return study


class _Scores(Listener):
    """Shows what configurations score as their units end, beside what all listeners do."""

    def __init__(self, view: ProgressView, run: _Run, tasks: StudyTasks, stop: Any) -> None:
        super().__init__(view, lambda unit: run.members[unit.configuration].tracker, stop=stop)
        self.run, self.tasks = run, tasks

    def heard(self, unit: Unit, event: dict[str, Any]) -> None:
        """Pass an event on, and the scores when there may be new ones."""
        super().heard(unit, event)
        if event.get("event") in ("done", "paused"):
            race, objective = self.tasks.race, self.run.objective
            sign = -1 if objective.better == "higher" else 1
            for place, name in enumerate(race.ranked()):
                levels, loss = race.standing(name)
                if not levels:
                    break
                text = f"{objective.key} {sign * loss:.4f} ({level_text(race, name)})"
                self.view.scored(name, f"{sign * loss:.4f}")
                if not place:
                    self.view.best(name, text)


def experiment_of(document: Mapping[str, Any], base: Path, space: Space, trial: Trial, name: str) -> Experiment:
    """Make the experiment of a configuration."""
    values = [*trial.values.items(), ("name", name)]
    if space.seeds is not None:
        values.append(("seeds", list(space.seeds)))
    return make_experiment(with_values(document, values), base=base, origin=f"configuration {trial.name}")


def experiments_of(
    document: Mapping[str, Any], base: Path, space: Space, trials: Sequence[Trial], name: str
) -> list[tuple[Trial, Experiment]]:
    """Make the experiment of each configuration; one that equals an earlier one is left out."""
    made: list[tuple[Trial, Experiment]] = []
    for trial in trials:
        experiment = experiment_of(document, base, space, trial, name)
        if all(experiment != other for _, other in made):
            made.append((trial, experiment))
    return made


def _write(study: Study, winner: Experiment | None) -> None:
    """Write the verdict, and the best configuration as an experiment file."""
    if winner is not None:
        write_whole(study.folder / WINNER, winner.to_yaml())
    document = {
        "objective": study.objective.key,
        "scored_on": "validation chromosomes",
        "ranked": [
            {"name": name, "values": study.settings[name], "distinguishable_from_best": name not in study.equal}
            for name in study.ranked
        ],
        "dropped": [
            {"name": name, "values": study.settings[name], "after": level} for name, level in study.dropped.items()
        ],
        "epochs": study.epochs,
        "unfinished": dict(study.unfinished),
        "refused": dict(study.refused),
    }
    write_whole(study.folder / "study.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    if study.comparison is not None:
        write_comparison(study.comparison, study.folder)
