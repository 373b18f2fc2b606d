"""Run units of work on Ray: Tune schedules them, Ray Train (or the Tune trial itself) runs each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import ray
from ray import train, tune
from ray.train.collective import broadcast_from_rank_zero
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.search.searcher import Searcher

from kerasac.runs.allotment import UnitAllotment, worker_resources
from kerasac.runs.orphans import note_placement, remove_orphans
from kerasac.runs.shelf import Shelf
from kerasac.runs.stopping import stop_reason
from kerasac.runs.tasks import Listed, Task, TaskSource
from kerasac.runs.trial import help_unit, run_unit
from kerasac.runs.unit import Event, Share, Unit
from kerasac.runs.unit_mirror import bring
from kerasac.steps.prepared import Prepared
from kerasac.steps.trainers import open_group

__all__ = ["Listener", "UnitAllotment", "launch", "launch_tasks"]

logger = logging.getLogger(__name__)

_RETRIES = 3  # of a unit whose process died; it goes on from its last epoch
_ENDS = ("done", "paused", "stopped", "failed")


class Listener(Protocol):
    """Hears what happens to the units while they run, in the driver's process."""

    def started(self, unit: Unit, until: int | None = None) -> None:
        """A unit got its place; it pauses at an epoch, if at all."""

    def heard(self, unit: Unit, event: Event) -> None:
        """A unit reported an event; see :func:`kerasac.runs.trial.run_unit`."""

    def died(self, unit: Unit, message: str) -> None:
        """A unit's process died for good."""


def launch(
    prepared: Prepared, units: Sequence[Unit], allotment: UnitAllotment, listener: Listener, *, scratch: Path
) -> None:
    """Run the units of one experiment; see :func:`launch_tasks`. None is begun after its run was asked to stop."""
    folders = {unit.stop_folder for unit in units}
    tasks = Listed([Task(unit, prepared) for unit in units], lambda: any(stop_reason(one) for one in folders))
    launch_tasks(tasks, allotment, listener, scratch=scratch)


def launch_tasks(source: TaskSource, allotment: UnitAllotment, listener: Listener, *, scratch: Path) -> None:
    """Do tasks, at most ``allotment.max_parallel`` at a time; returns when all have ended and no more come.

    A Ray session must be open (:mod:`kerasac.runs.session`). Units leave their results in their folders; ``scratch``
    holds Tune's own state.
    """
    with Shelf() as shelf:
        trainable = tune.with_parameters(
            _train_worker_trial if allotment.executor == "train" else _direct_trial,
            shared=_Shared(shelf, allotment, scratch),
        )
        given: dict[str, Task] = {}
        tuner = tune.Tuner(
            tune.with_resources(trainable, allotment.trial_resources),
            tune_config=tune.TuneConfig(
                search_alg=_Asking(source, shelf, given),
                num_samples=-1,  # until the source is finished
                max_concurrent_trials=allotment.max_parallel,
                reuse_actors=allotment.executor == "direct",
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(scratch),
                verbose=0,
                callbacks=[_Hearing(given, listener, shelf)],
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
            ),
        )
        tuner.fit()


class _Asking(Searcher):  # type: ignore[misc]
    """Lets Tune ask the source for what is next, and tells the source what came of it."""

    def __init__(self, source: TaskSource, shelf: Shelf, given: dict[str, Task]) -> None:
        super().__init__()
        self.source, self.shelf, self.given = source, shelf, given
        self._tasks: dict[str, Task] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher, to no use here: see save

    def set_search_properties(self, metric: str | None, mode: str | None, config: Any, **spec: Any) -> bool:
        """Accept what Tune says of a search."""
        return True

    def suggest(self, trial_id: str) -> Any:
        """Return the next task as a Tune trial's configuration."""
        if self.source.is_finished():
            return Searcher.FINISHED
        task = self.source.next_task()
        if task is None:
            return Searcher.FINISHED if self.source.is_finished() else None
        self._tasks[trial_id] = task
        self.given[task.unit.title] = task
        self.shelf.put(task)
        return {"unit": task.unit.title, "until": task.until}

    def on_trial_complete(self, trial_id: str, result: Event | None = None, error: bool = False) -> None:
        """Tell the source."""
        ended = not error and result is not None and result.get("event") in _ENDS
        self.source.ended(self._tasks.pop(trial_id), result if ended else None)

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: what is finished is in the units' folders."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing; see :meth:`save`."""


