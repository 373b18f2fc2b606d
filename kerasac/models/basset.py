"""Build Basset."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from kerasac.models.basset_parameters import BassetParameters
from kerasac.models.contract import Contract, Port
from kerasac.models.layers import OneHotDNA


def build_basset(contract: Contract, parameters: BassetParameters) -> keras.Model:
    """Build Basset: sequence tokens, and values of the window if there are any, to one value a task.

    Values (the GC content, say) join the features of the last dense layer, so that each task depends on them by one
    weight a value, as in kerasAC's ``*_gc_corrected``: what they explain, the sequence need not.

    A classification ends in a sigmoid layer of its own: the model gives probabilities, as kerasAC's do, and the layer
    before it, ``<name>_logits``, what calibration and attribution start from. The losses of
    :mod:`kerasac.models.masked_losses` reach through the sigmoid to the logits, so none saturates.

    Returns
    -------
    keras.Model, inputs and output as dictionaries by port name; the output is (n, n_tracks) float32: probabilities, or
    values of any sign for a regression.
    """
    sequence, values = contract.input_of("sequence"), contract.input_of("values")
    assert sequence is not None, "BassetParameters.check passed without a sequence"
    (labels,) = contract.outputs
    inputs = {port.name: _input(port) for port in contract.inputs}
    features = OneHotDNA(name="one_hot")(inputs[sequence.name])
    features = layers.Flatten(name="flatten")(_blocks(features, sequence.width_bp, parameters))
    for i, size in enumerate(parameters.dense, start=1):
        features = _activated(layers.Dense(size, name=f"dense_{i}")(features), f"dense_{i}", parameters)
        features = layers.Dropout(parameters.dropout, name=f"dense_{i}_dropout")(features)
    if values is not None:
        features = layers.Concatenate(name="with_values")([features, inputs[values.name]])
    return keras.Model(inputs, {labels.name: _head(features, labels)}, name="basset")


def _input(port: Port) -> Any:
    if port.role == "sequence":
        return keras.Input((port.width_bp,), dtype="uint8", name=port.name)
    return keras.Input((port.n_tracks,), name=port.name)


def _blocks(tensor: Any, width_bp: int, parameters: BassetParameters) -> Any:
    """Apply the blocks to one-hot rows (n, L, 4); returns (n, positions, filters), with an axis of 1 before in 2-D."""
    flat = parameters.layout == "1d"
    if not flat:
        tensor = layers.Reshape((1, width_bp, 4), name="one_hot_2d")(tensor)
    convolution, pooling = (layers.Conv1D, layers.MaxPooling1D) if flat else (layers.Conv2D, layers.MaxPooling2D)
    for i, (filters, kernel, pool) in enumerate(
        zip(parameters.filters, parameters.kernels, parameters.pools, strict=True), start=1
    ):
        size = kernel if flat else (1, kernel)
        convolved = convolution(filters, size, padding=parameters.padding, name=f"conv_{i}")(tensor)
        tensor = _activated(convolved, f"conv_{i}", parameters)
        if pool > 1:
            tensor = pooling(pool if flat else (1, pool), name=f"conv_{i}_pool")(tensor)
    return tensor


def _activated(tensor: Any, name: str, parameters: BassetParameters) -> Any:
    if parameters.batch_norm:
        tensor = layers.BatchNormalization(momentum=parameters.norm_momentum, name=f"{name}_norm")(tensor)
    return layers.ReLU(name=f"{name}_relu")(tensor)


def _head(features: Any, labels: Port) -> Any:
    """Return one value a task, in float32 also where the rest is computed in a narrower type."""
    if labels.role == "regression":
        return layers.Dense(labels.n_tracks, dtype="float32", name=labels.name)(features)
    logits = layers.Dense(labels.n_tracks, dtype="float32", name=f"{labels.name}_logits")(features)
    return layers.Activation("sigmoid", dtype="float32", name=labels.name)(logits)
