"""Decide, from the validation losses so far, the next learning rate and when to stop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from kerasac.config import TrainingSpec


class Standing(NamedTuple):
    """Where a training stands after some epochs.

    ``best_epoch`` counts from 1 and is 0 before the first; ``learning_rate`` is that of the next epoch.
    """

    best_epoch: int
    best_loss: float
    learning_rate: float
    stop: bool


def standing(spec: TrainingSpec, validation_losses: Sequence[float]) -> Standing:
    """Work out the standing from the losses alone.

    A pure function of the history, so that a resumed training decides exactly as an undisturbed one.
    """
    best_epoch, best_loss = 0, math.inf
    rate, since_change = spec.learning_rate, 0
    for epoch, loss in enumerate(validation_losses, start=1):
        if loss < best_loss:
            best_epoch, best_loss, since_change = epoch, loss, 0
        else:
            since_change += 1
            if since_change >= spec.lr_patience:
                rate, since_change = max(rate * spec.lr_factor, spec.min_learning_rate), 0
    done = len(validation_losses)
    if spec.schedule == "cosine":
        rate = _cosine(spec, done)
    stop = done >= spec.epochs or done - best_epoch >= spec.patience
    return Standing(best_epoch, best_loss, rate, stop)


def _cosine(spec: TrainingSpec, epoch: int) -> float:
    """Return the learning rate of epoch 0, 1, …: half a cosine from learning_rate down to min_learning_rate."""
    share = min(epoch, spec.epochs) / spec.epochs
    height = 0.5 * (1 + math.cos(math.pi * share))
    return spec.min_learning_rate + height * (spec.learning_rate - spec.min_learning_rate)
