"""Do between the steps and epochs of a training what Keras's ``fit`` does not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from tensorboardX.event_file_writer import EventsWriter  # type: ignore[import-untyped]
from tensorboardX.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
from tensorboardX.summary import scalar  # type: ignore[import-untyped]

from kerasac.cache import write_whole
from kerasac.errors import RunError
from kerasac.models.backend import gpu_count
from kerasac.sampling.batches import Array, Signature
from kerasac.steps.history import Row
from kerasac.steps.trainee import Trainee
from kerasac.steps.trainers import Group
from kerasac.steps.training_state import State

_GPU_LOOKS_EVERY = 16  # steps; a look waits for the step before, which leaves a GPU idle for a moment
BATCH_LOG = "batches.tsv"
_SMALLER_STEPS = "lower training.learning_rate or set training.clip_norm"

Raw = dict[str, Array]
Stream = Callable[[Sequence[int]], Generator[Raw, None, None]]


class TrainData(NamedTuple):
    """What a training reads: raw windows, as :meth:`WindowSource.read` gives them.

    ``stream`` gives the batches of a list of epochs (numbered from 0), ``steps`` their number an epoch,
    ``signature`` the shape and dtype of their arrays; ``valid`` is the whole validation set. ``where`` says which
    windows a batch has, by its epoch and step, both from 0.
    """

    stream: Stream
    steps: int
    signature: dict[str, Signature]
    valid: Raw
    where: Callable[[int, int], str] = lambda epoch, step: ""


def callbacks_of(model: Trainee, state: State, data: TrainData, folder: Path) -> list[keras.callbacks.Callback]:
    """Return the callbacks of one training, in the order that Keras is to call them."""
    made: list[keras.callbacks.Callback] = [_Dropout(data.steps)]
    if model.group is not None:
        made.append(_Together(model.group, data.steps))
    if state.spec.batch_log and state.leads:
        made.append(_BatchLog(state, folder / BATCH_LOG))
    board = _Board(folder / "tensorboard", len(state.history)) if state.spec.tensorboard and state.leads else None
    made.append(_EpochEnd(state, data, board))  # the last, as it is where a training is stopped
    return made


class _Dropout(keras.callbacks.Callback):  # type: ignore[misc]
    """Draw each epoch's dropout masks from its number, so that a resumed training draws those of an undisturbed one.

    A generator's state is its seed and how often it was asked, which in training is once a step.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        del logs
        group, layers = self.model.group, self.model._flatten_layers()
        self.states = [generator.state for layer in layers for generator in getattr(layer, "_seed_generators", ())]
        self.seeds = [int(np.asarray(state)[0]) + (group.rank if group else 0) for state in self.states]

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        for state, seed in zip(self.states, self.seeds, strict=True):
            state.assign(np.array([seed % 2**32, epoch * self.steps], dtype=np.uint32))


