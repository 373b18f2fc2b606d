"""Do one unit of work: train a fold with a seed, predict its test chromosomes, score them."""

from __future__ import annotations

import json
import logging
import platform
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kerasac import __version__
from kerasac.cache import local_copy, locked, write_whole
from kerasac.errors import KerasacError, RunError
from kerasac.genome.folds import Fold
from kerasac.models.backend import gpu_count, prepare_backend
from kerasac.models.contract import Contract
from kerasac.models.registry import build_model, register_classes
from kerasac.runs.bias_stage import BIAS_CHECK, CORRECTED, CORRECTED_PREDICTIONS, make_bias_model, with_bias
from kerasac.sampling.batches import Array
from kerasac.sampling.plan import Plan, SamplingPlan
from kerasac.sampling.stream import stream_in_process, stream_through_ray
from kerasac.steps.bad_batch import describe_batch
from kerasac.steps.binned_predictions import predictions_path, read_binned_predictions, write_binned_predictions
from kerasac.steps.loss_weights import unit_weight
from kerasac.steps.parts import Part
from kerasac.steps.plots import bin_figures, training_curves, write_figures, write_plots
from kerasac.steps.predictions import read_predictions, write_predictions
from kerasac.steps.prepare import PreparedWindows
from kerasac.steps.prepare_bins import PreparedBins
from kerasac.steps.prepared import Prepared
from kerasac.steps.score import score, write_scores
from kerasac.steps.trainers import EndedError, Group, LostError

if TYPE_CHECKING:
    import keras

    from kerasac.sampling.background_plan import BackgroundPlan
    from kerasac.steps.train import TrainResult

logger = logging.getLogger(__name__)

MARKER = "unit.json"
_TRAIN = "train"  # what a leader tells its helpers
BAD_BATCH = "bad_batch.tsv"
BINNED_PREFIX = "test"  # of the two files with labels and predictions of bins
_MEAN_PROFILE_PEAKS = 20_000  # a mean over more windows changes nothing that matters
_FIRST_WINDOWS = 2048  # whose mean log counts the counts head starts at
_VERSIONS_OF = ("tensorflow", "keras", "ray", "numpy", "tiledb")

Event = dict[str, Any]
Report = Callable[[Event], None]


@dataclass(frozen=True)
class Unit:
    """A fold and a seed, and the folder of the run that they belong to."""

    fold: Fold
    seed: int
    run_folder: str

    @property
    def name(self) -> str:
        """``fold-0/seed-1234``: the unit's name in tables, and its folder within the run's."""
        return f"fold-{self.fold.index}/seed-{self.seed}"

    @property
    def folder(self) -> Path:
        """Where everything of the unit is written."""
        return Path(self.run_folder) / self.name


@dataclass(frozen=True)
class Share:
    """The share of a machine that one unit gets: CPU threads, Ray Data samplers, GPUs (may be a fraction)."""

    threads: int
    samplers: int
    gpus: float = 0.0


def run_unit(prepared: Prepared, unit: Unit, share: Share, report: Report, group: Group | None = None) -> None:
    """Do what is missing of a unit; finished parts are kept, an interrupted training goes on.

    Reports ``{"event": "epoch", …}`` after every epoch (``bias epoch`` of a bias model, ``bias`` with its verdict),
    ``stage`` when a part begins, and at the end ``done``, or ``failed`` with a message. A failure's traceback is left
    in the unit's ``error.txt``. With a ``group``, which this process leads, the model is trained by all of it;
    :class:`LostError` is raised when one of it is gone.
    """
    try:
        with locked(unit.folder / ".lock"):  # an orphan of a killed run may still be finishing its epoch
            _UnitRun(prepared, unit, share, report, group).run()
    except Exception as error:
        if group is not None and isinstance(group.failure, LostError):
            raise group.failure from None
        with suppress(OSError):  # it may be the folder that cannot be written
            (unit.folder / "error.txt").write_text(traceback.format_exc())
        report({"event": "failed", "message": _message(error, unit)})


