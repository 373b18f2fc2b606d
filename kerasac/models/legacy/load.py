"""Rebuild a model of Keras 2 in Keras 3, of stock layers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import keras

from kerasac.errors import ModelError
from kerasac.models.legacy.files import read_saved
from kerasac.models.legacy.layers import known_layer, logsumexp_of, plain_name
from kerasac.models.old_weights import Arrays

_SUFFIXES = (".h5", ".hdf5", ".arch", ".json")


def is_legacy(path: Path) -> bool:
    """Whether a file is one that Keras 2 saved: by its name, or as HDF5 with a model's configuration."""
    if path.suffix == ".keras" or path.name.endswith(".weights.h5"):
        return False
    return path.suffix in _SUFFIXES or (path.is_file() and h5py.is_hdf5(path))


def load_legacy(path: Path, weights: Path | None = None) -> keras.Model:
    """Load a model that Keras 2 saved: kerasAC's ``.hdf5``, its ``.arch`` with ``.weights``, or chrombpnet's ``.h5``.

    No code of the file is run, and losses and optimizer are left out. The model takes and gives what it did: one-hot
    rows, and a list of outputs. It has stock layers alone, so that plain Keras loads it once it is saved.

    Raises
    ------
    ModelError
        When a file is not of Keras 2, has a layer that is not known here, or weights that do not fit the layers.
    """
    saved = read_saved(path, weights)
    model = _Builder(str(path)).model(saved.config)
    weights_of = {plain_name(name): values for name, values in saved.weights.items()}
    for layer in model.layers:
        _set_weights(layer, weights_of.get(layer.name, {}), str(path))
    _check_used(model, weights_of, path)
    return model


class _Call(NamedTuple):
    """One use of a layer: what goes in, as (layer, number of its call, number of its output)."""

    layer: str
    number: int
    inputs: tuple[tuple[str, int, int], ...]
    is_list: bool


class _Builder:
    """Builds the models of one file, nested ones too."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def model(self, described: Mapping[str, Any]) -> keras.Model:
        """Build a model of a class and configuration."""
        config = described["config"]
        if described["class_name"] == "Sequential":
            return self._sequential(config)
        if described["class_name"] not in ("Model", "Functional"):
            raise ModelError(f"{self.origin}: {described['class_name']} is no model that can be rebuilt")
        return self._functional(config)

    def _sequential(self, config: Any) -> keras.Model:
        described = config["layers"] if isinstance(config, dict) else config
        name = config.get("name") if isinstance(config, dict) else None
        shape = next((found for one in described if (found := _input_shape(one["config"]))), None)
        if shape is None:
            raise ModelError(f"{self.origin}: the model does not say the shape of its input, so it cannot be rebuilt")
        tensor = first = keras.Input(shape[1:])
        for one in described:
            if one["class_name"] != "InputLayer":
                tensor = self._layer(one)(tensor)
        return keras.Model(first, tensor, name=plain_name(name))

    def _functional(self, config: Mapping[str, Any]) -> keras.Model:
        described = {layer.get("name", layer["config"]["name"]): layer for layer in config["layers"]}
        tensors: dict[tuple[str, int], list[Any]] = {}
        made: dict[str, Any] = {}
        for name, layer in described.items():
            if layer["class_name"] == "InputLayer":
                tensors[name, 0] = [keras.Input(_input_shape(layer["config"])[1:], name=plain_name(name))]  # type: ignore[index]
        ends = [_ends(config[key]) for key in ("input_layers", "output_layers")]
        calls = [call for name, layer in described.items() for call in _calls(name, layer)]
        first = _first_calls([*(one for call in calls for one in call.inputs), *ends[1]])
        waiting = [call._replace(inputs=_counted_from_0(call.inputs, first)) for call in calls]
        while waiting:
            ready = [call for call in waiting if all((layer, number) in tensors for layer, number, _ in call.inputs)]
            if not ready:
                raise ModelError(f"{self.origin}: layer {waiting[0].layer} has an input that no layer gives")
            for call in ready:
                given = [tensors[layer, number][output] for layer, number, output in call.inputs]
                tensors[call.layer, call.number] = self._apply(described[call.layer], given, call, made)
            waiting = [call for call in waiting if call not in ready]
        inputs, outputs = (
            [tensors[name, number][output] for name, number, output in _counted_from_0(end, first)] for end in ends
        )
        return keras.Model(_alone(inputs), _alone(outputs), name=plain_name(config.get("name")))

    def _apply(self, described: Mapping[str, Any], given: list[Any], call: _Call, made: dict[str, Any]) -> list[Any]:
        if described["class_name"] == "Lambda":
            return [logsumexp_of(described["config"], given[0])]
        if call.layer not in made:
            made[call.layer] = self._layer(described)
        found = made[call.layer](given if call.is_list else given[0])
        return list(found) if isinstance(found, list | tuple) else [found]

    def _layer(self, described: Mapping[str, Any]) -> Any:
        if described["class_name"] in ("Model", "Functional", "Sequential"):
            model = self.model(described)
            if isinstance(described["config"], dict):
                model.trainable = bool(described["config"].get("trainable", True))
            return model
        return known_layer(described["class_name"], described["config"])


def _calls(name: str, described: Mapping[str, Any]) -> Iterator[_Call]:
    merges = described["class_name"] in ("Add", "Average", "Multiply", "Subtract", "Maximum", "Concatenate")
    for number, node in enumerate(described.get("inbound_nodes") or ()):
        if not isinstance(node, list):
            raise ModelError(f"layer {name} is described as Keras 3 does; load the file with Keras itself")
        inputs = tuple((str(one[0]), int(one[1]), int(one[2])) for one in node)
        yield _Call(name, number, inputs, merges or len(inputs) > 1)


def _first_calls(references: Sequence[tuple[str, int, int]]) -> dict[str, int]:
    """Return the number of each layer's first call: of a nested model 1, as Keras 2 counts its making as call 0."""
    first: dict[str, int] = {}
    for layer, number, _ in references:
        first[layer] = min(number, first.get(layer, number))
    return first


