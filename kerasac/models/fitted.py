"""Make any trained model take an experiment's inputs and give its outputs, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from kerasac.errors import ModelError
from kerasac.models.contract import Contract, Port
from kerasac.models.layers import OneHotDNA


def fitted(model: keras.Model, contract: Contract, origin: str) -> keras.Model:
    """Return a model of this contract; one of ours, trained for it, is returned as it is.

    Others, as converted ones of kerasAC and chrombpnet, take one-hot rows (n, L, 4) for the sequence and name inputs
    and outputs as they like: these are matched in the contract's order. A profile of one task may lack its last axis.

    Raises
    ------
    ModelError
        When it has another number of inputs or outputs, other lengths or other tasks.
    """
    if _is_ours(model, contract):
        return model
    theirs = _ordered(model.input, model.inputs, contract.inputs)
    _check_number(origin, "input", model.inputs, contract.inputs)
    _check_number(origin, "output", model.outputs, contract.outputs)
    ours = {port.name: _input(port) for port in contract.inputs}
    given = [
        _converted(origin, port, ours[port.name], tensor) for port, tensor in zip(contract.inputs, theirs, strict=True)
    ]
    order = [next(i for i, tensor in enumerate(model.inputs) if tensor is one) for one in theirs]
    called = model(_nested(model, dict(zip(order, given, strict=True))))
    found = _ordered(called, keras.tree.flatten(called), contract.outputs)
    outputs = {port.name: _output(origin, port, tensor) for port, tensor in zip(contract.outputs, found, strict=True)}
    return keras.Model(ours, outputs)


def _is_ours(model: keras.Model, contract: Contract) -> bool:
    ends = ((model.input, contract.inputs), (model.output, contract.outputs))
    return all(
        isinstance(tensors, dict)
        and set(tensors) == {port.name for port in ports}
        and all(tuple(tensors[port.name].shape[1:]) == port.shape for port in ports)
        for tensors, ports in ends
    )


def _ordered(nested: Any, flat: Sequence[Any], ports: Sequence[Port]) -> list[Any]:
    """Return tensors in the ports' order: by name where all are named so, else as they come."""
    if isinstance(nested, dict) and {port.name for port in ports} <= nested.keys():
        return [nested[port.name] for port in ports]
    return list(flat)


def _check_number(origin: str, what: str, found: Sequence[Any], ports: Sequence[Port]) -> None:
    if len(found) != len(ports):
        names = ", ".join(port.name for port in ports)
        raise ModelError(
            f"{origin} has {len(found)} {what}s, this experiment {len(ports)} ({names}); use a model made for them"
        )


def _input(port: Port) -> Any:
    return keras.Input(port.shape, dtype="uint8" if port.role == "sequence" else "float32", name=port.name)


def _converted(origin: str, port: Port, ours: Any, theirs: Any) -> Any:
    """Bring an input of the experiment into the shape that the model takes."""
    wanted = tuple(theirs.shape[1:])
    forms = [port.shape, (*port.shape, 4)] if port.role == "sequence" else [port.shape]
    _check_shape(origin, f"input {port.name}", wanted, forms)
    return OneHotDNA(name=f"one_hot_{port.name}")(ours) if wanted != port.shape else ours


def _nested(model: keras.Model, by_place: dict[int, Any]) -> Any:
    """Arrange tensors, by their place among the flat inputs, as the model nests its own."""
    return keras.tree.pack_sequence_as(model.input, [by_place[i] for i in range(len(by_place))])


def _output(origin: str, port: Port, tensor: Any) -> Any:
    lacks_axis = port.role == "profile" and port.n_tracks == 1
    forms = [port.shape, *([port.shape[:1]] if lacks_axis else [])]
    _check_shape(origin, f"output {port.name}", tuple(tensor.shape[1:]), forms)
    return tensor if tuple(tensor.shape[1:]) == port.shape else layers.Reshape(port.shape)(tensor)


def _check_shape(origin: str, what: str, found: tuple[int, ...], wanted: Sequence[tuple[int, ...]]) -> None:
    if found not in wanted:
        raise ModelError(
            f"{origin} has {found} as its {what}, this experiment {wanted[0]}; use a model made for its flanks and "
            "tasks, or set these to the model's"
        )
