"""Join trained models into one whose predictions are their average."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
from keras import layers, ops

from kerasac.errors import ModelError

_LEAST, _GREATEST = 1.2e-38, 1 - 2.0**-24  # probabilities that float32 rounded to 0 or 1 have no logit


def ensemble(
    models: Sequence[keras.Model], *, probabilities: Collection[str] = (), log_rates: Collection[str] = ()
) -> keras.Model:
    """Return a model of the same inputs and outputs: the mean of what the models give.

    Profile logits and log counts are averaged as they are; outputs named in ``probabilities`` by their logits, those in
    ``log_rates`` by their counts: the logarithm of the mean count is given.

    Raises
    ------
    ModelError
        When the models differ in the names or shapes of inputs or outputs.
    """
    first = models[0]
    for model in models[1:]:
        if _ends(model) != _ends(first):
            raise ModelError(f"the models of an ensemble take and give the same; {_ends(model)} is not {_ends(first)}")
    if len(models) == 1:
        return first
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name) for name, tensor in first.input.items()
    }
    given = [keras.Model(model.input, model.output, name=f"member_{i}")(inputs) for i, model in enumerate(models)]
    outputs = {
        name: _average_of(name, probabilities, log_rates)(name, [one[name] for one in given]) for name in first.output
    }
    return keras.Model(inputs, outputs, name="ensemble")


def _average_of(name: str, probabilities: Collection[str], log_rates: Collection[str]) -> Callable[..., Any]:
    return _of_logits if name in probabilities else _of_counts if name in log_rates else _of_values


def _of_values(name: str, tensors: Sequence[Any]) -> Any:
    return layers.Average(name=name, dtype="float32")(list(tensors))


def _of_counts(name: str, tensors: Sequence[Any]) -> Any:
    total = ops.logsumexp(ops.stack(list(tensors), axis=-1), axis=-1)
    return layers.Rescaling(1.0, offset=-math.log(len(tensors)), name=name, dtype="float32")(total)


def _of_logits(name: str, tensors: Sequence[Any]) -> Any:
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
