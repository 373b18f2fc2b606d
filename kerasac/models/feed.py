"""Derive a model's inputs and targets from raw windows in the training graph, on the device that trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasac.config import TrackSpec
from kerasac.sampling.batches import Recipe, middle


class FedModel(keras.Model):  # type: ignore[misc]
    """A model that is trained on raw windows: tokens, and counts in their narrowest type.

    It shares layers and weights with the model that it is made of, which is the one to save and to predict with.
    What :meth:`WindowSource.finish` derives on the host is derived here in the graph, so that one byte a base
    travels to the device.
    """

    def __init__(self, model: keras.Model, recipe: Recipe) -> None:
        super().__init__(inputs=model.input, outputs=model.output, name=model.name)
        self._recipe = recipe

    def train_step(self, data: dict[str, Any]) -> Any:
        """Train on one batch of raw windows."""
        return super().train_step(fed(self._recipe, data))

    def test_step(self, data: dict[str, Any]) -> Any:
        """Evaluate one batch of raw windows."""
        return super().test_step(fed(self._recipe, data))


def fed(recipe: Recipe, raw: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return inputs and targets by name: the tensors of what :meth:`WindowSource.finish` gives as arrays."""

    def derived(spec: TrackSpec) -> Any:
        if spec.is_sequence or spec.is_binned:
            return raw[spec.name]
        return derive(spec, middle(raw[recipe.group_of[spec.name]], spec.flank))

    return {spec.name: derived(spec) for spec in recipe.inputs}, {spec.name: derived(spec) for spec in recipe.outputs}


def derive(spec: TrackSpec, counts: Any) -> Any:
    """Aggregate raw counts over positions and transform them: (n, T, L) to (n, L, T), or (n, T); float32."""
    values = _transform(_AGGREGATES[spec.aggregate](ops.cast(counts, "float32")), spec)
    return ops.swapaxes(values, 1, 2) if spec.aggregate == "none" else values


_AGGREGATES: dict[str, Callable[[Any], Any]] = {
    "none": lambda x: x,
    "sum": lambda x: ops.sum(x, axis=2),
    "average": lambda x: ops.mean(x, axis=2),
    "max": lambda x: ops.max(x, axis=2),
    "binary_max": lambda x: ops.cast(ops.max(x, axis=2) > 0, "float32"),
}


def _transform(values: Any, spec: TrackSpec) -> Any:
    transforms: dict[str, Callable[[Any], Any]] = {
        "none": lambda x: x,
        "log": lambda x: ops.log(x + spec.pseudocount),
        "log10": lambda x: ops.log10(x + spec.pseudocount),
        "log1p": ops.log1p,
        "asinh": ops.arcsinh,
        "counts_to_logit": lambda x: _counts_to_logit(x, spec.pseudocount),
    }
    return transforms[spec.transform](values)


def _counts_to_logit(values: Any, pseudocount: float) -> Any:
    padded = values + pseudocount
    total = ops.sum(padded, axis=2, keepdims=True)
    return ops.log(padded / (total - padded))
