"""Make the optimizer that a training asks for."""

from __future__ import annotations

from typing import Any

import keras

from kerasac.config import TrainingSpec

_CLASSES = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "adamax": keras.optimizers.Adamax,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
    "lion": keras.optimizers.Lion,
}


def make_optimizer(spec: TrainingSpec) -> keras.optimizers.Optimizer:
    """Return the optimizer; without ``weight_decay`` AdamW decays by Keras's default, 0.004, and others do not."""
    options: dict[str, Any] = {"learning_rate": spec.learning_rate, "global_clipnorm": spec.clip_norm}
    if spec.weight_decay is not None:
        options["weight_decay"] = spec.weight_decay
    if spec.momentum is not None:
        options["momentum"] = spec.momentum
    optimizer = _CLASSES[spec.optimizer](**options)
    # Keras sums gradients over the replicas of a tf.distribute strategy, of which there is one here. TensorFlow
    # registers a gradient function for that sum, which keeps each training's graphs while the process lives.
    optimizer._all_reduce_sum_gradients = list
    return optimizer