def help_unit(prepared: Prepared, unit: Unit, share: Share, group: Group) -> None:
    """Help to train a unit's model whenever the leader of the group says so, until it ends the group.

    Nothing is written to the unit's folder. An error that is the input's fault ends the group with its message.
    """
    try:
        while group.hear() == _TRAIN:
            _UnitRun(prepared, unit, share, lambda event: None, group).help_train()
    except EndedError:
        group.answer()
    except KerasacError as error:
        group.end(str(error))
        group.on_signal()  # at the leader's report of this error


def _message(error: Exception, unit: Unit) -> str:
    if isinstance(error, KerasacError):
        return str(error)
    first_line = (str(error).splitlines() or [""])[0]  # TensorFlow's go on for pages
    return f"{type(error).__name__}: {first_line} (all of it in {unit.folder / 'error.txt'})"


def read_marker(folder: Path) -> dict[str, Any]:
    """Return what a unit's folder says of itself; empty when it was never started."""
    path = folder / MARKER
    marker: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return marker


def is_done(folder: Path) -> bool:
    """Whether a unit has been trained, predicted and scored."""
    return read_marker(folder).get("state") == "done"


def versions() -> dict[str, str]:
    """Return the versions that decide a result."""
    return {"kerasac": __version__, "python": platform.python_version()} | {
        package: version(package) for package in _VERSIONS_OF
    }


@dataclass(frozen=True)
class _Training:
    """A model to train, on what, and where to.

    ``head`` is the model, or the part of it whose counts start at the mean label; ``event`` what its epochs are
    reported as; ``taken`` names the layers that start from another model's.
    """

    model: keras.Model
    head: keras.Model
    contract: Contract
    plan: Plan
    loss_weights: dict[str, float]
    folder: Path
    event: str = "epoch"
    taken: tuple[str, ...] = ()


