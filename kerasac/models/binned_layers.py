"""Build what models of labels of bins share: the layers around their trunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from kerasac.models.binned_parameters import BinnedParameters
from kerasac.models.contract import Contract, Port
from kerasac.models.layers import inputs_of, normed_relu, one_hot_of


def binned_model(
    contract: Contract, parameters: BinnedParameters, trunk: Callable[[Any], Any], *, name: str
) -> keras.Model:
    """Build a model of sequence tokens, and values of the window if there are any, to one value a task.

    ``trunk`` makes features (n, size) of one-hot rows (n, L, 4). Values (the GC content, say) join the features of the
    last dense layer, so that each task depends on them by one weight a value, as in kerasAC's ``*_gc_corrected``: what
    they explain, the sequence need not.

    A classification ends in a sigmoid layer of its own: the model gives probabilities, as kerasAC's do, and the layer
    before it, ``<name>_logits``, what calibration and attribution start from. The losses of
    :mod:`kerasac.models.masked_losses` reach through the sigmoid to the logits, so none saturates.

    Returns
    -------
    keras.Model, inputs and output as dictionaries by port name; the output is (n, n_tracks) float32: probabilities, or
    values of any sign for a regression.
    """
    inputs, values = inputs_of(contract), contract.input_of("values")
    features = trunk(one_hot_of(contract, inputs))
    for i, size in enumerate(parameters.dense, start=1):
        features = activated(layers.Dense(size, name=f"dense_{i}")(features), f"dense_{i}", parameters)
        features = layers.Dropout(parameters.dropout, name=f"dense_{i}_dropout")(features)
    if values is not None:
        features = layers.Concatenate(dtype="float32", name="with_values")([features, inputs[values.name]])
    (labels,) = contract.outputs
    return keras.Model(inputs, {labels.name: _head(features, labels)}, name=name)


def activated(tensor: Any, name: str, parameters: BinnedParameters) -> Any:
    """Normalise as the parameters say, and cut at 0."""
    return normed_relu(tensor, name, momentum=parameters.norm_momentum if parameters.batch_norm else None)


def _head(features: Any, labels: Port) -> Any:
    """Return one value a task, in float32 also where the rest is computed in a narrower type."""
    if labels.role == "regression":
        return layers.Dense(labels.n_tracks, dtype="float32", name=labels.name)(features)
    logits = layers.Dense(labels.n_tracks, dtype="float32", name=f"{labels.name}_logits")(features)
    return layers.Activation("sigmoid", dtype="float32", name=labels.name)(logits)
