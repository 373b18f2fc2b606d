"""Compute in less than float32 while training, with float32 outputs, and give the trained model back in float32."""

from __future__ import annotations

import keras

from kerasac.errors import ModelError
from kerasac.models.backend import gpu_count

FLOAT32 = "float32"


def use_precision(precision: str) -> None:
    """Set what layers that are built from now on compute in; weights are float32 always.

    Raises
    ------
    ModelError
        For float16 without a GPU: CPUs convert every value to float32 and back, many times slower than float32.
    """
    if precision == "mixed_float16" and not gpu_count():
        raise ModelError(
            "training.precision is mixed_float16, which CPUs have no arithmetic for; take mixed_bfloat16 or float32, "
            "or train on a GPU"
        )
    keras.config.set_dtype_policy(precision)


def keep_outputs_float32(model: keras.Model) -> None:
    """Let the layers that give the outputs compute in float32: bfloat16 has three digits, float16 ends at 65504.

    These are the last ones with weights on the way to each output, and all that comes after them.
    """
    for output in keras.tree.flatten(model.output):
        _set_back_to_weights(output)


def back_to_float32(model: keras.Model) -> None:
    """Let all layers compute in float32, so that a saved model predicts alike on any machine."""
    for layer in model._flatten_layers():
        layer.dtype_policy = FLOAT32
    keras.config.set_dtype_policy(FLOAT32)


def _set_back_to_weights(tensor: keras.KerasTensor) -> None:
    operation = tensor._keras_history.operation
    if isinstance(operation, keras.layers.Layer):
        operation.dtype_policy = FLOAT32
        if operation.weights or isinstance(operation, keras.layers.InputLayer):
            return
    node = operation._inbound_nodes[tensor._keras_history.node_index]
    for argument in node.input_tensors:
        _set_back_to_weights(argument)