class _UnitRun:
    """The parts of one unit, in order."""

    def __init__(
        self, prepared: Prepared, unit: Unit, share: Share, report: Report, group: Group | None = None
    ) -> None:
        self.prepared, self.unit, self.share, self.report, self.group = prepared, unit, share, report, group
        self.experiment = prepared.experiment
        self.folder = unit.folder
        self.plan: Plan = prepared.plan(unit.fold, unit.seed)
        self.marker = read_marker(unit.folder)

    def run(self) -> None:
        if self.marker.get("state") == "done":
            self.report({"event": "done", **self.marker})
            return
        (self.folder / "error.txt").unlink(missing_ok=True)
        self.prepared.source.check_unchanged()
        self.prepared.source.ensure()
        self.prepared.held_out.ensure()
        self._mark("started", fingerprint=self.prepared.fingerprint(), split=self.unit.fold.as_dict())
        for stage, artefact, work in self._stages():
            if not (self.folder / artefact).exists():
                self.report({"event": "stage", "stage": stage})
                started = time.perf_counter()
                work()
                self.prepared.source.check_unchanged()
                seconds = {**self.marker.get("seconds", {}), stage: round(time.perf_counter() - started, 2)}
                self._mark("started", seconds=seconds)
        self._mark("done", versions=versions())
        self.report({"event": "done", **self.marker})

    def _stages(self) -> list[tuple[str, str, Callable[[], None]]]:
        """Name the parts, in order: a part is done when its artefact is there."""
        bias = [("bias", BIAS_CHECK, self._bias)] if self.experiment.bias is not None else []
        return [
            *bias,
            ("train", "model.keras", self._train),
            ("predict", self._predictions.name, self._predict),
            ("score", "scores.json", self._score),
        ]

    def _bias(self) -> None:
        self._start_keras(precision="float32")  # it is small, and judged by its counts
        prepared, plan = self.prepared, self.plan
        assert isinstance(prepared, PreparedWindows), "the experiment's check passed bias with labels"
        assert isinstance(plan, SamplingPlan), "windows of tracks have this plan"

        def fit(model: keras.Model, background: BackgroundPlan, contract: Contract, folder: Path) -> None:
            weights = self._loss_weights(background)
            self._fit(_Training(model, model, contract, background, weights, folder, event="bias epoch"))

        check = make_bias_model(prepared, plan, self.folder, fit)
        self.report({"event": "bias", "message": str(check)})
        self._mark("started", bias=check.as_dict())

    def _train(self) -> None:
        self._start_keras()
        from kerasac.models.checkpoint import save_model
        from kerasac.models.describe import summary_text
        from kerasac.models.precision import back_to_float32

        training, plan = self._training(), self.plan
        self._mark(
            "started",
            plan_digest=plan.digest(self.experiment.training.epochs),
            loss_weights=training.loss_weights,
            windows={"train": len(plan.train(0)), "valid": len(plan.valid()), "test": len(plan.test())},
            model_parameters=int(training.model.count_params()),
        )
        write_whole(self.folder / "model.summary", summary_text(training.model))
        if self.group is not None:
            self.group.tell(_TRAIN)
        result = self._fit(training, self.group)
        self._mark("started", **result._asdict())
        back_to_float32(training.model)
        if self.experiment.bias is not None:
            save_model(training.head, self.folder / CORRECTED)
        save_model(training.model, self.folder / "model.keras")

    def help_train(self) -> None:
        """Train the same model with the leader of the group."""
        self.prepared.source.ensure()
        self._start_keras()
        self._fit(self._training(), self.group)

    def _training(self) -> _Training:
        """Build the model that is trained, from the weights that are asked for."""
        from kerasac.models.precision import keep_outputs_float32
        from kerasac.models.transfer import initialize

        weights = self._loss_weights(self.plan)
        contract, spec = self.prepared.contract, self.experiment.training
        head = build_model(self.experiment.model.architecture, contract, self.prepared.parameters)
        model = with_bias(head, self.prepared, self.folder) if self.experiment.bias is not None else head
        taken: tuple[str, ...] = ()
        if spec.initialize is not None:
            done = initialize(head, spec.initialize, local_copy(spec.initialize.file))
            taken = done.taken
            if self.group is None or self.group.leads:
                self._mark("started", initialized=done._asdict())
        if spec.precision != "float32":
            keep_outputs_float32(head)
            keep_outputs_float32(model)
        return _Training(model, head, contract, self.plan, weights, self.folder, taken=taken)

    def _start_keras(self, precision: str | None = None) -> None:
        """Load Keras with this unit's share of the machine, and seed it."""
        prepare_backend(self.share.threads, gpus=self.share.gpus > 0)
        import keras

        if self.share.gpus and not gpu_count():
            raise RunError(
                "Ray gave this trainer a GPU, but TensorFlow does not see one; install tensorflow[and-cuda] "
                "and a matching driver, or set compute.gpus to 0"
            )
        keras.backend.clear_session()
        keras.utils.set_random_seed(self.unit.seed)
        from kerasac.models.precision import use_precision

        use_precision(precision or self.experiment.training.precision)

    def _fit(self, training: _Training, group: Group | None = None) -> TrainResult:
        """Train a model on the windows of a plan; it ends with the best epoch's weights."""
        from kerasac.models.losses import losses_of
        from kerasac.steps.train import TrainData, compile_model, start_at_mean, train
        from kerasac.steps.trainee import Trainee

        source, spec, plan = self.prepared.source, self.experiment.training, training.plan
        fed = Trainee(training.model, source.recipe.of([port.name for port in training.contract.inputs]), group)
        classes = self.prepared.class_weights(plan.fold) if isinstance(self.prepared, PreparedBins) else {}
        losses = losses_of(training.contract, self.experiment.loss, classes)
        compile_model(fed, training.contract, spec, training.loss_weights, losses)
        first_epoch = plan.train(0)
        first = source.batch(first_epoch.take(slice(0, _FIRST_WINDOWS)))
        counts = {port.name for port in training.contract.outputs if port.role == "counts"}
        if not counts & set(training.taken):  # a head that was taken has learned its own
            start_at_mean(training.head, training.contract, first)
        part = Part.of(spec, group)
        data = TrainData(
            stream=partial(self._stream, plan, part),
            steps=part.steps(len(first_epoch)),
            signature=source.signature(),
            valid=self.prepared.held_out.read(plan.valid()),
            where=partial(self._where, plan, training.folder),
        )
        event = training.event
        return train(fed, data, spec, training.folder, on_epoch=lambda row: self.report({"event": event, **row}))

    @property
    def _predictions(self) -> Path:
        """The file whose presence says that the test windows are predicted."""
        if isinstance(self.prepared, PreparedBins):
            return predictions_path(self.folder / BINNED_PREFIX)
        return self.folder / "predictions.h5"

    def _predict(self) -> None:
        prepare_backend(self.share.threads, gpus=self.share.gpus > 0)
        from kerasac.models.checkpoint import load_model
        from kerasac.steps.predict import predict
        from kerasac.steps.predict_bins import predict_bins

        register_classes(self.prepared.parameters)
        model = load_model(self.folder / "model.keras")
        if isinstance(self.prepared, PreparedBins):
            bins = predict_bins(model, self.prepared, self.plan.test())
            write_binned_predictions(self.folder / BINNED_PREFIX, bins)
            return
        peaks = self.plan.train_peaks(_MEAN_PROFILE_PEAKS)
        if self.experiment.bias is not None:
            corrected = predict(load_model(self.folder / CORRECTED), self.prepared, self.plan.test(), peaks)
            write_predictions(self.folder / CORRECTED_PREDICTIONS, corrected)
        predictions = predict(model, self.prepared, self.plan.test(), peaks)
        write_predictions(self._predictions, predictions)

    def _score(self) -> None:
        title = f"{self.experiment.name}, fold {self.unit.fold.index}, seed {self.unit.seed}"
        history = pd.read_csv(self.folder / "history.csv")
        if isinstance(self.prepared, PreparedBins):
            from kerasac.steps.predict_bins import score_bins

            bins = read_binned_predictions(self.folder / BINNED_PREFIX)
            found = score_bins(bins)
            figures = bin_figures(bins, found, title=title)
            write_figures(self.folder, {**figures, "training": training_curves(history, title=title)})
            write_scores(self.folder, found)
            return
        predictions = read_predictions(self._predictions)
        scores = score(predictions, seed=self.unit.fold.index)
        write_plots(self.folder, predictions, scores, history=history, title=title)
        write_scores(self.folder, scores)

    def _stream(self, plan: Plan, part: Part, epochs: Sequence[int]) -> Generator[dict[str, Array], None, None]:
        stream = stream_in_process
        if self.share.samplers:
            stream = partial(stream_through_ray, samplers=self.share.samplers)
        return stream(self.prepared.source, lambda epoch: part.take(plan.train(epoch)), epochs, part.batch_size)

    def _where(self, plan: Plan, folder: Path, epoch: int, step: int) -> str:
        """Say which windows a batch has, and list all of them in a file."""
        size = self.experiment.training.batch_size
        batch = plan.train(epoch).take(slice(step * size, (step + 1) * size))
        return describe_batch(batch, self.prepared, folder / BAD_BATCH)

    def _loss_weights(self, plan: Plan) -> dict[str, float]:
        """Return each output's weight; see :mod:`kerasac.steps.loss_weights` for ``auto``."""
        loss = self.experiment.loss
        weights = {}
        for port in self.prepared.contract.outputs:
            weight: float | str = {"profile": loss.profile, "counts": loss.counts}.get(port.role, 1.0)
            if weight == "auto":
                weight = unit_weight(self.prepared, plan, port.name).weight
            weights[port.name] = float(weight)
        return weights

    def _mark(self, state: str, **facts: Any) -> None:
        self.marker = {**self.marker, "name": self.unit.name, "state": state, **facts}
        write_whole(self.folder / MARKER, json.dumps(self.marker, indent=1) + "\n")
