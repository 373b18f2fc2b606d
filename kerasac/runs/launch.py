"""Run units of work on Ray: Tune schedules them, Ray Train (or the Tune trial itself) runs each."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import ray
from ray import train, tune
from ray.train.collective import broadcast_from_rank_zero
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.tune.integration.ray_train import TuneReportCallback

from kerasac.config import ComputeSpec
from kerasac.errors import RunError
from kerasac.runs.trial import help_unit, run_unit
from kerasac.runs.unit import Event, Share, Unit
from kerasac.sampling.stream import SAMPLER_CPUS
from kerasac.steps.prepared import Prepared
from kerasac.steps.trainers import open_group

logger = logging.getLogger(__name__)

# What was measured to keep a 2-CPU machine free of starvation: a trial that only waits for its Train worker,
# the worker, and the samplers (stream.SAMPLER_CPUS) together ask for less than one CPU.
_TRIAL_CPUS, _WORKER_CPUS = 0.01, 0.5
_RETRIES = 3  # of a unit whose process died; it goes on from its last epoch


class Listener(Protocol):
    """Hears what happens to the units while they run, in the driver's process."""

    def started(self, unit: Unit) -> None:
        """A unit got its place."""

    def heard(self, unit: Unit, event: Event) -> None:
        """A unit reported an event; see :func:`kerasac.runs.trial.run_unit`."""

    def died(self, unit: Unit, message: str) -> None:
        """A unit's process died for good."""


def launch(
    prepared: Prepared | Mapping[str, Prepared],
    units: Sequence[Unit],
    allotment: UnitAllotment,
    listener: Listener,
    *,
    scratch: Path,
) -> None:
    """Run the units, at most ``allotment.max_parallel`` at a time; returns when all have ended.

    ``prepared`` is the experiment of all units, or that of each configuration, by name. A Ray session must be open
    (:mod:`kerasac.runs.session`). Units leave their results in their folders; ``scratch`` holds Tune's own state.
    """
    by_name = {unit.title: unit for unit in units}
    trainable = tune.with_parameters(
        _train_worker_trial if allotment.executor == "train" else _direct_trial,
        shared=_Shared(by_name, allotment, scratch),
        prepared=prepared if isinstance(prepared, Mapping) else {"": prepared},
    )
    tuner = tune.Tuner(
        tune.with_resources(trainable, _trial_resources(allotment)),
        param_space={"unit": tune.grid_search(list(by_name))},
        tune_config=tune.TuneConfig(
            max_concurrent_trials=allotment.max_parallel,
            reuse_actors=allotment.executor == "direct",
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[_Hearing(by_name, listener)],
            failure_config=tune.FailureConfig(max_failures=0 if allotment.executor == "train" else _RETRIES),
        ),
    )
    tuner.fit()


class UnitAllotment:
    """How units share the machines.

    With GPUs a unit gets one (or the fraction ``compute.gpus`` says), and as many units run as GPUs allow. On
    CPUs two units run side by side where there are cores for both, each with its part of the threads. Where
    windows come out of decoded tracks the trainer reads them itself: its process reads more than a hundred times
    what a BPNet trains on a core. Reading the array takes samplers, where there are CPUs for them.
    """

    def __init__(
        self, compute: ComputeSpec, n_units: int, resources: dict[str, float], *, decoded: bool = True
    ) -> None:
        cpus, gpus = max(1.0, resources.get("CPU", 1.0)), resources.get("GPU", 0.0)
        self.trainers = compute.trainers
        a_trainer = (1.0 if gpus else 0.0) if compute.gpus == "auto" else float(compute.gpus)
        self._check_gpus(a_trainer, gpus)
        self.executor = self._executor(compute, a_trainer)
        self._check_cpus(cpus)
        per_unit = a_trainer * self.trainers
        # Several trainers that wait for each other have to have their CPUs, so no more units run than there are CPUs.
        room = int(gpus / per_unit) if per_unit else int(cpus / self.trainers)
        wanted = room if compute.max_parallel == "auto" else int(compute.max_parallel)
        bounded = per_unit or self.trainers > 1
        self.max_parallel = max(1, min(wanted, n_units, room) if bounded else min(wanted, n_units))
        self.cpus = cpus / self.max_parallel
        per_trainer = self.cpus / self.trainers
        samplers = compute.samplers if compute.samplers != "auto" else (2 if per_trainer >= 4 and not decoded else 0)
        self.share = Share(max(1, int(per_trainer)), samplers, a_trainer)
        self._check_samplers()

    def _executor(self, compute: ComputeSpec, gpus: float) -> str:
        if self.trainers > 1 and compute.executor == "direct":
            raise RunError(
                f"compute.trainers is {self.trainers}, which the executor train alone can start; set compute.executor "
                "to auto or train"
            )
        if compute.executor != "auto":
            return compute.executor
        return "train" if gpus or self.trainers > 1 else "direct"

    def _check_gpus(self, a_trainer: float, gpus: float) -> None:
        if a_trainer > 1:
            raise RunError(
                f"compute.gpus is {a_trainer:g}; a trainer takes one GPU, or a fraction of one to share it; "
                "compute.trainers is for more"
            )
        if a_trainer > gpus:
            raise RunError(
                f"compute.gpus is {a_trainer:g}, but Ray has {gpus:g}; set it to 0 to train on CPUs, or start Ray with "
                "--num-gpus"
            )
        if a_trainer * self.trainers > gpus:
            raise RunError(
                f"compute.trainers is {self.trainers} with {a_trainer:g} GPU each, but Ray has {gpus:g} GPUs; lower "
                "compute.trainers or compute.gpus"
            )

    def _check_cpus(self, cpus: float) -> None:
        if self.trainers > cpus:
            raise RunError(
                f"compute.trainers is {self.trainers}, but Ray has {cpus:g} CPUs; lower it to one a CPU at most"
            )

    def _check_samplers(self) -> None:
        """Refuse samplers that leave their trainer no CPU: Ray would wait for more CPUs for ever, and say nothing."""
        trainer = _TRIAL_CPUS + (_WORKER_CPUS if self.executor == "train" else 0)
        share = self.cpus / self.trainers
        at_most = max(0, int((share - trainer) / SAMPLER_CPUS))
        if self.share.samplers > at_most:
            whose = "trainer" if self.trainers > 1 else "unit"
            raise RunError(
                f"compute.samplers is {self.share.samplers}, but a {whose}'s share of {share:g} CPUs "
                f"({self.max_parallel} at a time) has room for {at_most}; lower it, or compute.max_parallel"
            )

    def describe(self) -> str:
        """Return the sharing in words."""
        samplers = f"{self.share.samplers} samplers" if self.share.samplers else "reading in the trainer's process"
        threads = f"{self.share.threads} thread{'s' if self.share.threads > 1 else ''}"
        devices = f"{self.share.gpus:g} GPU" if self.share.gpus else threads
        trainers = f"{self.trainers} trainers of " if self.trainers > 1 else ""
        return f"{self.max_parallel} at a time, executor {self.executor}, {trainers}{devices} and {samplers} each"


