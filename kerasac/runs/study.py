"""Try the configurations of a space on every fold and seed, judged on validation chromosomes alone."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from kerasac.cache import remove, write_whole
from kerasac.config import Experiment, make_experiment, with_values
from kerasac.config.space import Configuration as Tried
from kerasac.config.space import Space
from kerasac.errors import ConfigError, KerasacError, RunError
from kerasac.runs.launch import UnitAllotment, launch
from kerasac.runs.listening import Listener
from kerasac.runs.lock import run_lock
from kerasac.runs.nodes import decode_on_other_nodes, node_shards
from kerasac.runs.origin import check_folder, write_origin
from kerasac.runs.progress import ProgressView
from kerasac.runs.session import closing_ray, ray_session
from kerasac.runs.study_verdict import (
    compared_metrics,
    equal_to_best,
    objective_key,
    ranked_by,
    validated,
    validation_means,
)
from kerasac.runs.tracking import Tracker, flat_parameters
from kerasac.runs.unit import Unit
from kerasac.steps.check import checked
from kerasac.steps.comparison import Comparison, Metric, compare
from kerasac.steps.comparison_report import write_comparison
from kerasac.steps.configurations import Configuration
from kerasac.steps.prepare import prepare
from kerasac.steps.prepared import Prepared

WINNER = "winner.yaml"
_SCORED_ON = (
    "All scores here are of each fold's validation chromosomes, by which the best epoch of each training was chosen "
    "too; no model has been scored on the test chromosomes of its fold. As a chromosome validates one fold and tests "
    "another, the cross-validation of a configuration that was chosen here is slightly optimistic."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """What came of a study.

    ``read`` are all configurations with their validation scores, ``comparison`` the complete ones against the first;
    ``ranked`` are the names of the complete configurations, the best first; ``equal`` those that cannot be told from
    the best by the paired test over folds. ``failures`` are messages by unit.
    """

    folder: Path
    read: tuple[Configuration, ...]
    comparison: Comparison
    objective: Metric
    ranked: tuple[str, ...]
    equal: frozenset[str]
    settings: Mapping[str, Mapping[str, Any]]
    failures: Mapping[str, str]
    n_trained: int
    n_kept: int
    seconds: float

    @property
    def winner(self) -> str:
        """The name of the best configuration, whose experiment is ``winner.yaml``."""
        return self.ranked[0]

    @property
    def winner_folder(self) -> Path:
        """The folder of the best configuration's models."""
        return self.folder / self.winner


def run_study(
    document: Mapping[str, Any], base: Path, space: Space, folder: Path, *, name: str, console: Console
) -> Study:
    """Train every configuration of a space on its folds and seeds, and compare them on the validation chromosomes.

    ``document`` is an experiment's keys, relative to ``base``. The test chromosomes are not read. What is finished in
    ``folder`` is kept, what was interrupted goes on at its last epoch; further configurations may join.

    Raises
    ------
    KerasacError
        Before any training, for whatever is wrong with any of the configurations.
    RunError
        When no configuration could be finished; finished units are kept.
    """
    with closing_ray():
        return _Run(document, base, space, folder.resolve(), name, console).run()


