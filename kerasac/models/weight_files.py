"""Read the weights of a trunk of convolutions and dense layers from a file, in order, without building a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.cache import file_digest
from kerasac.errors import ModelError
from kerasac.models.old_weights import Arrays, old_weights

_ENDINGS = (".npz", ".keras", ".h5", ".hdf5")
# Names in the published Basset that kerasAC starts from: TensorFlow's scopes, numbered from the second on.
_PUBLISHED = (
    (re.compile(r"(?:\d+\.)?Conv(?:_(\d+))?/weights:0"), "conv", "kernel"),
    (re.compile(r"(?:\d+\.)?BatchNorm(?:_(\d+))?/(gamma|beta):0"), "conv", ""),
    (re.compile(r"(?:\d+\.)?fc(\d+)/fully_connected/weights:0"), "dense", "kernel"),
    (re.compile(r"(?:\d+\.)?fc(\d+)/BatchNorm/(gamma|beta):0"), "dense", ""),
)


class LayerWeights(NamedTuple):
    """The weights of one layer of a file: its name there, and arrays by ``kernel``, ``bias``, ``gamma``, …."""

    name: str
    arrays: Arrays

    @property
    def kind(self) -> str:
        """``conv``, ``dense`` or ``norm``, as the arrays tell; others are empty."""
        if "kernel" in self.arrays:
            return "dense" if self.arrays["kernel"].ndim == 2 else "conv"
        return "norm" if {"gamma", "beta"} & self.arrays.keys() else ""


def check_weight_file(path: str) -> None:
    """Raise ModelError unless a file of a known format is there."""
    if not Path(path).is_file():
        raise ModelError(f"model.initial_weights: {path} does not exist")
    if Path(path).suffix not in _ENDINGS:
        raise ModelError(f"model.initial_weights: {path} ends in none of {', '.join(_ENDINGS)}")


def weight_file_digest(path: str) -> str:
    """Return 16 hex digits that change with the content of a file."""
    check_weight_file(path)
    return file_digest(Path(path))


def read_weight_file(path: str) -> list[LayerWeights]:
    """Read the layers that have weights, in the file's order; imports Keras for a ``.keras`` file.

    No code of the file is run.

    Raises
    ------
    ModelError
        When the file is missing or is of no known format.
    """
    check_weight_file(path)
    readers = {".npz": _read_arrays, ".keras": _read_keras}
    try:
        return list(readers.get(Path(path).suffix, _read_hdf5)(path))
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"model.initial_weights: {path} cannot be read: {error}") from error


def _read_arrays(path: str) -> Iterator[LayerWeights]:
    """Group arrays by the layer that the published names say."""
    found: dict[str, Arrays] = {}
    with np.load(path, allow_pickle=False) as data:
        for name in data.files:
            layer, weight = _published(name)
            found.setdefault(layer, {})[weight] = data[name]
    order = [f"{kind}_{i}{norm}" for kind in ("conv", "dense") for i in range(len(found)) for norm in ("", "_norm")]
    yield from (LayerWeights(name, found[name]) for name in order if name in found)


def _published(name: str) -> tuple[str, str]:
    for pattern, kind, weight in _PUBLISHED:
        if match := pattern.fullmatch(name):
            number = int(match.group(1) or 0)
            return (f"{kind}_{number}", weight) if weight else (f"{kind}_{number}_norm", match.group(2))
    raise ValueError(f"array {name!r} has none of the names of the published Basset (0.Conv/weights:0, …)")


def _read_keras(path: str) -> Iterator[LayerWeights]:
    from kerasac.models.checkpoint import load_model

    for layer in load_model(Path(path)).layers:
        arrays = {weight.name: np.asarray(weight) for weight in layer.weights}
        if arrays:
            yield LayerWeights(layer.name, arrays)


def _read_hdf5(path: str) -> Iterator[LayerWeights]:
    """Read a Keras 2 file, of a model or of weights only."""
    import h5py

    with h5py.File(path) as file:
        for name, weights in old_weights(file).items():
            arrays = {weight.rsplit("/", 1)[-1].removesuffix(":0"): values for weight, values in weights.items()}
            if arrays:
                yield LayerWeights(name, arrays)
