"""Build residual networks of bins."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import layers

from kerasac.models.binned_layers import activated, binned_model
from kerasac.models.contract import Contract
from kerasac.models.resnet_parameters import ResNetParameters, Stage


def build_resnet(contract: Contract, parameters: ResNetParameters) -> keras.Model:
    """Build a residual network: sequence tokens, and values of the window if there are any, to one value a task."""
    return binned_model(contract, parameters, partial(_trunk, parameters), name="resnet")


def _trunk(parameters: ResNetParameters, tensor: Any) -> Any:
    before = parameters.preactivation
    for i, stage in enumerate(parameters.stages(), start=1):
        if stage.kernel:
            tensor = layers.Conv1D(stage.filters, stage.kernel, name=f"conv_{i}")(tensor)
            if not before:
                tensor = activated(tensor, f"conv_{i}", parameters)
        for j in range(1, stage.blocks + 1):
            block = _preactivated if before else _activated_after
            tensor = block(tensor, f"stage_{i}_block_{j}", stage, parameters)
        if before:
            tensor = activated(tensor, f"stage_{i}", parameters)
        if stage.pool > 1:
            tensor = layers.MaxPooling1D(stage.pool, name=f"stage_{i}_pool")(tensor)
    return layers.Flatten(name="flatten")(tensor)


def _preactivated(entered: Any, name: str, stage: Stage, parameters: ResNetParameters) -> Any:
    tensor = entered
    for k, kernel in enumerate(stage.inner, start=1):
        tensor = activated(tensor, f"{name}_{k}", parameters)
        tensor = _convolved(tensor, f"{name}_{k}", stage.filters, kernel)
    return layers.Add(name=f"{name}_sum")([entered, tensor])


def _activated_after(entered: Any, name: str, stage: Stage, parameters: ResNetParameters) -> Any:
    tensor = entered
    for k, kernel in enumerate(stage.inner, start=1):
        tensor = _convolved(tensor, f"{name}_{k}", stage.filters, kernel)
        if k < len(stage.inner):
            tensor = activated(tensor, f"{name}_{k}", parameters)
    if parameters.batch_norm:
        tensor = layers.BatchNormalization(momentum=parameters.norm_momentum, name=f"{name}_norm")(tensor)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([entered, tensor]))


def _convolved(tensor: Any, name: str, filters: int, kernel: int) -> Any:
    return layers.Conv1D(filters, kernel, padding="same", name=name)(tensor)
