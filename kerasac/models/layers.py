"""Build the pieces that architectures share."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from kerasac.models.contract import Contract

PACKAGE = "kerasac"


@keras.saving.register_keras_serializable(package=PACKAGE)
class OneHotDNA(layers.Layer):  # type: ignore[misc]
    """Turn tokens A0 C1 G2 T3 into one-hot rows; N (4) is a row of zeros.

    Input (n, L) integers, output (n, L, 4) of the layer's float dtype. In the graph rather than before it, so
    that one byte a base travels to the device instead of sixteen.
    """

    def call(self, tokens: Any) -> Any:
        """Encode a batch of tokens."""
        return ops.one_hot(ops.cast(tokens, "int32"), 4, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Add the axis of bases."""
        return (*input_shape, 4)


def inputs_of(contract: Contract) -> dict[str, Any]:
    """Return an input of every port by its name: tokens of the sequence, float32 of all others."""
    return {
        port.name: keras.Input(port.shape, dtype="uint8" if port.role == "sequence" else "float32", name=port.name)
        for port in contract.inputs
    }


def one_hot_of(contract: Contract, inputs: dict[str, Any]) -> Any:
    """Return the sequence's one-hot rows, (n, L, 4)."""
    sequence = contract.input_of("sequence")
    assert sequence is not None, "the parameters' check passed without a sequence"
    return OneHotDNA(name="one_hot")(inputs[sequence.name])


def crop_to(tensor: Any, width: int, *, name: str | None = None) -> Any:
    """Crop the middle ``width`` positions out of (n, L, channels)."""
    spare = tensor.shape[1] - width
    if spare == 0:
        return tensor
    return layers.Cropping1D((spare // 2, spare - spare // 2), name=name)(tensor)


def dilated_residuals(tensor: Any, *, filters: int, n_layers: int, kernel: int) -> Any:
    """Add ``n_layers`` valid dilated convolutions, each summed with its cropped input; dilation 2, 4, 8, …"""
    for i in range(1, n_layers + 1):
        convolved = layers.Conv1D(
            filters, kernel, dilation_rate=2**i, padding="valid", activation="relu", name=f"dilated_{i}"
        )(tensor)
        skipped = crop_to(tensor, convolved.shape[1], name=f"crop_{i}")
        tensor = layers.Add(name=f"residual_{i}")([convolved, skipped])
    return tensor


def normed_relu(tensor: Any, name: str, *, momentum: float | None) -> Any:
    """Normalise over the batch, unless there is no momentum of the running means, and cut at 0."""
    if momentum is not None:
        tensor = layers.BatchNormalization(momentum=momentum, name=f"{name}_norm")(tensor)
    return layers.ReLU(name=f"{name}_relu")(tensor)
