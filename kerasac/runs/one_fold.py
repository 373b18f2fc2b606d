"""Train one fold of an experiment in this process, without Ray: its model, scored on the validation chromosomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasac.cache import usable_cpus
from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.models.backend import gpu_count
from kerasac.models.contract import Contract
from kerasac.models.quiet_start import load_keras_quietly
from kerasac.models.registry import Parameters
from kerasac.runs.lock import run_lock
from kerasac.runs.nodes import node_shards
from kerasac.runs.origin import check_folder, write_origin
from kerasac.runs.session import closing_ray
from kerasac.runs.stopping import stopping
from kerasac.runs.trial import run_unit
from kerasac.runs.unit import Event, Share, Unit
from kerasac.steps.check import checked
from kerasac.steps.prepared import Prepared


@dataclass(frozen=True)
class TrainedFold:
    """A unit that has its model; ``stopped`` says why it has none yet."""

    unit: Unit
    contract: Contract
    parameters: Parameters
    stopped: str | None = None
    exit_status: int = 0

    @property
    def model(self) -> Path:
        """The file of the model."""
        return self.unit.folder / "model.keras"


def train_fold(
    experiment: Experiment, run_folder: Path, *, say: Callable[[Event], None], threads: int | None = None
) -> TrainedFold:
    """Train the only fold of an experiment with its only seed; a finished training is kept, an interrupted one goes on.

    The folder is one of a run, whose test chromosomes have not been read: ``kerasac-ray cv`` on its experiment.yaml
    with the folder as ``--out`` predicts and scores them. ``say`` hears the unit's events.

    Raises
    ------
    KerasacError
        Before any training: whatever is wrong with the experiment, or the folder holds another one.
    RunError
        When the training failed.
    """
    load_keras_quietly(threads=threads, gpus=experiment.compute.gpus != 0)
    with closing_ray(), node_shards() as shards:
        prepared = checked(experiment, shards)
    (fold,), (seed,) = prepared.folds, experiment.seeds
    unit = Unit(fold, seed, str(run_folder.resolve()), tuning=True)
    run_folder.mkdir(parents=True, exist_ok=True)
    events: list[Event] = []

    def hear(event: Event) -> None:
        events.append(event)
        say(event)

    with run_lock(run_folder):
        check_folder(prepared, run_folder)
        write_origin(prepared, run_folder)
        with stopping(run_folder) as stop:
            run_unit(prepared, unit, _share(prepared, threads), hear)
            status = stop.exit_status
    return _outcome(prepared, unit, events[-1], status)


def _outcome(prepared: Prepared, unit: Unit, last: Event, status: int) -> TrainedFold:
    if last["event"] == "failed":
        raise RunError(f"fold {unit.fold.index}: {last['message']}")
    stopped = str(last["message"]) if last["event"] == "stopped" else None
    return TrainedFold(unit, prepared.contract, prepared.parameters, stopped, status if stopped else 0)


def _share(prepared: Prepared, threads: int | None) -> Share:
    """Take this machine: all CPUs, and a GPU where there is one and the experiment does not forgo it."""
    n_gpus = gpu_count() if prepared.experiment.compute.gpus != 0 else 0
    return Share(threads or usable_cpus(), 0, float(min(n_gpus, 1)))
