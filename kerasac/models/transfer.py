"""Start layers of a model from layers of the same name in a file of another."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import keras
import numpy.typing as npt

from kerasac.config import InitializeSpec
from kerasac.errors import ModelError, suggest
from kerasac.models.checkpoint import load_model
from kerasac.models.old_weights import old_weights

logger = logging.getLogger(__name__)

Weights = list[npt.NDArray[Any]]


class Transferred(NamedTuple):
    """Names of the layers whose weights were taken, and of those that are frozen."""

    taken: tuple[str, ...]
    frozen: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in words."""
        frozen = f", {len(self.frozen)} frozen" if self.frozen else ""
        return f"{len(self.taken)} layers taken ({', '.join(self.taken)}){frozen}"


def initialize(model: keras.Model, spec: InitializeSpec, path: Path) -> Transferred:
    """Set weights of a model's layers from the file at ``path``, and freeze layers, before it is compiled.

    Raises
    ------
    ModelError
        When the file cannot be read, lacks a layer, or a weight has another shape; nothing has been set then.
    """
    ours = {layer.name: layer for layer in model.layers if layer.weights}
    patterns = ("*",) if spec.layers == "all" else spec.layers
    wanted = _matching(patterns, ours, "layers")
    frozen = _matching(spec.freeze, ours, "freeze")
    theirs = read_layers(path)
    plan = [(ours[name], _fitting(ours[name], theirs, path)) for name in wanted]
    for layer, weights in plan:
        layer.set_weights(weights)
    for name in frozen:
        ours[name].trainable = False
    done = Transferred(tuple(wanted), tuple(frozen))
    logger.info("training.initialize: %s of %s", done, path)
    return done


def read_layers(path: Path) -> dict[str, Weights]:
    """Return the weights of a file's layers by their names, in the order that the layers hold them.

    No code of the file is run.

    Raises
    ------
    ModelError
        When the file is missing or of no known format.
    """
    if path.suffix == ".keras":
        return {layer.name: layer.get_weights() for layer in load_model(path).layers if layer.weights}
    if not path.is_file():
        raise ModelError(f"training.initialize: {path} does not exist")
    try:
        with h5py.File(path) as file:
            if "layers" in file:
                return dict(_layers_of_keras_3(file["layers"]))
            return {name: list(weights.values()) for name, weights in old_weights(file).items() if weights}
    except (OSError, KeyError, AttributeError, ValueError) as error:
        raise ModelError(
            f"training.initialize: {path} cannot be read as .keras, .weights.h5 or .hdf5 weights: {error}"
        ) from error


def _layers_of_keras_3(group: h5py.Group) -> Iterable[tuple[str, Weights]]:
    """Yield a layer's name, or its place where Keras kept no name, and weights."""
    for place, layer in group.items():
        stored = layer.get("vars", {})
        if len(stored):
            yield str(layer["vars"].attrs.get("name", place)), [stored[key][()] for key in sorted(stored, key=int)]


def _matching(patterns: Iterable[str], layers: Mapping[str, Any], key: str) -> list[str]:
    """Return the names that match, in the model's order; a pattern that matches none is an error."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in layers):
            raise ModelError(
                f"training.initialize.{key}: no layer with weights is called {pattern!r}{suggest(pattern, layers)}"
            )
    return [name for name in layers if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _fitting(layer: keras.Layer, theirs: Mapping[str, Weights], path: Path) -> Weights:
    """Return a layer's weights of the file, whose shapes are those of the layer."""
    if layer.name not in theirs:
        raise ModelError(
            f"training.initialize: {path} has no layer {layer.name!r}{suggest(layer.name, theirs)}; name those to take "
            "in training.initialize.layers"
        )
    weights = theirs[layer.name]
    found, needed = ([tuple(one.shape) for one in some] for some in (weights, layer.get_weights()))
    if found != needed:
        raise ModelError(
            f"training.initialize: layer {layer.name} has weights of shapes {_shapes(found)} in {path}, and "
            f"{_shapes(needed)} in this model; make the model as it was there, or leave the layer out of "
            "training.initialize.layers"
        )
    return weights


def _shapes(shapes: Iterable[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes))
