"""Put a model of the enzyme's bias and a model of everything else together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import layers, ops

from kerasac.models.bias_contract import Form
from kerasac.models.contract import Contract, Port
from kerasac.models.layers import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class LogSumExp(layers.Layer):  # type: ignore[misc]
    """Add counts given as natural logarithms: log(exp(a) + exp(b)) of two tensors of one shape, element by element."""

    def call(self, tensors: Sequence[Any]) -> Any:
        """Add two logarithms of counts."""
        first, second = tensors
        return ops.logaddexp(first, second)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return input_shape[0]


def factorised(corrected: keras.Model, bias: keras.Model, contract: Contract, form: Form) -> keras.Model:
    """Return the model of what is observed: the corrected model and the frozen bias model on the same sequence.

    ``added``: profile logits are summed and counts are summed (Pampari et al. 2023, ChromBPNet). ``mixed``: learned
    linear combinations of the bias model's profile logits and log counts are added to those of the corrected model.
    kerasAC's ``profile_bpnet_dnase_with_bias`` concatenates them before a last linear layer: the same functions, as its
    weights on the linear heads of the corrected part add none, but here that part can be taken out.

    Returns
    -------
    keras.Model, inputs and outputs as dictionaries by port name. Its layers ``corrected`` and ``bias`` are the two.
    """
    profile, counts, sequence = _of(contract, "profile"), _of(contract, "counts"), _of(contract, "sequence")
    inputs = {port.name: _like(corrected.input[port.name], port.name) for port in contract.inputs}
    bias.trainable = False
    wanted, unwanted = corrected(inputs), bias({sequence.name: inputs[sequence.name]})
    join = _added if form == "added" else _mixed
    outputs = join(wanted, unwanted, profile, counts)
    return keras.Model(inputs, {port.name: outputs[port.name] for port in contract.outputs}, name="bias_factorised")


def scaled(bias: keras.Model, counts: str, offset: Sequence[float]) -> keras.Model:
    """Return a bias model whose log counts have a number added, one a task: its scale for this data and depth."""
    inputs = {name: _like(tensor, name) for name, tensor in bias.input.items()}
    outputs = dict(bias(inputs))  # called, as it may be a scaled one itself
    outputs[counts] = layers.Rescaling(1.0, offset=list(offset), dtype="float32", name=f"scaled_{counts}")(
        outputs[counts]
    )
    return keras.Model(inputs, outputs, name="bias")


def _added(wanted: dict[str, Any], unwanted: dict[str, Any], profile: Port, counts: Port) -> dict[str, Any]:
    return {
        profile.name: layers.Add(name=profile.name, dtype="float32")([wanted[profile.name], unwanted[profile.name]]),
        counts.name: LogSumExp(name=counts.name, dtype="float32")([wanted[counts.name], unwanted[counts.name]]),
    }


def _mixed(wanted: dict[str, Any], unwanted: dict[str, Any], profile: Port, counts: Port) -> dict[str, Any]:
    # Training starts with the bias added to the profile, and with none in the counts.
    starts = {profile.name: "identity", counts.name: "zeros"}
    joined = {}
    for port in (profile, counts):
        weigh = layers.Dense(
            port.n_tracks,
            use_bias=False,
            kernel_initializer=starts[port.name],
            dtype="float32",
            name=f"bias_in_{port.name}",
        )
        added = layers.Add(name=port.name, dtype="float32")
        joined[port.name] = added([wanted[port.name], weigh(unwanted[port.name])])
    return joined


def _like(tensor: Any, name: str) -> Any:
    return keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)


def _of(contract: Contract, role: Literal["sequence", "profile", "counts"]) -> Port:
    port = contract.input_of(role) if role == "sequence" else contract.output_of(role)
    assert port is not None, "check_form passed without this port"
    return port
