"""Join trained models into one whose predictions are their average."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import keras
from keras import layers, ops

from kerasac.errors import ModelError

_LEAST, _GREATEST = 1.2e-38, 1 - 2.0**-24  # probabilities that float32 rounded to 0 or 1 have no logit


def ensemble(models: Sequence[keras.Model], *, probabilities: Collection[str] = ()) -> keras.Model:
    """Return a model of the same inputs and outputs: the mean of what the models give.

    Profile logits and log counts are averaged as they are; outputs named in ``probabilities`` by their logits.

    Raises
    ------
    ModelError
        When the models differ in the names or shapes of inputs or outputs.
    """
    first = models[0]
    for model in models[1:]:
        if _ends(model) != _ends(first):
            raise ModelError(f"the models of an ensemble take and give the same; {_ends(model)} is not {_ends(first)}")
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name) for name, tensor in first.input.items()
    }
    given = [keras.Model(model.input, model.output, name=f"member_{i}")(inputs) for i, model in enumerate(models)]
    outputs = {
        name: _average(name, [one[name] for one in given], of_logits=name in probabilities) for name in first.output
    }
    return keras.Model(inputs, outputs, name="ensemble")


def _average(name: str, tensors: Sequence[Any], *, of_logits: bool) -> Any:
    if len(tensors) == 1:
        return tensors[0]
    if not of_logits:
        return layers.Average(name=name, dtype="float32")(list(tensors))
    inside = [ops.clip(tensor, _LEAST, _GREATEST) for tensor in tensors]
    logits = [ops.log(tensor) - ops.log1p(-tensor) for tensor in inside]
    mean = layers.Average(dtype="float32")(logits)
    return layers.Activation("sigmoid", name=name, dtype="float32")(mean)


def _ends(model: keras.Model) -> str:
    """Describe what a model takes and gives."""
    ends = (model.input, model.output)
    if not all(isinstance(tensors, dict) for tensors in ends):
        raise ModelError(f"model {model.name!r} does not name its inputs and outputs, as those of an ensemble do")
    said = (", ".join(f"{name} {tuple(t.shape[1:])}" for name, t in sorted(tensors.items())) for tensors in ends)
    return " → ".join(said)
