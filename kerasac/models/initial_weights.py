"""Start a model's convolutions and dense layers from the weights of a file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasac.errors import ModelError
from kerasac.models.weight_files import LayerWeights, read_weight_file

logger = logging.getLogger(__name__)

_KINDS: dict[str, tuple[type, ...]] = {
    "conv": (layers.Conv1D, layers.Conv2D),
    "norm": (layers.BatchNormalization,),
    "dense": (layers.Dense,),
}
_SAID = {"conv": "convolutions", "norm": "normalisations", "dense": "dense layers"}


def set_initial_weights(model: keras.Model, path: str) -> None:
    """Set weights in order: the first convolution from the file's first, and so on, also norms and dense layers.

    The model's last dense layer, its head, stays as it is: its tasks are others. A file may have a head or none. What
    the file does not hold of a layer (biases of the published Basset, say) stays as it is too.

    Raises
    ------
    ModelError
        When the file has fewer layers of a kind, or a weight of another shape; nothing has been set then.
    """
    found = read_weight_file(path)
    plan: list[tuple[Any, Any]] = []
    for kind, classes in _KINDS.items():
        ours = [layer for layer in model.layers if isinstance(layer, classes)]
        if kind == "dense":
            ours = ours[:-1]
        theirs = [layer for layer in found if layer.kind == kind]
        _check_numbers(kind, len(ours), len(theirs), path)
        for layer, weights in zip(ours, theirs, strict=False):
            plan += _assignments(layer, weights, path)
    for variable, array in plan:
        variable.assign(array)
    logger.info("%d weights of %s start from %s", len(plan), model.name, path)


def _check_numbers(kind: str, ours: int, theirs: int, path: str) -> None:
    allowed = (ours, ours + 1) if kind == "dense" else (ours,)
    if theirs not in allowed:
        head = " beside the head" if kind == "dense" else ""
        raise ModelError(
            f"model.initial_weights: {path} has {theirs} {_SAID[kind]}, the model {ours}{head}; set filters, dense and "
            "batch_norm as they were there"
        )


def _assignments(layer: Any, weights: LayerWeights, path: str) -> Sequence[tuple[Any, Any]]:
    variables = {variable.name: variable for variable in layer.weights}
    made = []
    for name, array in weights.arrays.items():
        if name not in variables:
            raise ModelError(
                f"model.initial_weights: layer {weights.name} of {path} has a {name}, the model's {layer.name} none"
            )
        shape = tuple(variables[name].shape)
        if _squeezed(array.shape) != _squeezed(shape):
            raise ModelError(
                f"model.initial_weights: {name} of layer {weights.name} in {path} has shape {array.shape}, that of the "
                f"model's {layer.name} {shape}; set filters, kernels, pools, dense and padding, and the input's flank, "
                "as they were there"
            )
        made.append((variables[name], np.reshape(array, shape)))
    return made


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Leave out the first axis of a 2-D kernel of height 1, which a 1-D one lacks."""
    return tuple(shape[1:]) if len(shape) == 4 and shape[0] == 1 else tuple(shape)
