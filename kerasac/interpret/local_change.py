"""Run changed copies of a window through a model, computing again only what their changes can reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import layers

_ONE_BY_ONE = (
    layers.Activation,
    layers.BatchNormalization,
    layers.ELU,
    layers.LeakyReLU,
    layers.ReLU,
    layers.Rescaling,
)


class Local:
    """Values of a window (1, L, C), and of n copies of it, which differ from it near a position each, (n,) int32.

    A copy differs at most at positions ``position + low`` to ``position + high``; ``patch`` (n, w, C) has its values
    there: from ``start`` (n,) on, which keeps the patch within the L positions.
    """

    def __init__(self, window: Any, position: Any, low: int, high: int, patch: Callable[[Any, int], Any]) -> None:
        self.window, self.position, self.low, self.high = window, position, low, high
        self.start, self.width = _span(position, low, high, window.shape[1])
        self.patch = patch(self.start, self.width)

    @property
    def shape(self) -> Any:
        """Shape of the window's values."""
        return self.window.shape

    def part(self, start: Any, width: int) -> Any:
        """Return the copies' values from a start each (n,) on, (n, width, C)."""
        places = start[:, None] + tf.range(width)
        inside = places - self.start[:, None]
        of_window = tf.gather(self.window[0], places)
        of_patch = tf.gather(self.patch, tf.clip_by_value(inside, 0, self.width - 1), batch_dims=1)
        changed = (inside >= 0) & (inside < self.width)
        return tf.where(changed[..., None], of_patch, of_window)

    def whole(self) -> Any:
        """Return all values of the copies, (n, L, C)."""
        return self.part(tf.zeros_like(self.start), self.window.shape[1])


def changed(rows: Any, position: Any, bases: Any) -> Local:
    """Return copies of a window's rows (1, L, 4), whose rows from a position each (n,) on are bases (n, w, 4)."""
    width = bases.shape[1]
    return Local(rows, position, 0, width - 1, lambda start, _: tf.ensure_shape(bases, (None, width, 4)))


def locally(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply an operation to local changes: to what it changes where there is a rule, else to whole copies."""
    (first, *rest) = args
    if not rest and not kwargs:
        if isinstance(first, Local) and (found := _of_one(operation, first)) is not None:
            return found
        if isinstance(operation, layers.Add) and all(isinstance(value, Local) for value in first):
            return _sum(operation, first)
    whole_args, whole_kwargs = keras.tree.map_structure(
        lambda value: value.whole() if isinstance(value, Local) else value, (args, kwargs)
    )
    return operation(*whole_args, **whole_kwargs)


def _of_one(operation: Any, values: Local) -> Local | Any | None:
    if isinstance(operation, _ONE_BY_ONE):
        if isinstance(operation, layers.Activation) and operation.activation is keras.activations.softmax:
            return None
        return _moved(values, operation(values.window), 0, 0, lambda start, width: operation(values.part(start, width)))
    if isinstance(operation, layers.Conv1D) and operation.padding == "valid" and operation.strides == (1,):
        reach = operation.dilation_rate[0] * (operation.kernel_size[0] - 1)
        window = operation(values.window)
        return _moved(values, window, -reach, 0, lambda start, width: operation(values.part(start, width + reach)))
    if isinstance(operation, layers.Cropping1D):
        before = operation.cropping[0]
        window = operation(values.window)
        return _moved(values, window, -before, -before, lambda start, width: values.part(start + before, width))
    if isinstance(operation, layers.GlobalAveragePooling1D) and not operation.keepdims:
        places = values.start[:, None] + tf.range(values.width)
        change = tf.reduce_sum(values.patch - tf.gather(values.window[0], places), axis=1)
        return operation(values.window) + change / values.window.shape[1]
    return None


def _moved(values: Local, window: Any, low: int, high: int, patch: Callable[[Any, int], Any]) -> Local:
    return Local(window, values.position, values.low + low, values.high + high, patch)


def _sum(operation: Any, several: list[Local]) -> Local:
    window = operation([values.window for values in several])
    low, high = min(values.low for values in several), max(values.high for values in several)

    def patch(start: Any, width: int) -> Any:
        return operation([values.part(start, width) for values in several])

    return Local(window, several[0].position, low, high, patch)


def _span(position: Any, low: int, high: int, length: int) -> tuple[Any, int]:
    """Return where a patch starts and how long it is, so that it covers all that differs within the length."""
    width = min(high - low + 1, length)
    return tf.clip_by_value(position + low, 0, length - width), width
