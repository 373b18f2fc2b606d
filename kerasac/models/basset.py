"""Build Basset."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import layers

from kerasac.models.basset_parameters import BassetParameters
from kerasac.models.binned_layers import activated, binned_model
from kerasac.models.contract import Contract
from kerasac.models.initial_weights import set_initial_weights


def build_basset(contract: Contract, parameters: BassetParameters) -> keras.Model:
    """Build Basset: sequence tokens, and values of the window if there are any, to one value a task."""
    model = binned_model(contract, parameters, partial(_trunk, parameters), name="basset")
    if parameters.initial_weights:
        set_initial_weights(model, parameters.initial_weights)
    return model


def _trunk(parameters: BassetParameters, tensor: Any) -> Any:
    """Apply the blocks to one-hot rows (n, L, 4), which get an axis of 1 before L in 2-D."""
    flat = parameters.layout == "1d"
    if not flat:
        tensor = layers.Reshape((1, *tensor.shape[1:]), name="one_hot_2d")(tensor)
    convolution, pooling = (layers.Conv1D, layers.MaxPooling1D) if flat else (layers.Conv2D, layers.MaxPooling2D)
    sizes = zip(parameters.filters, parameters.kernels, parameters.pools, strict=True)
    for i, (filters, kernel, pool) in enumerate(sizes, start=1):
        size = kernel if flat else (1, kernel)
        bound = _norm_bound(parameters) if i == 1 else None
        convolved = convolution(filters, size, padding=parameters.padding, kernel_constraint=bound, name=f"conv_{i}")
        tensor = activated(convolved(tensor), f"conv_{i}", parameters)
        if pool > 1:
            tensor = pooling(pool if flat else (1, pool), name=f"conv_{i}_pool")(tensor)
        if parameters.block_dropout:
            tensor = layers.Dropout(parameters.block_dropout[i - 1], name=f"conv_{i}_dropout")(tensor)
    return layers.Flatten(name="flatten")(tensor)


def _norm_bound(parameters: BassetParameters) -> keras.constraints.Constraint | None:
    """Bound the norm of each filter: of all axes of a kernel but the last."""
    if not parameters.max_norm:
        return None
    return keras.constraints.MaxNorm(parameters.max_norm, axis=[0, 1] if parameters.layout == "1d" else [0, 1, 2])
