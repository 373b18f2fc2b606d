"""Make a layer of what Keras 2 wrote about it, from a list of layers that are known; nothing else is made."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from kerasac.errors import ModelError

# hard_sigmoid is left out: its slope is 1/5 in Keras 2 and 1/6 in Keras 3.
_ACTIVATIONS = (
    "elu", "exponential", "gelu", "leaky_relu", "linear", "relu", "selu", "sigmoid", "softmax", "softplus", "softsign",
    "swish", "tanh",
)  # fmt: skip
_CONVOLUTION = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation", "use_bias")
_POOLING = ("pool_size", "strides", "padding")

# What decides the function of each layer; initialisers, regularisers and constraints only decide a training.
_KNOWN: Mapping[str, tuple[type, tuple[str, ...]]] = {
    "Conv1D": (layers.Conv1D, _CONVOLUTION),
    "Conv2D": (layers.Conv2D, _CONVOLUTION),
    "Dense": (layers.Dense, ("units", "activation", "use_bias")),
    "BatchNormalization": (layers.BatchNormalization, ("axis", "momentum", "epsilon", "center", "scale")),
    "Activation": (layers.Activation, ("activation",)),
    "ReLU": (layers.ReLU, ("max_value", "negative_slope", "threshold")),
    "LeakyReLU": (layers.LeakyReLU, ("negative_slope",)),
    "ELU": (layers.ELU, ("alpha",)),
    "PReLU": (layers.PReLU, ("shared_axes",)),
    "Softmax": (layers.Softmax, ("axis",)),
    "Add": (layers.Add, ()),
    "Average": (layers.Average, ()),
    "Multiply": (layers.Multiply, ()),
    "Subtract": (layers.Subtract, ()),
    "Maximum": (layers.Maximum, ()),
    "Concatenate": (layers.Concatenate, ("axis",)),
    "Cropping1D": (layers.Cropping1D, ("cropping",)),
    "Cropping2D": (layers.Cropping2D, ("cropping",)),
    "ZeroPadding1D": (layers.ZeroPadding1D, ("padding",)),
    "ZeroPadding2D": (layers.ZeroPadding2D, ("padding",)),
    "Flatten": (layers.Flatten, ()),
    "Reshape": (layers.Reshape, ("target_shape",)),
    "Permute": (layers.Permute, ("dims",)),
    "Dropout": (layers.Dropout, ("rate",)),
    "SpatialDropout1D": (layers.SpatialDropout1D, ("rate",)),
    "MaxPooling1D": (layers.MaxPooling1D, _POOLING),
    "MaxPooling2D": (layers.MaxPooling2D, _POOLING),
    "AveragePooling1D": (layers.AveragePooling1D, _POOLING),
    "AveragePooling2D": (layers.AveragePooling2D, _POOLING),
    "GlobalAveragePooling1D": (layers.GlobalAveragePooling1D, ("keepdims",)),
    "GlobalAveragePooling2D": (layers.GlobalAveragePooling2D, ("keepdims",)),
    "GlobalMaxPooling1D": (layers.GlobalMaxPooling1D, ("keepdims",)),
    "GlobalMaxPooling2D": (layers.GlobalMaxPooling2D, ("keepdims",)),
}
_RENAMED = {"alpha": "negative_slope"}  # of LeakyReLU, in Keras 2


def known_layer(class_name: str, config: Mapping[str, Any]) -> keras.layers.Layer:
    """Return the layer of a class and configuration.

    Raises
    ------
    ModelError
        For a class or activation that is not known: it could be code of the file.
    """
    name = config.get("name", class_name)
    if class_name not in _KNOWN:
        raise ModelError(
            f"layer {name} is of class {class_name}, which is not known here, and code of the file is not run; build "
            "the model with kerasAC's own program and save it without this layer"
        )
    if config.get("data_format", "channels_last") != "channels_last":
        raise ModelError(f"layer {name} has data_format {config['data_format']}; channels_last alone is read")
    layer_type, options = _KNOWN[class_name]
    renamed = {_RENAMED.get(key, key) if class_name == "LeakyReLU" else key: value for key, value in config.items()}
    chosen = {option: _plain(renamed[option]) for option in options if option in renamed}
    if "activation" in chosen:
        chosen["activation"] = _activation(chosen["activation"], name)
    if class_name == "BatchNormalization" and isinstance(chosen.get("axis"), tuple):
        (chosen["axis"],) = chosen["axis"]
    return layer_type(**chosen, name=plain_name(name), trainable=bool(config.get("trainable", True)))


def function_options(class_name: str) -> tuple[str, ...] | None:
    """Return the options that decide what a layer of a class does; None for a class that is not known."""
    return _KNOWN[class_name][1] if class_name in _KNOWN else None


def plain_name(name: Any) -> Any:
    """Return a name as Keras 3 takes it, with ``_`` for ``/`` (kerasAC's input ``data/genome_data_dir``)."""
    return name.replace("/", "_") if isinstance(name, str) else name


def logsumexp_of(config: Mapping[str, Any], tensor: Any) -> Any:
    """Return what chrombpnet's Lambda layer gives: log of the sum of exponentials over the last axis, which is kept.

    The layer's bytecode is looked at for that function's name, and never run. Source: chrombpnet,
    ``chrombpnet_with_bias_model``: it adds the counts of model and bias, which come as logarithms side by side.

    Raises
    ------
    ModelError
        For any other Lambda layer.
    """
    if b"reduce_logsumexp" not in _bytecode(config) or len(tensor.shape) != 2:
        raise ModelError(
            f"layer {config.get('name')} is a Lambda: code of the file, which is not run. Only chrombpnet's sum of log "
            "counts is known"
        )
    total = ops.logsumexp(tensor, axis=-1, keepdims=True)
    # Operations have no names of their own; the layer's is kept for who looks it up.
    return layers.Activation("linear", name=plain_name(config.get("name")))(total)


def _bytecode(config: Mapping[str, Any]) -> bytes:
    function = config.get("function")
    code = function.get("config", {}).get("code") if isinstance(function, dict) else function
    text = code[0] if isinstance(code, list | tuple) and code else code
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text.encode()


def _activation(value: Any, layer: str) -> str:
    name = value.get("config", value.get("class_name")) if isinstance(value, dict) else value
    if name is None:
        return "linear"
    if name not in _ACTIVATIONS:
        raise ModelError(
            f"layer {layer} has activation {name!r}, which is not known here: {', '.join(_ACTIVATIONS)} are"
        )
    return str(name)


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list) else value