class _Run:
    """The parts of a study, in order."""

    def __init__(
        self, document: Mapping[str, Any], base: Path, space: Space, folder: Path, name: str, console: Console
    ) -> None:
        self.space, self.folder, self.console = space, folder, console
        self.tried, self.experiments = experiments_of(document, base, space, name)
        self.started = time.perf_counter()
        self.objective = ""  # known once the data are open
        self.tracker = Tracker(next(iter(self.experiments.values())), self.folder, kind="study")
        self.trackers = {
            configuration: Tracker(one, self.folder / configuration, kind="configuration", study=self.tracker)
            for configuration, one in self.experiments.items()
        }

    def run(self) -> Study:
        prepared = self._prepared()
        self.objective = objective_key(self.space, next(iter(prepared.values())))
        units = self._units(prepared)
        self.folder.mkdir(parents=True, exist_ok=True)
        with run_lock(self.folder):
            for configuration, one in prepared.items():
                self._start_folder(configuration, one)
            pending = [unit for unit in units if not unit.is_done]
            failures = self._train(prepared, units, pending) if pending else {}
            study = self._judge(prepared, units, failures, len(pending))
            if pending:
                self._close_tracking(study)
            return study

    def _prepared(self) -> dict[str, Prepared]:
        """Check all configurations before any is trained: the first one with everything, what the others change."""
        prepared: dict[str, Prepared] = {}
        with node_shards() as shards:
            for configuration, experiment in self.experiments.items():
                try:
                    prepared[configuration] = (prepare if prepared else checked)(experiment, shards)
                except KerasacError as error:
                    raise type(error)(f"configuration {configuration}: {error}") from error
        return prepared

    def _units(self, prepared: Mapping[str, Prepared]) -> list[Unit]:
        """Return the units of all configurations: each fold and seed of all before the next."""
        first = next(iter(prepared.values()))
        wanted = self.space.folds or tuple(fold.index for fold in first.folds)
        for configuration, one in prepared.items():
            unknown = sorted(set(wanted) - {fold.index for fold in one.folds})
            if unknown:
                raise ConfigError(
                    f"configuration {configuration} has {len(one.folds)} folds, none of number {unknown[0]}"
                )
        return [
            Unit(fold, seed, str(self.folder / configuration), configuration, tuning=True)
            for seed in first.experiment.seeds
            for index in wanted
            for configuration, one in prepared.items()
            for fold in one.folds
            if fold.index == index
        ]

    def _start_folder(self, configuration: str, prepared: Prepared) -> None:
        folder = self.folder / configuration
        folder.mkdir(exist_ok=True)
        check_folder(prepared, folder)
        write_origin(prepared, folder)

    def _open_tracking(self) -> None:
        self.tracker.open({axis.key: f"{axis.kind} {list(axis.values)}" for axis in self.space.axes})
        for configuration, tracker in self.trackers.items():
            tracker.problem = self.tracker.problem  # a store that the study cannot write they cannot either
            tracker.open(flat_parameters(self.experiments[configuration]))

    def _close_tracking(self, study: Study) -> None:
        for one in study.read:
            self.trackers[one.name].close(finished=not one.missing, metrics=validation_means(one))
        winner = next(one for one in study.read if one.name == study.winner)
        self.tracker.close(finished=not study.failures, metrics=validation_means(winner))

    def _train(
        self, prepared: Mapping[str, Prepared], units: Sequence[Unit], pending: Sequence[Unit]
    ) -> dict[str, str]:
        self._open_tracking()
        scratch = self.folder / ".ray"
        remove(scratch)
        first = next(iter(prepared.values()))
        with ray_session() as resources:
            compute = first.experiment.compute
            allotment = UnitAllotment(compute, len(pending), resources, decoded=first.source.in_memory)
            logger.info("%d units of %d configurations, %s", len(pending), len(prepared), allotment.describe())
            for one in prepared.values():
                decode_on_other_nodes(one.source)
            epochs = max(one.training.epochs for one in self.experiments.values())
            with ProgressView(pending, epochs, self.console, finished=len(units) - len(pending)) as view:
                listener = Listener(view, lambda unit: self.trackers[unit.configuration])
                launch(prepared, pending, allotment, listener, scratch=scratch)
        shutil.rmtree(scratch, ignore_errors=True)
        return listener.failures

    def _judge(
        self, prepared: Mapping[str, Prepared], units: Sequence[Unit], failures: dict[str, str], n_trained: int
    ) -> Study:
        read = [validated(c, one, [u for u in units if u.configuration == c]) for c, one in prepared.items()]
        complete = [one for one in read if one.scores and not one.missing]
        if not complete:
            lines = [f"{name}: {message}" for name, message in failures.items()]
            raise RunError("\n".join(["no configuration is finished; the same command goes on.", *lines]))
        (objective,) = compare(complete[:1], metrics=[self.objective]).metrics
        comparison = compare(complete, metrics=compared_metrics(objective, complete[0]))
        comparison = replace(comparison, about=_SCORED_ON)
        ranked = ranked_by(complete, objective)
        study = Study(
            folder=self.folder,
            read=tuple(read),
            comparison=comparison,
            objective=objective,
            ranked=ranked,
            equal=equal_to_best(complete, objective, ranked[0]),
            settings={one.name: one.values for one in self.tried},
            failures={f"{one.name}/{unit}": "unfinished" for one in read for unit in one.missing} | failures,
            n_trained=n_trained,
            n_kept=len(units) - n_trained,
            seconds=time.perf_counter() - self.started,
        )
        _write(study, self.experiments[ranked[0]])
        return study


def experiments_of(
    document: Mapping[str, Any], base: Path, space: Space, name: str
) -> tuple[list[Tried], dict[str, Experiment]]:
    """Make the experiment of each configuration; one that equals an earlier one is left out."""
    tried: list[Tried] = []
    experiments: dict[str, Experiment] = {}
    for configuration in space.configurations():
        values = [*configuration.values.items(), ("name", name)]
        if space.seeds is not None:
            values.append(("seeds", list(space.seeds)))
        experiment = make_experiment(
            with_values(document, values), base=base, origin=f"configuration {configuration.name}"
        )
        if experiment in experiments.values():
            continue
        tried.append(configuration)
        experiments[configuration.name] = experiment
    return tried, experiments


def _write(study: Study, winner: Experiment) -> None:
    """Write the verdict, and the best configuration as an experiment file."""
    write_whole(study.folder / WINNER, winner.to_yaml())
    document = {
        "objective": study.objective.key,
        "scored_on": "validation chromosomes",
        "ranked": [
            {"name": name, "values": study.settings[name], "distinguishable_from_best": name not in study.equal}
            for name in study.ranked
        ],
        "unfinished": dict(study.failures),
    }
    write_whole(study.folder / "study.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    write_comparison(study.comparison, study.folder)
