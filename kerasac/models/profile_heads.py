"""Build the heads that models of profiles and counts share."""

from __future__ import annotations

from typing import Any, Protocol

import keras
from keras import layers

from kerasac.models.contract import Contract, Port
from kerasac.models.layers import crop_to


class HeadParameters(Protocol):
    """What the heads can be set to."""

    @property
    def profile_kernel(self) -> int:
        """Positions of the convolution that gives the profile."""

    @property
    def dropout(self) -> float:
        """Share of the pooled features dropped while training."""


def profile_model(
    features: Any, inputs: dict[str, Any], contract: Contract, parameters: HeadParameters, *, name: str
) -> keras.Model:
    """Return the model that ends features (n, positions, filters) in profile logits and log counts.

    The control profile is combined with the sequence's logits base by base, the control counts with the
    pooled features, each by a linear layer.

    Returns
    -------
    keras.Model, inputs and outputs as dictionaries by port name: profile (n, width, T) logits, counts (n, T).
    """
    outputs = {
        "profile": _profile(features, inputs, contract, parameters),
        "counts": _counts(features, inputs, contract, parameters),
    }
    return keras.Model(inputs, {port.name: outputs[port.role] for port in contract.outputs}, name=name)


def _profile(features: Any, inputs: dict[str, Any], contract: Contract, parameters: HeadParameters) -> Any:
    profile, control = _present(contract.output_of("profile")), contract.input_of("profile")
    name = profile.name if control is None else f"{profile.name}_of_sequence"
    needed = profile.width_bp + parameters.profile_kernel - 1
    logits = layers.Conv1D(profile.n_tracks, parameters.profile_kernel, padding="valid", dtype="float32", name=name)(
        crop_to(features, needed, name="crop_profile")
    )
    if control is None:
        return logits
    both = layers.Concatenate(dtype="float32", name="with_control_profile")([logits, inputs[control.name]])
    return layers.Conv1D(profile.n_tracks, 1, dtype="float32", name=profile.name)(both)


def _counts(features: Any, inputs: dict[str, Any], contract: Contract, parameters: HeadParameters) -> Any:
    counts, control = _present(contract.output_of("counts")), contract.input_of("counts")
    pooled = layers.GlobalAveragePooling1D(name="pooled")(features)
    if parameters.dropout:
        pooled = layers.Dropout(parameters.dropout, name="dropout")(pooled)
    if control is not None:
        pooled = layers.Concatenate(dtype="float32", name="with_control_counts")([pooled, inputs[control.name]])
    return layers.Dense(counts.n_tracks, dtype="float32", name=counts.name)(pooled)


def _present(port: Port | None) -> Port:
    assert port is not None, "the parameters' check passed without this port"
    return port