class _Shared:
    """What every trial is given."""

    def __init__(self, shelf: Shelf, allotment: UnitAllotment, scratch: Path) -> None:
        self.shelf, self.scratch = shelf, scratch
        self.share, self.trainers = allotment.share, allotment.trainers


def _direct_trial(config: dict[str, Any], *, shared: _Shared) -> None:
    """Run a unit inside its Tune trial; the process, with TensorFlow loaded, serves the next unit too."""
    unit, prepared = shared.shelf.take(config["unit"])
    run_unit(prepared, unit, shared.share, tune.report, until=config["until"])


def _train_worker_trial(config: dict[str, Any], *, shared: _Shared) -> None:
    """Run a unit as a Ray Train run of one worker a trainer, which the trial starts and waits for.

    Train tries again by itself when a worker dies; only a trial that died itself is Tune's to try again.
    """
    unit, prepared = shared.shelf.take(config["unit"])
    share = shared.share
    remove_orphans(unit.place)  # of an earlier attempt of this unit
    trainer = DataParallelTrainer(
        _train_worker,
        train_loop_config={"prepared": prepared, "unit": unit, "share": share, "until": config["until"]},
        scaling_config=train.ScalingConfig(
            num_workers=shared.trainers, use_gpu=share.gpus > 0, resources_per_worker=worker_resources(share)
        ),
        run_config=train.RunConfig(
            name=unit.title.replace("/", "-"),
            storage_path=str(shared.scratch / "train"),
            callbacks=[TuneReportCallback()],
            failure_config=train.FailureConfig(max_failures=_RETRIES),
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        cause = (str(error).strip().splitlines() or ["no message"])[-1]
        tune.report({"event": "failed", "message": f"its trainers died {_RETRIES + 1} times ({cause})"})


def _train_worker(config: dict[str, Any]) -> None:
    prepared, unit, share, until = config["prepared"], config["unit"], config["share"], config["until"]
    context = train.get_context()
    if context.get_world_rank() == 0:
        note_placement(unit.place)
    if context.get_world_size() == 1:
        run_unit(prepared, unit, share, train.report, until=until)
        return
    _train_in_group(context, prepared, unit, share, until)


def _train_in_group(context: Any, prepared: Prepared, unit: Unit, share: Share, until: int | None) -> None:
    """Lead the group of trainers, or help its leader."""
    host = ray.util.get_node_ip_address()
    group = open_group(context.get_world_rank(), context.get_world_size(), host, broadcast_from_rank_zero)
    if not group.leads:
        # Train waits until every worker has reported, and passes on what the first one did.
        group.on_signal = lambda: train.report({})
        help_unit(prepared, unit, share, group, until=until)
        return

    def report(event: Event) -> None:
        group.signal()
        train.report(event)

    run_unit(prepared, unit, share, report, group, until=until)
    group.end()


class _Hearing(tune.Callback):  # type: ignore[misc]
    """Passes what Tune hears on to the listener, and keeps the shelf filled meanwhile."""

    def __init__(self, given: dict[str, Task], listener: Listener, shelf: Shelf) -> None:
        self.given, self.listener, self.shelf = given, listener, shelf

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks; the listener holds a screen and a store

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.shelf.refill()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        unit = self._unit(trial)
        bring(unit)
        self.listener.started(unit, trial.config["until"])

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Event, **info: Any) -> None:
        unit, event = self._unit(trial), result.get("event")
        if event in _ENDS:
            bring(unit, event)
        self.listener.heard(unit, result)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        unit = self._unit(trial)
        remove_orphans(unit.place)
        cause = (str(trial.get_error()).strip().splitlines() or ["no message"])[-1]
        self.listener.died(unit, f"its process died {_RETRIES + 1} times ({cause})")

    def _unit(self, trial: Any) -> Unit:
        return self.given[trial.config["unit"]].unit
