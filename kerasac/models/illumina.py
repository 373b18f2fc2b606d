"""Build the profile model of residual blocks."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from kerasac.models.contract import Contract
from kerasac.models.illumina_parameters import IlluminaParameters
from kerasac.models.layers import crop_to, inputs_of, normed_relu, one_hot_of
from kerasac.models.profile_heads import profile_model


def build_illumina(contract: Contract, parameters: IlluminaParameters) -> keras.Model:
    """Build the blocks, and BPNet's heads on them."""
    inputs = inputs_of(contract)
    features = layers.Conv1D(parameters.filters, 1, name="bases")(one_hot_of(contract, inputs))
    for i, (kernel, dilation) in enumerate(zip(parameters.kernels, parameters.dilations, strict=True), start=1):
        features = _block(features, f"block_{i}", kernel, dilation, parameters)
    features = normed_relu(features, "last", momentum=_momentum(parameters))
    return profile_model(features, inputs, contract, parameters, name="illumina")


def _block(entered: Any, name: str, kernel: int, dilation: int, parameters: IlluminaParameters) -> Any:
    tensor = entered
    for part in ("a", "b"):
        tensor = normed_relu(tensor, f"{name}{part}", momentum=_momentum(parameters))
        tensor = layers.Conv1D(parameters.filters, kernel, dilation_rate=dilation, name=f"{name}{part}")(tensor)
    return layers.Add(name=f"{name}_sum")([tensor, crop_to(entered, tensor.shape[1], name=f"{name}_crop")])


def _momentum(parameters: IlluminaParameters) -> float | None:
    return parameters.norm_momentum if parameters.batch_norm else None
