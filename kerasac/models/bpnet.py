"""Build BPNet."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from kerasac.models.contract import Contract, Port
from kerasac.models.layers import OneHotDNA, crop_to, dilated_residuals
from kerasac.models.registry import BPNetParameters


def build_bpnet(contract: Contract, parameters: BPNetParameters) -> keras.Model:
    """Build BPNet: sequence tokens, and control tracks if there are any, to profile logits and log counts.

    The control profile is combined with the sequence's logits base by base, the control counts with the
    pooled features, each by a linear layer.

    Returns
    -------
    keras.Model, inputs and outputs as dictionaries by port name: profile (n, width, T) logits, counts (n, T).
    """
    inputs = {port.name: _input(port) for port in contract.inputs}
    sequence, profile = _present(contract.input_of("sequence")), _present(contract.output_of("profile"))
    features = layers.Conv1D(
        parameters.filters, parameters.first_kernel, padding="valid", activation="relu", name="motifs"
    )(OneHotDNA(name="one_hot")(inputs[sequence.name]))
    features = dilated_residuals(
        features,
        filters=parameters.filters,
        n_layers=parameters.dilated_layers,
        kernel=parameters.dilated_kernel,
    )
    outputs = {
        "profile": _profile_head(features, inputs, contract, profile, parameters),
        "counts": _counts_head(features, inputs, contract, parameters),
    }
    named = {port.name: outputs[port.role] for port in contract.outputs}
    return keras.Model(inputs, named, name="bpnet")


def _input(port: Port) -> Any:
    if port.role == "sequence":
        return keras.Input((port.width_bp,), dtype="uint8", name=port.name)
    shape = (port.width_bp, port.n_tracks) if port.role == "profile" else (port.n_tracks,)
    return keras.Input(shape, name=port.name)


def _profile_head(
    features: Any, inputs: dict[str, Any], contract: Contract, profile: Port, parameters: BPNetParameters
) -> Any:
    control = contract.input_of("profile")
    name = profile.name if control is None else f"{profile.name}_of_sequence"
    needed = profile.width_bp + parameters.profile_kernel - 1
    logits = layers.Conv1D(profile.n_tracks, parameters.profile_kernel, padding="valid", dtype="float32", name=name)(
        crop_to(features, needed, name="crop_profile")
    )
    if control is None:
        return logits
    both = layers.Concatenate(name="with_control_profile")([logits, inputs[control.name]])
    return layers.Conv1D(profile.n_tracks, 1, dtype="float32", name=profile.name)(both)


def _counts_head(features: Any, inputs: dict[str, Any], contract: Contract, parameters: BPNetParameters) -> Any:
    counts, control = _present(contract.output_of("counts")), contract.input_of("counts")
    pooled = layers.GlobalAveragePooling1D(name="pooled")(features)
    if parameters.dropout:
        pooled = layers.Dropout(parameters.dropout, name="dropout")(pooled)
    if control is not None:
        pooled = layers.Concatenate(name="with_control_counts")([pooled, inputs[control.name]])
    return layers.Dense(counts.n_tracks, dtype="float32", name=counts.name)(pooled)


def _present(port: Port | None) -> Port:
    assert port is not None, "BPNetParameters.check passed without this port"
    return port
