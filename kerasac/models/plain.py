"""Rebuild our models of stock Keras alone, so that their files open without this package."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from kerasac.errors import ModelError
from kerasac.models.bias_factorised import LogSumExp
from kerasac.models.layers import OneHotDNA

Array = npt.NDArray[Any]

_BATCH = 4
_CLOSE = 1e-5  # of predictions of about 1; a reloaded file differs by nothing, another order of operations by 1e-7


def plain_model(model: keras.Model, *, one_hot: bool = False) -> keras.Model:
    """Return a copy whose layers and operations are Keras's own.

    With ``one_hot`` the sequence goes in as one-hot rows (n, L, 4), float32, A C G T, rather than as tokens (n, L).

    Raises
    ------
    ModelError
        When it has layers of yet another package, naming them, or takes no tokens that could be left out.
    """
    if one_hot and not any(map(_is_tokens, model.inputs)):
        raise ModelError("the model's sequence goes in as one-hot rows already; leave out --one-hot")
    try:
        copied = _copy(model, one_hot)
    except (AttributeError, ValueError) as error:  # a chain or a subclass has no graph of inputs
        raise ModelError(
            f"model {model.name!r} cannot be copied layer by layer, as functional models can ({error}); "
            "--format savedmodel and weights write it as it is"
        ) from error
    tokens = random_inputs(model)
    given = keras.tree.map_structure(_rows, tokens) if one_hot else tokens
    checked_difference(predicted(model, tokens), predicted(copied, given), "the copy of stock layers")
    return copied


def check_plain(model: keras.Model) -> None:
    """Raise ModelError, naming the first layer that plain Keras does not have."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            check_plain(layer)
        elif not _is_stock(layer):
            kind = f"{type(layer).__module__}.{type(layer).__name__}"
            raise ModelError(
                f"layer {layer.name!r} is a {kind}, which plain Keras cannot load; --format savedmodel needs no "
                "classes, --format weights goes with the code that builds the model"
            )


def save_plain(model: keras.Model, path: Path) -> float:
    """Write a ``.keras`` file that plain Keras loads, and rename it once it predicts, reloaded, as the model does.

    Returns
    -------
    The greatest difference of predictions on random inputs.
    """
    check_plain(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_name(f".partial-{path.name}")
    try:
        model.save(partial_path)
        inputs = random_inputs(model)
        reloaded = keras.models.load_model(partial_path, compile=False, safe_mode=True)
        difference = checked_difference(predicted(model, inputs), predicted(reloaded, inputs), path)
        partial_path.replace(path)
    finally:
        partial_path.unlink(missing_ok=True)
    return difference


def random_inputs(model: keras.Model, seed: int = 0) -> Any:
    """Return inputs in the model's nesting: tokens 0 to 4, one-hot rows where there are 4 channels, else normal."""
    rng = np.random.default_rng(seed)

    def values(tensor: Any) -> Array:
        shape = (_BATCH, *tensor.shape[1:])
        if _is_tokens(tensor):
            return rng.integers(0, 5, shape).astype("uint8")
        if len(shape) > 2 and shape[-1] == 4:
            return one_hot_rows(rng.integers(0, 5, shape[:-1]))
        return rng.normal(size=shape).astype("float32")

    return keras.tree.map_structure(values, model.input)


def one_hot_rows(tokens: Array) -> Array:
    """Return one-hot rows of tokens A0 C1 G2 T3; N (4) is a row of zeros."""
    return np.eye(5, 4, dtype="float32")[tokens]


def predicted(model: Callable[..., Any], inputs: Any) -> list[Array]:
    """Return a model's outputs as a flat list of arrays."""
    return [np.asarray(tensor) for tensor in keras.tree.flatten(model(inputs, training=False))]


def checked_difference(expected: list[Array], found: list[Array], origin: object) -> float:
    """Return the greatest difference of two lists of outputs, or raise ModelError when they are not the same."""
    if [array.shape for array in expected] != [array.shape for array in found]:
        raise ModelError(f"{origin} gives outputs of other shapes than the model it is made of; not kept")
    difference = max(float(np.abs(one - other).max()) for one, other in zip(expected, found, strict=True))
    scale = max(1.0, *(float(np.abs(array).max()) for array in expected))
    if not difference <= _CLOSE * scale:
        raise ModelError(f"{origin} predicts other values than the model it is made of (by {difference:g}); not kept")
    return difference


def _rows(array: Array) -> Array:
    return one_hot_rows(array) if array.dtype == np.uint8 else array


def _copy(model: keras.Model, one_hot: bool) -> keras.Model:
    copied = keras.models.clone_model(
        model,
        input_tensors=keras.tree.map_structure(partial(_input, one_hot), model.input),
        clone_function=partial(_copied_layer, one_hot),
        call_function=partial(_called, one_hot),
    )
    for layer in copied.layers:
        if layer.weights and not isinstance(layer, keras.Model):
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return copied


def _input(one_hot: bool, tensor: Any) -> Any:
    if one_hot and _is_tokens(tensor):
        return keras.Input((*tensor.shape[1:], 4), dtype="float32", name=tensor.name)
    return keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)


def _copied_layer(one_hot: bool, layer: Any) -> Any:
    if isinstance(layer, keras.Model):
        return _copy(layer, one_hot)
    return type(layer).from_config(layer.get_config())


def _called(one_hot: bool, layer: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a layer, or the operations that do the same as one of ours."""
    if isinstance(layer, OneHotDNA):
        (tokens,) = args
        return tokens if one_hot else ops.one_hot(ops.cast(tokens, "int32"), 4, dtype=layer.compute_dtype)
    if isinstance(layer, LogSumExp):
        (logarithms,) = args
        return ops.logaddexp(*logarithms)
    return layer(*args, **kwargs)


def _is_tokens(tensor: Any) -> bool:
    return len(tensor.shape) == 2 and str(tensor.dtype) == "uint8"


def _is_stock(layer: Any) -> bool:
    return type(layer).__module__.split(".")[0] == "keras"
