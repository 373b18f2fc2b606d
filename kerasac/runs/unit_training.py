"""Build a unit's model and fit it on the windows of a plan, alone or as one of a group of trainers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cache import local_copy
from kerasac.errors import RunError
from kerasac.models.backend import gpu_count, prepare_backend
from kerasac.models.contract import Contract
from kerasac.models.registry import build_model
from kerasac.runs.bias_stage import with_bias
from kerasac.runs.unit import Report, Share, Unit
from kerasac.runs.unit_mirror import UnitMirror
from kerasac.sampling.batches import Array
from kerasac.sampling.plan import Plan
from kerasac.sampling.stream import stream_in_process, stream_through_ray
from kerasac.steps.bad_batch import describe_batch
from kerasac.steps.loss_weights import unit_weight
from kerasac.steps.parts import Part
from kerasac.steps.prepare_bins import PreparedBins
from kerasac.steps.prepared import Prepared
from kerasac.steps.trainers import Group

if TYPE_CHECKING:
    import keras

    from kerasac.models.transfer import Transferred
    from kerasac.steps.history import Row
    from kerasac.steps.train import TrainResult

BAD_BATCH = "bad_batch.tsv"
_FIRST_WINDOWS = 2048  # whose mean log counts the counts head starts at


@dataclass(frozen=True)
class Training:
    """A model to train, on what, and where to.

    ``head`` is the model, or the part of it whose counts start at the mean label; ``event`` what its epochs are
    reported as; ``taken`` says what starts from another model's weights.
    """

    model: keras.Model
    head: keras.Model
    contract: Contract
    plan: Plan
    loss_weights: dict[str, float]
    folder: Path
    event: str = "epoch"
    taken: Transferred | None = None


class UnitTraining:
    """What trains a unit's models, with its share of the machine; epochs are saved and reported to ``report``."""

    def __init__(self, prepared: Prepared, unit: Unit, share: Share, report: Report, mirror: UnitMirror) -> None:
        self.prepared, self.unit, self.share, self.report, self.mirror = prepared, unit, share, report, mirror
        self.experiment = prepared.experiment

    def model(self, plan: Plan) -> Training:
        """Build the model that is trained, from the weights that are asked for."""
        from kerasac.models.precision import keep_outputs_float32

        weights = self.loss_weights(plan)
        head = self._head()
        model = with_bias(head, self.prepared, self.unit.folder) if self.experiment.bias is not None else head
        taken = self._initialized(head)
        if self.experiment.training.precision != "float32":
            keep_outputs_float32(head)
            keep_outputs_float32(model)
        return Training(model, head, self.prepared.contract, plan, weights, self.unit.folder, taken=taken)

    def check_model(self) -> None:
        """Build the model and start it from the weights that are asked for, and leave it; Keras is loaded.

        Raises
        ------
        ModelError
            When it cannot be built, or the weights do not fit.
        """
        self._initialized(self._head())

    def _head(self) -> keras.Model:
        return build_model(self.experiment.model.architecture, self.prepared.contract, self.prepared.parameters)

    def _initialized(self, head: keras.Model) -> Transferred | None:
        """Take the weights of ``training.initialize``, where it is there, and say which."""
        from kerasac.models.transfer import initialize

        spec = self.experiment.training.initialize
        return None if spec is None else initialize(head, spec, local_copy(spec.file))

    def start_keras(self, precision: str | None = None) -> None:
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

    def fit(self, training: Training, group: Group | None = None, until: int | None = None) -> TrainResult:
        """Train a model on the windows of a plan, ``until`` an epoch at most; it ends with the best epoch's weights.

        Raises
        ------
        StoppedError
            After an epoch, when the run was asked to stop.
        """
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
        if training.taken is None or not counts & set(
            training.taken.taken
        ):  # a head that was taken has learned its own
            start_at_mean(training.head, training.contract, first)
        part = Part.of(spec, group)
        data = TrainData(
            stream=partial(self._stream, plan, part),
            steps=part.steps(len(first_epoch)),
            signature=source.signature(),
            valid=self.prepared.held_out.read(plan.valid()),
            where=partial(self._where, plan, training.folder),
        )

        def on_epoch(row: Row) -> None:
            self.mirror.save()
            self.report({"event": training.event, **row})
            self.mirror.raise_if_stopped()

        return train(fed, data, spec, training.folder, on_epoch=on_epoch, until=until)

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

    def loss_weights(self, plan: Plan) -> dict[str, float]:
        """Return each output's weight; see :mod:`kerasac.steps.loss_weights` for ``auto``."""
        loss = self.experiment.loss
        weights = {}
        for port in self.prepared.contract.outputs:
            weight: float | str = {"profile": loss.profile, "counts": loss.counts}.get(port.role, 1.0)
            if weight == "auto":
                weight = unit_weight(self.prepared, plan, port.name).weight
            weights[port.name] = float(weight)
        return weights
