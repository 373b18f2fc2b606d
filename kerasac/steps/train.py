"""Train a model on a stream of batches, leaving a checkpoint and a history row after every epoch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasac.config import TrainingSpec
from kerasac.errors import KerasacError, RunError
from kerasac.models.backend import gpu_count
from kerasac.models.contract import Contract
from kerasac.models.losses import losses_of
from kerasac.sampling.batches import Array, Batch, Signature
from kerasac.steps.callbacks import Raw, TrainData, callbacks_of
from kerasac.steps.history import Row
from kerasac.steps.optimizers import make_optimizer
from kerasac.steps.trainee import Trainee
from kerasac.steps.trainers import Group
from kerasac.steps.training_state import Follower, Lead, TrainResult

__all__ = ["TrainData", "TrainResult", "compile_model", "start_at_mean", "train"]

logger = logging.getLogger(__name__)

_VALIDATION_BATCH = 256
_CLOSE_S = 120.0  # a block of the slowest reader takes a fraction of it


def train(
    model: Trainee,
    data: TrainData,
    spec: TrainingSpec,
    folder: Path,
    *,
    on_epoch: Callable[[Row], None] = lambda row: None,
    until: int | None = None,
) -> TrainResult:
    """Train a compiled model until it stops improving, or ``until`` an epoch; it ends with the best epoch's weights.

    ``folder`` gets ``history.csv`` and ``checkpoints/``. When it already holds epochs of this training, they
    are not repeated: training goes on after the last one, with the same remaining batches and dropout masks. Of several
    trainers the first one validates, decides and writes; the others follow it, and end with the last weights.

    Raises
    ------
    RunError
        When the loss is not finite, or another trainer of the group failed.
    """
    group = model.group
    if group is None or group.leads:
        state: Lead | Follower = Lead(spec, folder, on_epoch, group, until)
    else:
        state = Follower(spec, group, until)
    state.begin(model)
    n_done, now = len(state.history), state.standing
    if not now.stop:
        model.optimizer.learning_rate.assign(now.learning_rate)
        with _closing(data.stream(range(n_done, state.until)), group) as batches:
            model.fit(
                _training_dataset(batches, data.signature),
                initial_epoch=n_done,
                epochs=state.until,
                steps_per_epoch=data.steps,
                validation_data=_validation_dataset(data.valid, model.masked_outputs) if state.leads else None,
                shuffle=False,
                verbose=0,
                callbacks=callbacks_of(model, state, data, folder),
            )
    return state.end(model)


def compile_model(
    model: keras.Model,
    contract: Contract,
    spec: TrainingSpec,
    loss_weights: dict[str, float],
    losses: dict[str, Any] | None = None,
) -> None:
    """Attach optimizer and losses: those of each role, or ``losses``.

    XLA was measured to gain nothing on a CPU, where it costs seconds of compilation. Several trainers talk between
    gradients and update, which XLA cannot compile.
    """
    grouped = getattr(model, "group", None) is not None
    if grouped and spec.jit_compile is True:
        raise RunError(
            "training.jit_compile is true, which goes with one trainer; set it to auto or compute.trainers to 1"
        )
    jit = gpu_count() > 0 and not grouped if spec.jit_compile == "auto" else spec.jit_compile
    losses = losses or losses_of(contract)
    model.compile(make_optimizer(spec), losses, loss_weights=loss_weights, jit_compile=jit)


def start_at_mean(model: keras.Model, contract: Contract, first: Batch) -> None:
    """Set the bias of each counts output to the mean of its labels in a first batch of training windows.

    Without it the counts head spends its first epochs learning that mean, on a plateau of the loss.
    """
    for port in contract.outputs:
        # A model of the user's own may have no such layer, and learns the mean.
        layer = next((layer for layer in model.layers if layer.name == port.name), None)
        bias = getattr(layer, "bias", None)
        if port.role == "counts" and bias is not None:
            bias.assign(first.outputs[port.name].mean(axis=0))


@contextmanager
def _closing(batches: Generator[Raw, None, None], group: Group | None) -> Iterator[Iterator[Raw]]:
    """Close a stream at the end, and raise its errors, and those of the group, as they were.

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
        if group is not None and group.failure is not None:
            raise group.failure from None
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


def _validation_dataset(valid: Raw, masked_outputs: Sequence[str]) -> tf.data.Dataset:
    """Wrap the validation windows, with each batch's share of the labels where these may be ambiguous."""
    dataset = tf.data.Dataset.from_tensor_slices(valid).batch(_VALIDATION_BATCH)
    if masked_outputs:
        shares = {name: _shares(valid[name]) for name in masked_outputs}
        dataset = tf.data.Dataset.zip((dataset, tf.data.Dataset.from_tensor_slices(shares)))
    return _untuned(dataset)


def _shares(labels: Array) -> Array:
    """Return how many labels each batch has, over the mean of all batches, (n_batches,), float32.

    The mean losses of batches times these average to the mean over all labels.
    """
    by_window = np.count_nonzero(~np.isnan(labels), axis=1)
    by_batch = np.add.reduceat(by_window, np.arange(0, len(labels), _VALIDATION_BATCH))
    shares: Array = by_batch * (len(by_batch) / max(1, by_batch.sum()))
    return shares.astype(np.float32)


def _untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Turn tf.data's tuning off: it gains nothing here, and its thread can hold up the end of ``fit`` by 30 s."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
