"""A model in training: one step on raw windows, alone or with other trainers, that notes where its loss went wrong."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kerasac.models.feed import FedModel, fed
from kerasac.models.masked_losses import n_labelled
from kerasac.sampling.batches import Recipe
from kerasac.steps.trainers import Group


class Watch:
    """Notes, on the device, the first step of an epoch whose loss is not finite: reading it is left to the host."""

    def __init__(self) -> None:
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._bad = tf.Variable(-1, dtype=tf.int64, trainable=False)

    def begin_epoch(self) -> None:
        """Forget the last epoch."""
        self._steps.assign(0)
        self._bad.assign(-1)

    def note(self, loss: Any) -> None:
        """Note the loss of the next step, in its graph."""
        is_first = tf.logical_and(self._bad < 0, tf.logical_not(tf.math.is_finite(loss)))
        self._bad.assign(tf.where(is_first, self._steps, self._bad))
        self._steps.assign_add(1)

    def bad_step(self) -> int | None:
        """Return the first step (from 0) whose loss was not finite; on a GPU this waits for the last step."""
        step = int(self._bad)
        return step if step >= 0 else None


class Trainee(FedModel):
    """A :class:`FedModel` to be trained by :func:`kerasac.steps.train.train`.

    With a ``group`` every process takes its step on its part of the batch. Gradients and the loss are averaged with the
    numbers of windows as weights, or of labels where some may be ambiguous, so they are those of the whole batch; batch
    normalisation sees its own part alone.
    """

    def __init__(self, model: keras.Model, recipe: Recipe, group: Group | None = None) -> None:
        super().__init__(model, recipe)
        self.watch, self.group = Watch(), group

    @property
    def masked_outputs(self) -> tuple[str, ...]:
        """Names of the outputs whose labels may be ambiguous: those of bins, which are all outputs or none."""
        return tuple(spec.name for spec in self._recipe.outputs if spec.is_binned)

    def train_step(self, data: dict[str, Any]) -> Any:
        """Train on one batch of raw windows."""
        inputs, targets = fed(self._recipe, data)
        shares = self._shares(targets)
        with tf.GradientTape() as tape:
            predicted = self(inputs, training=True)
            loss = self.compute_loss(inputs, targets, predicted, shares, training=True)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled, variables)
        n_windows = tf.shape(next(iter(data.values())))[0]
        if self.group is not None:
            loss, gradients = _averaged(self.group, loss, gradients, n_windows if shares is None else 1)
        self.watch.note(loss)
        self._loss_tracker.update_state(loss, sample_weight=n_windows)
        self.optimizer.apply(gradients, variables)
        return self.compute_metrics(inputs, targets, predicted)

    def test_step(self, data: Any) -> Any:
        """Evaluate one batch of raw windows; with a factor for the loss of each output, batches count alike."""
        if isinstance(data, dict):
            return super().test_step(data)
        raw, shares = data
        inputs, targets = fed(self._recipe, raw)
        predicted = self(inputs, training=False)
        self._loss_tracker.update_state(self.compute_loss(inputs, targets, predicted, shares, training=False))
        return self.compute_metrics(inputs, targets, predicted)

    def _shares(self, targets: dict[str, Any]) -> dict[str, Any] | None:
        """Return how many labels of each output this trainer has, over the mean of all trainers.

        Its mean losses times these, averaged over trainers, are the mean losses of the whole batch. None: windows have
        the same number of values, or there is no other trainer.
        """
        names = self.masked_outputs
        if self.group is None or not names:
            return None
        found = tf.stack([n_labelled(targets[name]) for name in names])
        total = tf.numpy_function(self.group.sum, [found], tf.float32)
        total.set_shape(found.shape)
        shares = self.group.size * found / tf.maximum(total, 1)  # a batch without labels has a loss of 0
        return dict(zip(names, tf.unstack(shares), strict=True))


def _averaged(group: Group, loss: Any, gradients: list[Any], weight: Any) -> tuple[Any, list[Any]]:
    """Return the mean loss and gradients of all trainers, each with its weight."""
    weight = tf.cast(weight, tf.float32)
    parts = [tf.convert_to_tensor(loss), *(tf.convert_to_tensor(one) for one in gradients if one is not None)]
    flat = tf.concat([tf.reshape(tf.cast(part, tf.float32), [-1]) for part in parts], axis=0) * weight
    # A call out of the graph: the same on CPUs and GPUs, and an error that can be caught when a trainer is gone.
    total = tf.numpy_function(group.sum, [tf.concat([flat, [weight]], axis=0)], tf.float32)
    total.set_shape([None])
    sizes = [part.shape.num_elements() for part in parts]
    means = tf.split(total[:-1] / total[-1], sizes)
    shaped = [tf.cast(tf.reshape(one, part.shape), part.dtype) for one, part in zip(means, parts, strict=True)]
    found = iter(shaped[1:])
    return shaped[0], [None if one is None else next(found) for one in gradients]
