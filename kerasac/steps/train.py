"""Train a model on a stream of batches, leaving a checkpoint and a history row after every epoch."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from kerasac.config import TrainingSpec
from kerasac.errors import KerasacError, RunError
from kerasac.models.checkpoint import Checkpoints
from kerasac.models.contract import Contract
from kerasac.models.feed import FedModel
from kerasac.models.losses import losses_of
from kerasac.sampling.batches import Array, Batch, Signature
from kerasac.steps.history import Row, read_history, write_history
from kerasac.steps.schedule import Standing, standing

logger = logging.getLogger(__name__)

_VALIDATION_BATCH = 256
_CLOSE_S = 120.0  # a block of the slowest reader takes a fraction of it

Raw = dict[str, Array]
Stream = Callable[[Sequence[int]], Generator[Raw, None, None]]


class TrainResult(NamedTuple):
    """What a training reached: epochs done, the best of them (from 1), and its validation loss."""

    epochs: int
    best_epoch: int
    best_loss: float


class TrainData(NamedTuple):
    """What a training reads: raw windows, as :meth:`WindowSource.read` gives them.

    ``stream`` gives the batches of a list of epochs (numbered from 0), ``steps`` their number an epoch,
    ``signature`` the shape and dtype of their arrays; ``valid`` is the whole validation set.
    """

    stream: Stream
    steps: int
    signature: dict[str, Signature]
    valid: Raw


def train(
    model: FedModel,
    data: TrainData,
    spec: TrainingSpec,
    folder: Path,
    *,
    on_epoch: Callable[[Row], None] = lambda row: None,
) -> TrainResult:
    """Train a compiled model until it stops improving; it ends with the best epoch's weights.

    ``folder`` gets ``history.csv`` and ``checkpoints/``. When it already holds epochs of this training, they
    are not repeated: training goes on after the last one, with the same remaining batches.

    Raises
    ------
    RunError
        When the loss is not finite.
    """
    checkpoints = Checkpoints(folder / "checkpoints")
    history = _resumable(read_history(folder / "history.csv"), checkpoints)
    if history:
        checkpoints.load(model, len(history))
        logger.info("going on after epoch %d", len(history))
    state = _State(spec, history, folder, checkpoints, on_epoch)
    now = state.standing
    if not now.stop:
        model.optimizer.learning_rate.assign(now.learning_rate)
        with _closing(data.stream(range(len(history), spec.epochs))) as batches:
            model.fit(
                _training_dataset(batches, data.signature),
                initial_epoch=len(history),
                epochs=spec.epochs,
                steps_per_epoch=data.steps,
                validation_data=_validation_dataset(data.valid),
                shuffle=False,
                verbose=0,
                callbacks=[_EpochEnd(state, data.steps)],
            )
        now = state.standing
    checkpoints.load(model, now.best_epoch)
    return TrainResult(len(state.history), now.best_epoch, now.best_loss)


def compile_model(
    model: keras.Model,
    contract: Contract,
    spec: TrainingSpec,
    loss_weights: dict[str, float],
    losses: dict[str, Any] | None = None,
) -> None:
    """Attach optimizer and losses: those of each role, or ``losses``. Adam, or AdamW when there is weight decay."""
    options: dict[str, Any] = {"learning_rate": spec.learning_rate, "global_clipnorm": spec.clip_norm}
    if spec.weight_decay:
        optimizer = keras.optimizers.AdamW(weight_decay=spec.weight_decay, **options)
    else:
        optimizer = keras.optimizers.Adam(**options)
    # XLA was measured to gain nothing on a CPU, and costs seconds of compilation.
    model.compile(optimizer, losses or losses_of(contract), loss_weights=loss_weights, jit_compile=False)


def start_at_mean(model: keras.Model, contract: Contract, first: Batch) -> None:
    """Set the bias of each counts output to the mean of its labels in a first batch of training windows.

    Without it the counts head spends its first epochs learning that mean, on a plateau of the loss.
    """
    for port in contract.outputs:
        if port.role == "counts":
            model.get_layer(port.name).bias.assign(first.outputs[port.name].mean(axis=0))


class _State:
    """The growing history of one training, on disk and in memory."""

    def __init__(
        self,
        spec: TrainingSpec,
        history: list[Row],
        folder: Path,
        checkpoints: Checkpoints,
        on_epoch: Callable[[Row], None],
    ) -> None:
        self.spec, self.history, self.folder = spec, history, folder
        self.checkpoints, self.on_epoch = checkpoints, on_epoch

    @property
    def standing(self) -> Standing:
        return standing(self.spec, [row["val_loss"] for row in self.history])

    def add(self, model: keras.Model, row: Row) -> Standing:
        """Save an epoch: first the checkpoint, then the row that makes it count.

        Old checkpoints go last: killed before the row, a resumed training still needs the best epoch until then.
        """
        self.history.append(row)
        now = self.standing
        self.checkpoints.save(model, len(self.history))
        write_history(self.folder / "history.csv", self.history)
        self.checkpoints.drop(newest=len(self.history), best=now.best_epoch)
        self.on_epoch(row)
        return now


class _EpochEnd(keras.callbacks.Callback):  # type: ignore[misc]
    """Warm up the learning rate; save each epoch, then set the next learning rate or stop."""

    def __init__(self, state: _State, steps: int) -> None:
        super().__init__()
        self.state, self.steps = state, steps

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        self.started = time.perf_counter()
        self.steps_before = epoch * self.steps
        self.rate = float(self.model.optimizer.learning_rate)

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        step, warmup = self.steps_before + batch + 1, self.state.spec.warmup_steps
        if step <= warmup:
            self.model.optimizer.learning_rate.assign(self.rate * step / warmup)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        metrics = {key: float(value) for key, value in (logs or {}).items()}
        for key in ("loss", "val_loss"):
            if not math.isfinite(metrics[key]):
                raise RunError(
                    f"{key} is {metrics[key]} in epoch {epoch + 1}; "
                    "lower training.learning_rate or set training.clip_norm"
                )
        seconds = time.perf_counter() - self.started
        row = {"epoch": float(epoch + 1), **metrics, "learning_rate": self.rate, "seconds": round(seconds, 3)}
        now = self.state.add(self.model, row)
        self.model.optimizer.learning_rate.assign(now.learning_rate)
        self.model.stop_training = now.stop


def _resumable(history: list[Row], checkpoints: Checkpoints) -> list[Row]:
    """Keep the rows up to the last epoch that has both a row and a checkpoint.

    A row is written after its checkpoint, so at most the newest checkpoint has none.
    """
    saved = [epoch for epoch in checkpoints.epochs() if epoch <= len(history)]
    return history[: max(saved, default=0)]


@contextmanager
def _closing(batches: Generator[Raw, None, None]) -> Iterator[Iterator[Raw]]:
    """Close a stream at the end, and raise its errors as they were.

    One that is left early would keep its samplers, and the CPUs that the next unit needs. tf.data reads ahead, so that
    the stream may be at work for a moment longer than the training.
    """
    raised: list[Exception] = []

    def noting() -> Iterator[Raw]:
        try:
            yield from batches
        except Exception as error:
            raised.append(error)
            raise

    try:
        yield noting()
    except Exception:
        if raised:  # tf.data's own error has its text on one of its many lines
            raise _own_error(raised[0]) from None
        raise
    finally:
        deadline = time.monotonic() + _CLOSE_S
        while True:
            try:
                batches.close()
                break
            except ValueError:  # the generator is running
                if time.monotonic() > deadline:
                    logger.warning("the stream of windows did not end; its samplers may go on for a while")
                    break
                time.sleep(0.02)


def _own_error(error: Exception) -> Exception:
    """Return what a sampler raised, without what Ray puts around it."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, KerasacError) else error


def _training_dataset(batches: Iterator[Raw], signature: dict[str, Signature]) -> tf.data.Dataset:
    """Wrap a stream of batches of any number of windows."""
    specs = {name: tf.TensorSpec((None, *array.shape), array.dtype) for name, array in signature.items()}
    dataset = tf.data.Dataset.from_generator(lambda: batches, output_signature=specs)
    return _untuned(dataset.prefetch(2))


def _validation_dataset(valid: Raw) -> tf.data.Dataset:
    return _untuned(tf.data.Dataset.from_tensor_slices(valid).batch(_VALIDATION_BATCH))


def _untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Turn tf.data's tuning off: it gains nothing here, and its thread can hold up the end of ``fit`` by 30 s."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
