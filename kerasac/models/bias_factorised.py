"""Put a model of the enzyme's bias and a model of everything else together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import layers, ops

from kerasac.errors import ModelError
from kerasac.models.bias_contract import Form
from kerasac.models.contract import Contract, Port
from kerasac.models.layers import PACKAGE, OneHotDNA


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
    outputs = dict(bias.output)
    outputs[counts] = layers.Rescaling(1.0, offset=list(offset), dtype="float32", name=f"scaled_{counts}")(
        outputs[counts]
    )
    return keras.Model(bias.input, outputs, name="bias")


def adapted(model: keras.Model, contract: Contract, origin: str) -> keras.Model:
    """Make any trained bias model take this contract's sequence and give its outputs, by name.

    It may be one of ours, or a converted one of chrombpnet or kerasAC, which takes one-hot rows (n, L, 4) and gives a
    list of profile, (n, L) or (n, L, T), and log counts, (n, T).

    Raises
    ------
    ModelError
        When it has other inputs, or other lengths or tasks.
    """
    sequence, profile, counts = _of(contract, "sequence"), _of(contract, "profile"), _of(contract, "counts")
    if len(model.inputs) != 1 or len(model.outputs) != 2:
        raise ModelError(
            f"bias model {origin} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "it takes the sequence alone, and gives a profile and counts"
        )
    (theirs,) = model.inputs
    _check_shape(origin, "input", tuple(theirs.shape[1:]), [(sequence.width_bp,), (sequence.width_bp, 4)])
    tokens = keras.Input((sequence.width_bp,), dtype="uint8", name=sequence.name)
    taken = tokens if len(theirs.shape) == 2 else OneHotDNA(name="one_hot")(tokens)
    given = model({next(iter(model.input)): taken} if isinstance(model.input, dict) else taken)
    first, second = keras.tree.flatten(given)
    # Ours are named, theirs are a profile, then counts.
    if isinstance(given, dict) and {profile.name, counts.name} <= given.keys():
        first, second = given[profile.name], given[counts.name]
    shape = (profile.width_bp, profile.n_tracks)
    _check_shape(origin, "profile", tuple(first.shape[1:]), [shape, *([shape[:1]] if shape[1] == 1 else [])])
    _check_shape(origin, "log counts", tuple(second.shape[1:]), [(counts.n_tracks,)])
    return keras.Model({sequence.name: tokens}, {profile.name: layers.Reshape(shape)(first), counts.name: second})


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


def _check_shape(origin: str, what: str, found: tuple[int, ...], wanted: Sequence[tuple[int, ...]]) -> None:
    if found not in wanted:
        raise ModelError(
            f"bias model {origin} has {what} of shape {found}; this experiment's is {wanted[0]}: use one made for its "
            "flanks and tasks, or leave out bias.model_file to train one"
        )