class _Together(keras.callbacks.Callback):  # type: ignore[misc]
    """At the end of an epoch, add up the metrics of all trainers, and average what batch normalisation has seen."""

    def __init__(self, group: Group, steps: int) -> None:
        super().__init__()
        self.group, self.steps = group, steps

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        if batch != self.steps - 1:
            return
        sums = [variable for metric in self.model.metrics for variable in metric.variables]
        norms = [layer for layer in self.model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
        means = [variable for layer in norms for variable in (layer.moving_mean, layer.moving_variance)]
        self._combine(sums, 1)
        self._combine(means, self.group.size)

    def _combine(self, variables: list[Any], divisor: int) -> None:
        values = [np.asarray(variable) for variable in variables]
        if values:
            total = self.group.sum(np.concatenate([value.ravel() for value in values])) / divisor
            parts = np.split(total, np.cumsum([value.size for value in values])[:-1])
            for variable, value, part in zip(variables, values, parts, strict=True):
                variable.assign(part.reshape(value.shape))


class _EpochEnd(keras.callbacks.Callback):  # type: ignore[misc]
    """Warm up the learning rate; watch the loss; save each epoch, then set the next learning rate or stop.

    An epoch is on the ``board`` before it is saved, after which the training may be stopped for good.
    """

    def __init__(self, state: State, data: TrainData, board: _Board | None = None) -> None:
        super().__init__()
        self.state, self.data, self.board = state, data, board
        self.looks_every = _GPU_LOOKS_EVERY if gpu_count() else 1

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        self.started = time.perf_counter()
        self.epoch = epoch
        self.model.watch.begin_epoch()
        self.rate = float(self.model.optimizer.learning_rate)

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        step, warmup = self.epoch * self.data.steps + batch + 1, self.state.spec.warmup_steps
        if step <= warmup:
            self.model.optimizer.learning_rate.assign(self.rate * step / warmup)
        if batch % self.looks_every == 0:
            self._check_steps()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._check_steps()
        metrics = {key: float(value) for key, value in (logs or {}).items()}
        for key, value in metrics.items():
            if key in ("loss", "val_loss") and not math.isfinite(value):
                raise RunError(f"{key} is {value} in epoch {epoch + 1}; {_SMALLER_STEPS}")
        seconds = time.perf_counter() - self.started
        row = {"epoch": float(epoch + 1), **metrics, "learning_rate": self.rate, "seconds": round(seconds, 3)}
        if self.board is not None:
            self.board.add(row)
        now = self.state.add(self.model, row)
        self.model.optimizer.learning_rate.assign(now.learning_rate)
        self.model.stop_training = now.stop

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        del logs
        if self.board is not None:
            self.board.close()

    def _check_steps(self) -> None:
        """Refuse to go on after a loss that is not finite; of a group only the first trainer does, for all."""
        step = self.model.watch.bad_step() if self.state.leads else None
        if step is not None:
            raise RunError(
                f"the loss is not finite in batch {step + 1} of {self.data.steps} of epoch {self.epoch + 1}"
                f"{self.data.where(self.epoch, step)}; {_SMALLER_STEPS}"
            )


class _Board:
    """Write each epoch's row for TensorBoard; a training that goes on after epochs adds a file."""

    def __init__(self, folder: Path, n_done: int) -> None:
        folder.mkdir(exist_ok=True)
        # tensorboardX's SummaryWriter writes from a thread, whose last events a process that is stopped would lose.
        self.writer = EventsWriter(str(folder / "events"), f".{n_done}")
        if n_done:  # hides epochs of the files before that were written and not saved
            self._write(n_done + 1, session_log=SessionLog(status=SessionLog.START))

    def add(self, row: Row) -> None:
        """Write an epoch's row to the disk."""
        for name, value in row.items():
            if name != "epoch":
                self._write(int(row["epoch"]), summary=scalar(name, value))
        self.writer.flush()

    def close(self) -> None:
        """End the file."""
        self.writer.close()

    def _write(self, step: int, **content: Any) -> None:
        self.writer.write_event(Event(wall_time=time.time(), step=step, **content))


class _BatchLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Write what is logged after every batch to a table, an epoch at a time: epoch and batch (from 0), then losses.

    An epoch is there before it is saved, so that none is missing when the training is stopped or killed then.
    """

    def __init__(self, state: State, path: Path) -> None:
        super().__init__()
        self.state, self.path = state, path
        self.rows: list[dict[str, float]] = []

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        del logs
        if self.path.exists():  # of an interrupted training, whose last epochs may be repeated
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines[1:] if int(line.partition("\t")[0]) < len(self.state.history)]
            write_whole(self.path, "".join([lines[0], *kept]) if kept else "")

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        self.epoch, self.rows = epoch, []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.rows.append({"epoch": self.epoch, "batch": batch, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        del epoch, logs
        lines = ["\t".join(str(value) for value in row.values()) for row in self.rows]
        is_new = not self.path.exists() or not self.path.stat().st_size
        header = ["\t".join(self.rows[0])] if is_new and self.rows else []
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in (*header, *lines)))
