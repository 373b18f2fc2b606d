"""Apply DeepLIFT's rescale rule while a model runs: window and references go through it side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from kerasac.errors import ModelError
from kerasac.interpret.one_hot_model import linear_part

_LEAST = 1e-6  # a difference below this is none, as in shap
_LEAST_POOLED = 1e-7
_WAY_OUT = (
    "has no rule in the fast engine; --engine shap knows more, and `interpret gradient` and `interpret ism` explain "
    "any model"
)

_LINEAR_LAYERS = (
    layers.Add,
    layers.Average,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.BatchNormalization,
    layers.Concatenate,
    layers.Conv1D,
    layers.Conv2D,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Dense,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.Flatten,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.Permute,
    layers.Rescaling,
    layers.Reshape,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
    layers.Subtract,
    layers.UpSampling1D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
)
_LINEAR_OPERATIONS = {
    "Add",
    "Concatenate",
    "ExpandDims",
    "GetItem",
    "Mean",
    "Negative",
    "Reshape",
    "Squeeze",
    "Stack",
    "Subtract",
    "Sum",
    "Transpose",
}
_CURVE_LAYERS = (layers.ReLU, layers.LeakyReLU, layers.ELU)
_CURVE_OPERATIONS = {
    "Elu",
    "Exp",
    "Gelu",
    "LeakyRelu",
    "Log",
    "Log1p",
    "Relu",
    "Selu",
    "Sigmoid",
    "Silu",
    "Softplus",
    "Tanh",
}
_CURVES = {
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanh",
}


class Pair:
    """Values of windows, (w, …), and of their references, (w × r, …): the r of a window follow each other.

    Gradients flow through the references alone; there each operation's is its DeepLIFT multiplier.
    """

    def __init__(self, window: Any, reference: Any) -> None:
        self.window, self.reference = window, reference

    @property
    def shape(self) -> Any:
        """Shape of the references' values."""
        return self.reference.shape


def rescaled(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply an operation to pairs.

    Raises
    ------
    ModelError
        When there is no rule for it, naming it.
    """
    if not any(isinstance(value, Pair) for value in keras.tree.flatten((args, kwargs))):
        return operation(*args, **kwargs)
    activation = getattr(operation, "activation", None)
    if isinstance(operation, layers.Activation):
        return _curved(operation, activation, *args)
    if isinstance(operation, _LINEAR_LAYERS) and activation not in (None, keras.activations.linear):
        return _curved(operation, activation, linear_part(operation, rescaled, *args, **kwargs))
    if isinstance(operation, _LINEAR_LAYERS) or type(operation).__name__ in _LINEAR_OPERATIONS:
        return _each(operation, args, kwargs)
    if isinstance(operation, _CURVE_LAYERS) or type(operation).__name__ in _CURVE_OPERATIONS:
        return _curve(operation, *args)
    if isinstance(operation, layers.MaxPooling1D | layers.MaxPooling2D):
        return _max_pooled(operation, *args)
    raise ModelError(f"layer {operation.name!r} is of type {type(operation).__name__}, which {_WAY_OUT}")


def _each(operation: Any, args: Any, kwargs: Any) -> Pair:
    def of(side: str) -> Any:
        chosen_args, chosen_kwargs = keras.tree.map_structure(
            lambda value: getattr(value, side) if isinstance(value, Pair) else value, (args, kwargs)
        )
        return operation(*chosen_args, **chosen_kwargs)

    return Pair(of("window"), of("reference"))


def _curved(layer: Any, activation: Any, values: Pair) -> Pair:
    if activation is keras.activations.linear:
        return values
    name = getattr(activation, "__name__", type(activation).__name__)
    if name not in _CURVES:
        raise ModelError(f"layer {layer.name!r} has the activation {name}, which {_WAY_OUT}")
    return _curve(activation, values)


def _curve(function: Callable[[Any], Any], values: Pair) -> Pair:
    """Apply a function of single values: its multiplier is the slope between window and reference.

    Shrikumar et al. 2017, the rescale rule. Where both are the same it is the derivative at the reference.
    """
    window = function(values.window)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def curve(inside: Any) -> Any:
        outside = function(inside)

        def multiplied(upstream: Any) -> Any:
            step = by_window(values.window, inside) - inside
            rise = by_window(window, outside) - outside
            level = tf.abs(step) < _LEAST
            slope = rise / tf.where(level, tf.ones_like(step), step)
            return upstream * tf.where(level, _derivative(function, inside), slope)

        return outside, multiplied

    return Pair(window, curve(values.reference))


def _max_pooled(pooling: Any, values: Pair) -> Pair:
    """Pool by the maximum, by the rule of shap's DeepExplainer.

    With m the greater of both maxima, the rise from the reference's maximum to m is ascribed to the position of the
    window's maximum, the fall from m to the window's to that of the reference's; each over the difference there.
    """
    window = pooling(values.window)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def pooled(inside: Any) -> Any:
        outside = pooling(inside)

        def multiplied(upstream: Any) -> Any:
            theirs, top = by_window(values.window, inside), by_window(window, outside)
            greater = tf.maximum(top, outside)
            ascribed = _to_maximum(pooling, theirs, upstream * (greater - outside))
            ascribed += _to_maximum(pooling, inside, upstream * (top - greater))
            step = theirs - inside
            level = tf.abs(step) < _LEAST_POOLED
            return tf.where(level, tf.zeros_like(step), ascribed / tf.where(level, tf.ones_like(step), step))

        return outside, multiplied

    return Pair(window, pooled(values.reference))


def by_window(window: Any, reference: Any) -> Any:
    """Repeat values of windows (w, …) for each of their references, (w × r, …)."""
    n_windows, n_references = window.shape[0], reference.shape[0] // window.shape[0]
    shape = (n_windows, n_references, *window.shape[1:])
    return tf.reshape(tf.broadcast_to(window[:, None], shape), (n_windows * n_references, *window.shape[1:]))


def _derivative(function: Callable[[Any], Any], inside: Any) -> Any:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inside)
        outside = function(inside)
    return tape.gradient(outside, inside)


def _to_maximum(pooling: Any, inside: Any, upstream: Any) -> Any:
    """Put values of pools at the position of each pool's maximum."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inside)
        outside = pooling(inside)
    return tape.gradient(outside, inside, output_gradients=upstream)


def paired(values: Any, n_references: int) -> Pair:
    """Return values of windows (w, …) that are the same for all of their references."""
    return Pair(values, tf.repeat(values, n_references, axis=0))
