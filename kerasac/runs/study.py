"""Try the configurations of a space on folds and seeds, judged on validation chromosomes alone."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from kerasac.cache import remove, write_whole
from kerasac.config.space import Space
from kerasac.errors import ConfigError, RunError
from kerasac.runs.budget import Budget, Spent
from kerasac.runs.cluster_nodes import check_experiment_on_nodes
from kerasac.runs.heartbeat import Command, heartbeat
from kerasac.runs.launch import UnitAllotment, launch_tasks
from kerasac.runs.listening import Listener
from kerasac.runs.lock import run_lock
from kerasac.runs.nodes import decode_on_other_nodes
from kerasac.runs.progress import ProgressView
from kerasac.runs.race import Race, levels_of, raced_epochs
from kerasac.runs.run_at_url import RunPlace, run_place
from kerasac.runs.session import closing_ray, ray_session
from kerasac.runs.stopping import Stopping, stopping
from kerasac.runs.study_members import Members
from kerasac.runs.study_outcome import WINNER, Ending, Study, outcome, withdraw_verdict, write_outcome
from kerasac.runs.study_page import level_text, study_result
from kerasac.runs.study_tasks import StudyTasks
from kerasac.runs.study_verdict import objective_of, validation_means
from kerasac.runs.tracking_moved import follow
from kerasac.runs.unit import Unit, read_marker
from kerasac.steps.study_page import write_study_page

__all__ = ["WINNER", "Study", "run_study"]

logger = logging.getLogger(__name__)


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

    ``document`` is an experiment's keys, relative to ``base``; ``folder`` may be the path of a URL, which a folder of
    this machine mirrors then. The test chromosomes are not read. What is finished in
    ``folder`` is kept, what was interrupted goes on at its last epoch; further configurations may join. A race or a
    pruner gives up configurations early (:mod:`kerasac.runs.race`); after the ``budget`` no further unit is begun.

    Raises
    ------
    KerasacError
        Before any training, for whatever is wrong with any of the configurations.
    RunError
        When no configuration could be finished, without having been asked to stop; finished units are kept.
    """
    budget = budget or Budget()
    if budget.trials is not None:
        space = space.limited(budget.trials)
    with run_place(folder, partial(console.print, markup=False, highlight=False)) as place, closing_ray():
        return _Run(document, base, space, place, name, console).run(budget, stop_after_s)


