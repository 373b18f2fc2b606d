"""Read the weights of layers as Keras 2 wrote them to HDF5."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


def old_weights(file: Any) -> dict[str, Arrays]:
    """Return the weights of each outermost layer of an open file, of a model or of weights alone, by their names there.

    Names are the file's, ``conv/kernel:0``. Layers without weights have none.

    Raises
    ------
    ValueError
        When the file is not of Keras 2.
    """
    group = file.get("model_weights", file)
    if "layer_names" not in group.attrs:
        raise ValueError("it has no layer_names, as files of Keras 2 have")
    return {name: _weights(group[name]) for name in map(_text, group.attrs["layer_names"])}


def _weights(layer: Any) -> Arrays:
    return {name: np.asarray(layer[name]) for name in map(_text, layer.attrs.get("weight_names", ()))}


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
