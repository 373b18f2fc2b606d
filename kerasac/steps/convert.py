"""Convert a model that Keras 2 saved to a file that plain Keras 3 loads."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from kerasac.cache import locked, with_ending
from kerasac.errors import ModelError
from kerasac.models.legacy import load_legacy
from kerasac.models.new_file import check_new

_WINDOWS = 2  # that the new file has to predict as the model did


class Converted(NamedTuple):
    """What a converted model takes and gives, by name, with shapes a window, and its number of weights."""

    path: Path
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    n_weights: int


def convert(old: Path, new: Path, weights: Path | None = None, *, overwrite: bool = False) -> Converted:
    """Write ``new`` (``.keras``), after seeing that it predicts what ``old`` does.

    Raises
    ------
    ModelError
        When ``old`` cannot be loaded, ``new`` is there already, or it does not predict the same.
    """
    check_new(new, ".keras", overwrite=overwrite)
    model = load_legacy(old, weights)
    new.parent.mkdir(parents=True, exist_ok=True)
    partial = new.with_name(f".partial-{new.name}")
    try:
        model.save(partial)
        _check_same(model, partial)
        partial.replace(new)
    finally:
        partial.unlink(missing_ok=True)
    return Converted(
        new,
        _shapes(model.inputs),
        _shapes(model.outputs),
        int(model.count_params()),
    )


def convert_once(old: Path, new: Path, weights: Path | None = None) -> None:
    """Write ``new`` unless it is there; of several commands that need it one converts, and the others wait."""
    if new.exists():
        return
    new.parent.mkdir(parents=True, exist_ok=True)
    with locked(with_ending(new, "lock"), remove_after=True):
        if not new.exists():
            convert(old, new, weights)


def _check_same(model: keras.Model, path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.random((_WINDOWS, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    again = keras.models.load_model(path, compile=False)
    for one, other in zip(_predicted(model, inputs), _predicted(again, inputs), strict=True):
        if not np.array_equal(one, other, equal_nan=True):
            raise ModelError(f"the converted model does not predict what {model.name} does; please report this")


def _predicted(model: keras.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    return found if isinstance(found, list) else [found]


def _shapes(tensors: list[keras.KerasTensor]) -> dict[str, tuple[int, ...]]:
    """Name each tensor by the layer that gives it."""
    return {tensor._keras_history.operation.name: tuple(tensor.shape[1:]) for tensor in tensors}