def _trial_resources(allotment: UnitAllotment) -> Any:
    if allotment.executor == "train":
        return {"CPU": _TRIAL_CPUS}
    share = allotment.share
    # Left free rather than reserved: Ray Data starts its actors outside the trial's placement group.
    trainer = {"CPU": allotment.cpus - SAMPLER_CPUS * share.samplers}
    return trainer | ({"GPU": share.gpus} if share.gpus else {})


class _Shared:
    """What every trial is given besides the prepared experiment."""

    def __init__(self, units: dict[str, Unit], allotment: UnitAllotment, scratch: Path) -> None:
        self.units, self.scratch = units, scratch
        self.share, self.trainers = allotment.share, allotment.trainers


def _direct_trial(config: dict[str, str], *, shared: _Shared, prepared: Mapping[str, Prepared]) -> None:
    """Run a unit inside its Tune trial; the process, with TensorFlow loaded, serves the next unit too."""
    unit = shared.units[config["unit"]]
    run_unit(_experiment_of(unit, prepared), unit, shared.share, tune.report)


def _experiment_of(unit: Unit, prepared: Mapping[str, Prepared]) -> Prepared:
    return prepared[unit.configuration] if unit.configuration in prepared else prepared[""]


def _train_worker_trial(config: dict[str, str], *, shared: _Shared, prepared: Mapping[str, Prepared]) -> None:
    """Run a unit as a Ray Train run of one worker a trainer, which the trial starts and waits for."""
    unit, share = shared.units[config["unit"]], shared.share
    trainer = DataParallelTrainer(
        _train_worker,
        train_loop_config={"unit": unit, "share": share, "prepared": _experiment_of(unit, prepared)},
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
    trainer.fit()


def worker_resources(share: Share) -> dict[str, float]:
    """Return what one trainer asks of Ray as a Train worker."""
    return {"CPU": _WORKER_CPUS} | ({"GPU": share.gpus} if share.gpus else {})


def _train_worker(config: dict[str, Any]) -> None:
    prepared, unit, share = config["prepared"], config["unit"], config["share"]
    context = train.get_context()
    if context.get_world_size() == 1:
        run_unit(prepared, unit, share, train.report)
        return
    host = ray.util.get_node_ip_address()
    group = open_group(context.get_world_rank(), context.get_world_size(), host, broadcast_from_rank_zero)
    if not group.leads:
        # Train waits until every worker has reported, and passes on what the first one did.
        group.on_signal = lambda: train.report({})
        help_unit(prepared, unit, share, group)
        return

    def report(event: Event) -> None:
        group.signal()
        train.report(event)

    run_unit(prepared, unit, share, report, group)
    group.end()


class _Hearing(tune.Callback):  # type: ignore[misc]
    """Passes what Tune hears on to the listener."""

    def __init__(self, units: dict[str, Unit], listener: Listener) -> None:
        self.units, self.listener = units, listener

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks; the listener holds a screen and a store

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.listener.started(self.units[trial.config["unit"]])

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Event, **info: Any) -> None:
        self.listener.heard(self.units[trial.config["unit"]], result)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        cause = (str(trial.get_error()).strip().splitlines() or ["no message"])[-1]
        self.listener.died(self.units[trial.config["unit"]], f"its process died {_RETRIES + 1} times ({cause})")