class _Run:
    """The parts of a study, in order."""

    def __init__(
        self, document: Mapping[str, Any], base: Path, space: Space, place: RunPlace, name: str, console: Console
    ) -> None:
        self.space, self.place, self.name, self.console = space, place, name, console
        self.folder = place.folder.resolve()
        self.started = time.monotonic()
        self.phases: dict[str, float] = {}
        follow(self.folder)
        with self._phase("checking"):
            self.members = Members(document, base, space, self.folder, name, url=place.url)
        self.objective = objective_of(space, self.members.first.prepared)

    def run(self, budget: Budget, stop_after_s: float | None) -> Study:
        self.folder.mkdir(parents=True, exist_ok=True)
        with run_lock(self.folder):
            self.members.start_folders()
            write_whole(self.folder / "provenance.json", json.dumps(self._provenance(), indent=1) + "\n")
            self.place.save()
            n_kept = sum(unit.is_done for one in self.members.all for unit in one.units)
            with stopping(self.folder, after_s=stop_after_s, since=self.started) as stop:
                tasks = self._tasks(budget, stop)
                failures = self._train(tasks, stop) if tasks.has_work() else {}
                ending = Ending(failures, stop.reason, stop.exit_status, n_kept)
            try:
                study = outcome(self.members, tasks, ending, time.monotonic() - self.started)
            except RunError:
                self._leave_tracking()
                raise
            write_outcome(study, self.members.by_name[study.winner].experiment if study.ranked else None)
            page = study_result(study, self.members.by_name, tasks, self.phases, self.name)
            write_study_page(page, self.folder, study.comparison)
            study = replace(study, page=page)
            if tasks.touched or failures or self._tracking_lacks(study):
                self._close_tracking(study)
            return study

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - began

    def _provenance(self) -> dict[str, Any]:
        command = Command.this()
        return {"command": str(command), "cwd": command.cwd, "name": self.name}

    def _tasks(self, budget: Budget, stop: Stopping) -> StudyTasks:
        first, searches = self.members.first, self.space.search == "tpe"
        race = Race(
            levels_of(self.space, len(first.units), first.experiment.training.epochs),
            race=self.space.race,
            prune=self.space.prune,
            wide=not searches and self.space.prune is None,
            closed=not searches,
        )
        tasks = StudyTasks(
            self.space,
            race,
            self.objective,
            Spent(budget, began=self.started),
            propose=self.members.propose,
            stopped=lambda: stop.reason is not None,
        )
        for member in self.members.all:
            tasks.join(member)
        return tasks

    def _tracking_lacks(self, study: Study) -> bool:
        """Whether MLflow was away when an earlier command ended; if so it is opened."""
        read = [self.members.by_name[one.name] for one in study.read]
        lacks = self.members.tracker.needs(()) or any(
            one.tracker.needs([unit for unit in one.units if unit.is_done]) for one in read
        )
        if lacks:
            self.members.open_tracking()
        return lacks

    def _close_tracking(self, study: Study) -> None:
        if study.ranked:
            self._register(study)  # before its configuration's run is closed
        for one in study.read:
            member = self.members.by_name[one.name]
            for unit in member.units:
                state = read_marker(unit.folder).get("state")
                if unit.is_done:
                    member.tracker.catch_up(unit)
                elif one.name in study.dropped and state == "paused":
                    member.tracker.drop(unit, study.dropped[one.name])
                elif state == "started":
                    member.tracker.interrupt(unit)
            ended = not one.missing or one.name in study.dropped
            member.tracker.close(finished=ended, metrics=validation_means(one))
        best = [one for one in study.read if study.ranked and one.name == study.winner]
        self.members.tracker.close(finished=not study.unfinished, metrics=validation_means(best[0]) if best else {})

    def _leave_tracking(self) -> None:
        """End the runs of a study without a verdict; what is finished is logged."""
        for member in self.members.all:
            for unit in member.units:
                if unit.is_done:
                    member.tracker.catch_up(unit)
            member.tracker.close(finished=False, metrics={})
        self.members.tracker.close(finished=False, metrics={})

    def _register(self, study: Study) -> None:
        """Put the winner's model, of the fold and seed that it learned best, in MLflow's registry."""
        best = self.members.by_name[study.winner]
        model = min(best.units, key=lambda unit: read_marker(unit.folder).get("best_loss", float("inf")))
        said = f"The best of {len(self.members.all)} configurations by {study.objective.key} on validation chromosomes."
        best.tracker.register(model, name=self.name, alias="winner", description=said)

    def _train(self, tasks: StudyTasks, stop: Stopping) -> dict[str, str]:
        """Train until nothing is left to do; returns the messages of the units that failed."""
        withdraw_verdict(self.folder)
        self.members.open_tracking()
        scratch = self.folder / ".ray"
        remove(scratch)
        with ExitStack() as open_session:
            with self._phase("starting"):
                resources = open_session.enter_context(ray_session())
                stop.hold_signals()  # Ray has taken one
                check_experiment_on_nodes(self.members.first.experiment, Path(self.place.url or self.folder))
            allotment = self._allotment(tasks, resources)
            with self._phase("decoding"):
                for member in self.members.all:
                    decode_on_other_nodes(member.prepared.source)
            view = self._view(tasks)
            listener = _Scores(view, self, tasks, stop)
            with self._phase("training"), view, heartbeat(self.folder, view, stop=stop, gpus=allotment.share.gpus):
                launch_tasks(tasks, allotment, listener, scratch=scratch)
                listener.show_scores()  # of the last unit too, which is judged after it was heard of
        shutil.rmtree(scratch, ignore_errors=True)
        return listener.failures

    @property
    def _n_units(self) -> int:
        """How many units there are going to be at most."""
        return len(self.members.first.units) * self.members.n_planned

    def _allotment(self, tasks: StudyTasks, resources: dict[str, float]) -> UnitAllotment:
        first = self.members.first
        compute, decoded = first.experiment.compute, first.prepared.source.in_memory
        allotment = UnitAllotment(compute, self._n_units, resources, decoded=decoded)
        by_gpu = tasks.spent.budget.device == "gpu"
        tasks.spent.per_unit = allotment.share.gpus * allotment.trainers if by_gpu else allotment.cpus
        if by_gpu and not tasks.spent.per_unit:
            raise ConfigError(f"--budget {tasks.spent.budget}: no unit takes a GPU here; give hours or cpu-hours")
        logger.info("%d configurations, %s", self.members.n_planned, allotment.describe())
        return allotment

    def _view(self, tasks: StudyTasks) -> ProgressView:
        """Return the screen; how many epochs trainings want is only known of a race, where most want fewer than all."""
        units = [unit for one in self.members.all for unit in one.units]
        pending = [unit for unit in units if not unit.is_done]
        view = ProgressView(pending, self.members.epochs, self.console, finished=len(units) - len(pending))
        budget, race = tasks.spent.budget, self.space.race
        n_trials = len(self.members.all)
        planned = None if race is None else raced_epochs(race, tasks.race.levels, n_trials, self.members.epochs)
        view.planned(units=self._n_units, epochs=planned, budget=str(budget) if any(budget) else "")
        return view


class _Scores(Listener):
    """Shows what configurations score as their units end, beside what all listeners do."""

    def __init__(self, view: ProgressView, run: _Run, tasks: StudyTasks, stop: Stopping) -> None:
        super().__init__(view, lambda unit: run.members.by_name[unit.configuration].tracker, stop=stop)
        self.run, self.tasks = run, tasks

    def heard(self, unit: Unit, event: dict[str, Any]) -> None:
        """Pass an event on, and the scores when there may be new ones."""
        super().heard(unit, event)
        if event.get("event") in ("done", "paused"):
            self.show_scores()

    def show_scores(self) -> None:
        """Show the scores of configurations as far as they are judged, and the best."""
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
