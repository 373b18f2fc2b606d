"""Make the configurations of a study: experiments, checked before any is trained, and their units."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasac.cache import write_whole
from kerasac.config import Experiment, make_experiment, with_values
from kerasac.config.space import Space, Trial
from kerasac.errors import ConfigError, KerasacError
from kerasac.runs.nodes import node_shards
from kerasac.runs.origin import check_folder, write_origin
from kerasac.runs.proposals import Judged, propose
from kerasac.runs.study_tasks import Member
from kerasac.runs.tracking import Tracker, flat_parameters
from kerasac.runs.unit import Unit
from kerasac.steps.check import checked
from kerasac.steps.prepare import prepare
from kerasac.steps.prepared import Prepared

TRIALS = "trials.json"  # what a search has proposed, so that it goes on from there
_ATTEMPTS = 20  # at a proposal that makes an experiment which is no other one's


class Members:
    """The configurations of a study, by name; a search adds to them.

    ``refused`` are proposals that made no experiment, and why. ``tracker`` is the study's own; ``url`` is what
    mirrors the folder, if anything does.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        base: Path,
        space: Space,
        folder: Path,
        name: str,
        *,
        url: str | None = None,
    ) -> None:
        self.document, self.base, self.space, self.folder, self.name = document, base, space, folder, name
        self.url = url
        self.by_name: dict[str, Member] = {}
        self.refused: dict[str, str] = {}
        self._said: dict[str, logging.LogRecord] = {}
        made = experiments_of(document, base, space, self._trials(), name)
        self.tracker = Tracker(made[0][1], folder, kind="study")
        with node_shards() as shards, self._each_once():
            for trial, experiment in made:
                try:
                    # the first one with everything, of the others what may differ
                    prepared = (prepare if self.by_name else checked)(experiment, shards)
                except KerasacError as error:
                    raise type(error)(f"configuration {trial.name}: {error}") from error
                self.by_name[trial.name] = self._member(trial, experiment, prepared)

    @contextmanager
    def _each_once(self) -> Iterator[None]:
        """Keep what is logged of the data that all configurations share from being said of each of them."""

        def is_new(record: logging.LogRecord) -> bool:
            return self._said.setdefault(record.getMessage(), record) is record  # each handler asks

        handlers = [*logging.getLogger().handlers]
        for handler in handlers:
            handler.addFilter(is_new)
        try:
            yield
        finally:
            for handler in handlers:
                handler.removeFilter(is_new)

    @property
    def all(self) -> tuple[Member, ...]:
        """All configurations so far."""
        return tuple(self.by_name.values())

    @property
    def first(self) -> Member:
        """The first configuration, which stands for what all have in common."""
        return self.all[0]

    @property
    def epochs(self) -> int:
        """The most epochs that a unit of any of them may train."""
        return max(one.experiment.training.epochs for one in self.all)

    @property
    def n_planned(self) -> int:
        """How many configurations there are going to be at most."""
        if self.space.search != "tpe":
            return len(self.by_name)
        n_drawn = sum(bool(one.trial.values) for one in self.all)
        return len(self.by_name) - n_drawn + max(n_drawn, self.space.trials or 0)

    def start_folders(self) -> None:
        """Write what each configuration is to its folder; raises RunError where one holds another experiment."""
        for member in self.all:
            self._start_folder(member)

    def open_tracking(self) -> None:
        """Open the runs of the study and of its configurations in MLflow."""
        self.tracker.open({axis.key: f"{axis.kind} {list(axis.values)}" for axis in self.space.axes})
        for member in self.all:
            member.tracker.open(flat_parameters(member.experiment))

    def propose(self, judged: Sequence[Judged]) -> Member | None:
        """Add what the search proposes next; None when it finds nothing that could be trained and is new."""
        useless: list[Judged] = []
        for _ in range(_ATTEMPTS):
            values = propose(self.space, [*judged, *useless])
            member = self._proposed(values)
            if member is not None:
                self._add(member)
                return member
            useless.append(Judged(values, math.inf))
        return None

    def _proposed(self, values: dict[str, Any]) -> Member | None:
        trial = self.space.trial(values, [one.trial for one in self.all])
        try:
            experiment = experiment_of(self.document, self.base, self.space, trial, self.name)
            if any(experiment == one.experiment for one in self.all):
                return None
            with self._each_once():
                return self._member(trial, experiment, prepare(experiment))
        except KerasacError as error:
            self.refused[trial.name] = str(error)
            return None

    def _add(self, member: Member) -> None:
        self.by_name[member.name] = member
        self._start_folder(member)
        tried = [one.trial.values for one in self.all if one.trial.values]
        write_whole(self.folder / TRIALS, json.dumps(tried, indent=1) + "\n")
        member.tracker.open(flat_parameters(member.experiment))

    def _trials(self) -> list[Trial]:
        """Return what is tried from the start: all of a grid or of drawn ones, and what a search proposed before."""
        trials = list(self.space.configurations())
        if self.space.search != "tpe":
            return trials
        path = self.folder / TRIALS
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        # Without any, the first proposal: a mistake in a key shows at once.
        for values in known[: self.space.trials] or [propose(self.space, ())]:
            trials.append(self.space.trial(values, trials))
        return trials

    def _member(self, trial: Trial, experiment: Experiment, prepared: Prepared) -> Member:
        tracker = Tracker(experiment, self.folder / trial.name, kind="configuration", study=self.tracker)
        return Member(trial, experiment, prepared, self._units(trial.name, prepared), tracker)

    def _units(self, name: str, prepared: Prepared) -> tuple[Unit, ...]:
        """Return a configuration's units in the order of their training: all folds with a seed before the next seed."""
        by_index = {fold.index: fold for fold in prepared.folds}
        wanted = self.space.folds or tuple(by_index)
        unknown = sorted(set(wanted) - set(by_index))
        if unknown:
            raise ConfigError(f"configuration {name} has {len(by_index)} folds, none of number {unknown[0]}")
        run_folder, seeds = str(self.folder / name), prepared.experiment.seeds
        url = None if self.url is None else f"{self.url}/{name}"
        return tuple(Unit(by_index[i], seed, run_folder, name, tuning=True, url=url) for seed in seeds for i in wanted)

    def _start_folder(self, member: Member) -> None:
        folder = self.folder / member.name
        folder.mkdir(exist_ok=True)
        check_folder(member.prepared, folder)
        if not (folder / "provenance.json").exists() or not all(unit.is_done for unit in member.units):
            write_origin(member.prepared, folder)


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