def _counted_from_0(
    references: Sequence[tuple[str, int, int]], first: Mapping[str, int]
) -> tuple[tuple[str, int, int], ...]:
    return tuple((layer, number - first.get(layer, 0), output) for layer, number, output in references)


def _ends(described: Sequence[Any]) -> list[tuple[str, int, int]]:
    """Read input_layers or output_layers, which is a single one where there is only one."""
    listed = described if described and isinstance(described[0], list) else [described]
    return [(str(name), int(number), int(output)) for name, number, output in listed]


def _input_shape(config: Any) -> Sequence[int | None] | None:
    if not isinstance(config, dict):
        return None
    return config.get("batch_input_shape") or config.get("batch_shape")


def _alone(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _set_weights(layer: Any, weights: Arrays, origin: str) -> None:
    """Set the weights of an outermost layer, of a nested model too, by the names of its layers and variables."""
    nested = isinstance(layer, keras.Model)
    # An outermost layer's group is its own, whatever scope its variables were made in.
    by_name = {
        (plain_name(name.rpartition("/")[0]) if nested else layer.name, name.rpartition("/")[2]): values
        for name, values in weights.items()
    }
    for owner in _owners(layer):
        for variable in owner.weights:
            key = (owner.name, f"{variable.name}:0")
            values = by_name.get(key, by_name.get((owner.name, variable.name)))
            if values is None:
                raise ModelError(f"{origin} has no weights {variable.name} of layer {owner.name}")
            if values.shape != tuple(variable.shape):
                raise ModelError(
                    f"{origin}: {variable.name} of layer {owner.name} has shape {values.shape} in the weights, "
                    f"{tuple(variable.shape)} in the architecture; are both of the same model?"
                )
            variable.assign(values)


def _owners(layer: Any) -> Iterator[Any]:
    """Yield the layers that have weights themselves."""
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            yield from _owners(inner)
    elif layer.weights:
        yield layer


def _check_used(model: keras.Model, weights: Mapping[str, Arrays], path: Path) -> None:
    known = {layer.name for layer in model.layers}
    unused = [name for name, values in weights.items() if values and name not in known]
    if unused:
        raise ModelError(f"{path}: weights of {', '.join(unused[:5])} belong to no layer of the architecture")
