"""Read what Keras 2 wrote: the configuration of a model as JSON, and weights by layer in HDF5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from kerasac.errors import ModelError
from kerasac.models.old_weights import Arrays, old_weights


class SavedModel(NamedTuple):
    """A model's configuration, and the weights of each of its outermost layers, by their names in the file."""

    config: dict[str, Any]
    weights: dict[str, Arrays]


def read_saved(path: Path, weights: Path | None = None) -> SavedModel:
    """Read a whole model (``.hdf5``, ``.h5``), or its architecture (``.arch``, ``.json``) and weights in two files.

    Without ``weights`` those of an architecture lie beside it, as ``<name>.weights``.

    Raises
    ------
    ModelError
        When a file is missing, or is not what Keras 2 writes.
    """
    if not path.is_file():
        raise ModelError(f"model {path} does not exist")
    if not h5py.is_hdf5(path):
        return SavedModel(_read_architecture(path), _read_weights(_weights_of(path, weights)))
    with h5py.File(path) as file:
        if "model_config" not in file.attrs:
            raise ModelError(f"{path} holds weights alone; name its architecture's file, and this one as --weights")
        config = _parsed(file.attrs["model_config"], path)
        return SavedModel(config, _read_weights(weights) if weights else _layers(file, path))


def _weights_of(path: Path, weights: Path | None) -> Path:
    found = weights or path.with_suffix(".weights")
    if not found.is_file():
        raise ModelError(f"{path} is an architecture; its weights {found} do not exist: name them with --weights")
    return found


def _read_architecture(path: Path) -> dict[str, Any]:
    return _parsed(path.read_bytes(), path)


def _parsed(text: str | bytes, path: Path) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{path} is neither HDF5 nor JSON ({error}); is it a model that Keras 2 saved?") from None
    if not isinstance(config, dict) or not {"class_name", "config"} <= config.keys():
        raise ModelError(f"{path} describes no model: class_name and config are missing")
    return config


def _read_weights(path: Path) -> dict[str, Arrays]:
    if not h5py.is_hdf5(path):
        raise ModelError(f"{path} is not HDF5, and so not the weights of a Keras 2 model")
    with h5py.File(path) as file:
        return _layers(file, path)


def _layers(file: Any, path: Path) -> dict[str, Arrays]:
    try:
        return old_weights(file)
    except ValueError as error:
        raise ModelError(f"{path}: {error}; is it a model that Keras 2 saved?") from None
