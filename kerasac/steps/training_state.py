"""Keep the growing history of a training, on disk or as the first trainer of a group tells it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasac.config import TrainingSpec
from kerasac.models.checkpoint import Checkpoints
from kerasac.steps.history import Row, read_history, write_history
from kerasac.steps.schedule import Standing, standing
from kerasac.steps.trainee import Trainee
from kerasac.steps.trainers import Group

logger = logging.getLogger(__name__)


class TrainResult(NamedTuple):
    """What a training reached: epochs done, the best of them (from 1), and its validation loss."""

    epochs: int
    best_epoch: int
    best_loss: float


class State(ABC):
    """The growing history of one training."""

    leads = True

    def __init__(self, spec: TrainingSpec, until: int | None = None) -> None:
        self.spec = spec
        self.until = spec.epochs if until is None else min(until, spec.epochs)
        self.history: list[Row] = []

    @property
    def standing(self) -> Standing:
        """Where the training stands after the epochs so far; it stops where it was told to pause, too."""
        now = standing(self.spec, [row["val_loss"] for row in self.history])
        return now._replace(stop=now.stop or len(self.history) >= self.until)

    @abstractmethod
    def begin(self, model: Trainee) -> None:
        """Restore what an earlier process left."""

    @abstractmethod
    def add(self, model: Trainee, row: Row) -> Standing:
        """Add an epoch."""

    def end(self, model: Trainee) -> TrainResult:
        """Return what was reached."""
        now = self.standing
        return TrainResult(len(self.history), now.best_epoch, now.best_loss)


class Lead(State):
    """The history of a trainer that is alone or the first of its group, on disk and in memory."""

    def __init__(
        self,
        spec: TrainingSpec,
        folder: Path,
        on_epoch: Callable[[Row], None],
        group: Group | None = None,
        until: int | None = None,
    ) -> None:
        super().__init__(spec, until)
        self.folder, self.on_epoch, self.group = folder, on_epoch, group
        self.checkpoints = Checkpoints(folder / "checkpoints")

    def begin(self, model: Trainee) -> None:
        """Restore the last whole epoch from the folder, and tell the group."""
        self.history = _resumable(read_history(self.folder / "history.csv"), self.checkpoints)
        if self.history:
            self.checkpoints.load(model, len(self.history))
            logger.info("going on after epoch %d", len(self.history))
        if self.group is not None:
            self.group.tell((self.history, [np.asarray(one) for one in _variables(model)]))

    def add(self, model: Trainee, row: Row) -> Standing:
        """Save an epoch: first the checkpoint, then the row that makes it count.

        Old checkpoints go last: killed before the row, a resumed training still needs the best epoch until then.
        """
        self.history.append(row)
        now = self.standing
        self.checkpoints.save(model, len(self.history))
        write_history(self.folder / "history.csv", self.history)
        self.checkpoints.drop(newest=len(self.history), best=now.best_epoch)
        self.on_epoch(row)
        if self.group is not None:
            self.group.tell(row)
        return now

    def end(self, model: Trainee) -> TrainResult:
        """Restore the best epoch's weights."""
        result = super().end(model)
        self.checkpoints.load(model, result.best_epoch)
        return result


class Follower(State):
    """The history of a further trainer of a group, as the first one tells it."""

    leads = False

    def __init__(self, spec: TrainingSpec, group: Group, until: int | None = None) -> None:
        super().__init__(spec, until)
        self.group = group

    def begin(self, model: Trainee) -> None:
        """Take the history and all weights from the first trainer."""
        self.history, values = self.group.hear()
        for variable, value in zip(_variables(model), values, strict=True):
            variable.assign(value)

    def add(self, model: Trainee, row: Row) -> Standing:
        """Take the first trainer's row in place of this one's."""
        self.history.append(self.group.hear())
        return self.standing


def _variables(model: Trainee) -> list[Any]:
    """Return all weights, and the optimizer's own variables."""
    model.optimizer.build(model.trainable_variables)
    return [*model.weights, *model.optimizer.variables]


def _resumable(history: list[Row], checkpoints: Checkpoints) -> list[Row]:
    """Keep the rows up to the last epoch that has both a row and a checkpoint.

    A row is written after its checkpoint, so at most the newest checkpoint has none.
    """
    saved = [epoch for epoch in checkpoints.epochs() if epoch <= len(history)]
    return history[: max(saved, default=0)]
