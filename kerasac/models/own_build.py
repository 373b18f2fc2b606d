"""Build a user's own model, and check that it takes and gives what the experiment does."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import keras

from kerasac.errors import KerasacError, ModelError
from kerasac.models.contract import Contract, Port
from kerasac.models.own_model import OwnParameters


def build_own(contract: Contract, parameters: OwnParameters) -> keras.Model:
    """Run the file and its function.

    Raises
    ------
    ModelError
        When either fails, or the model's inputs or outputs are not those of the contract.
    """
    build = getattr(load_own(parameters), parameters.function)
    try:
        model = build(contract, **parameters.values)
    except KerasacError:
        raise
    except Exception as error:
        raise ModelError(f"{parameters.name} failed: {_said(error)}") from error
    _check(model, contract, parameters.name)
    return model


def load_own(parameters: OwnParameters) -> ModuleType:
    """Run the file once a process, which registers the classes that a saved model names."""
    name = f"kerasac_own_{parameters.digests['architecture'].partition(':')[0]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = parameters.path
    sys.modules[name] = module  # dataclasses and pickles look there for the module of a class
    try:
        exec(compile(parameters.source, parameters.path, "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        raise ModelError(f"{parameters.path} failed: {_said(error)}") from error
    return module


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _check(model: Any, contract: Contract, origin: str) -> None:
    if not isinstance(model, keras.Model):
        raise ModelError(f"{origin} returned {type(model).__name__}; it must return a keras.Model")
    for where, ports in (("input", contract.inputs), ("output", contract.outputs)):
        found = getattr(model, where, None)
        names = {port.name for port in ports}
        if not isinstance(found, dict):
            kind = f"{type(found).__name__}s" if isinstance(found, list | tuple) else "no mapping"
            raise ModelError(
                f"{origin}: the model's {where}s are {kind}, not a dictionary by name; return keras.Model(inputs, "
                f"outputs) of two dictionaries, {where}s by {_listed(names)}"
            )
        if found.keys() != names:
            theirs, ours = _listed(found), _listed(names)
            raise ModelError(f"{origin}: the model's {where}s are {theirs}, the experiment's {ours}; name them alike")
        for port in ports:
            _check_port(where, port, found[port.name], origin)


def _check_port(where: str, port: Port, tensor: Any, origin: str) -> None:
    shape = tuple(tensor.shape)[1:]
    if len(shape) != len(port.shape) or any(ours not in (None, asked) for ours, asked in zip(shape, port.shape)):  # noqa: B905
        raise ModelError(
            f"{origin}: {where} {port.name} has shape {shape} a window, the experiment's {port.shape} ({_means(port)})"
        )
    if where == "output" and tensor.dtype != "float32":
        raise ModelError(f"{origin}: output {port.name} is {tensor.dtype}; give its layer dtype='float32'")


def _means(port: Port) -> str:
    """Say what the axes of a port are."""
    tasks = f"{port.n_tracks} tasks" + (f": {', '.join(port.tasks)}" if port.tasks else "")
    return {
        "sequence": "tokens A0 C1 G2 T3 N4, one a base; kerasac.models.layers.OneHotDNA encodes them",
        "profile": f"bases × {tasks}",
    }.get(port.role, tasks)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
