"""Write a model as Keras 2 does, for programs that go on with it: whole, and its architecture and weights apart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from kerasac.cache import whole_file, with_ending, write_whole
from kerasac.errors import ModelError
from kerasac.models.legacy.layers import function_options
from kerasac.models.legacy.load import load_legacy
from kerasac.models.plain import checked_difference, plain_model, predicted, random_inputs

_VERSION = "2.15.0"  # of Keras, whose form this is
_CONTAINERS = ("Functional", "Model")


def write_legacy(model: keras.Model, prefix: Path, *, inputs: Sequence[str], outputs: Sequence[str]) -> list[Path]:
    """Write ``<prefix>.hdf5``, ``<prefix>.arch`` (JSON) and ``<prefix>.weights`` (HDF5), as kerasAC does.

    The model takes and gives lists, in the order of these names; its sequence goes in as one-hot rows (n, L, 4). Losses
    and optimizer are left out. What is written is read again and has to predict as the model does.

    Raises
    ------
    ModelError
        When a layer is none that Keras 2 has in this form.
    """
    plain = _ordered(plain_model(model, one_hot=True), inputs, outputs)
    config = _functional(plain)
    described: dict[str, Any] = {
        "class_name": "Functional",
        "config": config,
        "keras_version": _VERSION,
        "backend": "tensorflow",
    }
    whole, arch, weights = (with_ending(prefix, ending) for ending in ("hdf5", "arch", "weights"))
    with whole_file(whole) as beside:
        with h5py.File(beside, "w") as file:
            file.attrs["model_config"] = json.dumps({key: described[key] for key in ("class_name", "config")})
            _write_weights(file.create_group("model_weights"), plain)
            _describe(file)
        _check(plain, beside)
    write_whole(arch, json.dumps(described))
    with whole_file(weights) as beside, h5py.File(beside, "w") as file:
        _write_weights(file, plain)
    return [whole, arch, weights]


def _ordered(model: keras.Model, inputs: Sequence[str], outputs: Sequence[str]) -> keras.Model:
    """Return the model with lists of inputs and outputs: their order decides that of layers, and so of weights."""
    if not isinstance(model.input, dict):
        return model
    return keras.Model(
        [model.input[name] for name in inputs], [model.output[name] for name in outputs], name=model.name
    )


def _check(plain: keras.Model, path: Path) -> None:
    given = random_inputs(plain)
    checked_difference(predicted(plain, given), predicted(load_legacy(path), _alone(given)), path)


def _functional(model: keras.Model) -> dict[str, Any]:
    """Return the configuration of a functional model."""
    config = model.get_config()
    nested = {layer["name"] for layer in config["layers"] if layer["class_name"] in _CONTAINERS}
    layers = [_layer(layer, model, nested) for layer in config["layers"]]
    ends = {key: [_end(end, nested) for end in _ends(config[key])] for key in ("input_layers", "output_layers")}
    return {"name": config["name"], "trainable": bool(model.trainable), "layers": layers, **ends}


def _ends(described: Any) -> list[Sequence[Any]]:
    """Return the ends of a model, (layer, call, output) each, of a mapping, of a list, or a single one."""
    if isinstance(described, dict):
        return [end for one in described.values() for end in _ends(one)]
    return list(described) if described and isinstance(described[0], list) else [described]


def _alone(values: Any) -> Any:
    return values[0] if isinstance(values, list) and len(values) == 1 else values


def _end(end: Sequence[Any], nested: set[str]) -> list[Any]:
    name, node, tensor = end[:3]
    return [name, node + (name in nested), tensor]  # Keras 2 counts the making of a nested model as call 0


def _layer(described: Mapping[str, Any], model: keras.Model, nested: set[str]) -> dict[str, Any]:
    class_name, name = described["class_name"], described["name"]
    if class_name in _CONTAINERS:
        config = _functional(model.get_layer(name))
    elif class_name == "InputLayer":
        shape = described["config"]["batch_shape"]
        config = {"name": name, "batch_input_shape": list(shape), "dtype": "float32", "sparse": False, "ragged": False}
    else:
        config = _options(class_name, name, described["config"])
    calls = [[[*_end(ref, nested), {}] for ref in _references(node["args"])] for node in described["inbound_nodes"]]
    return {"class_name": class_name, "config": config, "name": name, "inbound_nodes": calls}


def _options(class_name: str, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    known = function_options(class_name)
    if known is None:
        raise ModelError(
            f"layer {name} is a {class_name}, which is not written as Keras 2 does; the model is in the run's folder "
            "as model.keras"
        )
    chosen = {option: config[option] for option in known if option in config}
    if class_name == "LeakyReLU":
        chosen = {"alpha": chosen["negative_slope"]}
    return {"name": name, "trainable": bool(config.get("trainable", True)), "dtype": "float32", **chosen}


def _references(arguments: Any) -> Iterator[Sequence[Any]]:
    """Yield the tensors that go into a call, as (layer, call, output), in order."""
    if isinstance(arguments, dict):
        if arguments.get("class_name") == "__keras_tensor__":
            yield arguments["config"]["keras_history"]
        else:
            for value in arguments.values():
                yield from _references(value)
    elif isinstance(arguments, list | tuple):
        for value in arguments:
            yield from _references(value)


def _write_weights(group: Any, model: keras.Model) -> None:
    group.attrs["layer_names"] = np.array([layer.name.encode() for layer in model.layers])
    group.attrs["backend"], group.attrs["keras_version"] = "tensorflow", _VERSION
    for layer in model.layers:
        part = group.create_group(layer.name)
        named = list(_named_weights(layer))
        part.attrs["weight_names"] = np.array([name.encode() for name, _ in named], dtype="S")
        for name, values in named:
            part.create_dataset(name, data=values)
    group.create_group("top_level_model_weights").attrs["weight_names"] = np.array([], dtype="S1")


def _named_weights(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values as Keras 2 orders them: what is trained, then the rest."""
    owners = list(_owners(layer))
    for kind in ("trainable_weights", "non_trainable_weights"):
        for owner in owners:
            for variable in getattr(owner, kind):
                yield f"{owner.name}/{variable.name}:0", np.asarray(variable)


def _owners(layer: Any) -> Iterator[Any]:
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            yield from _owners(inner)
    elif layer.weights:
        yield layer


def _describe(file: Any) -> None:
    file.attrs["backend"], file.attrs["keras_version"] = "tensorflow", _VERSION
