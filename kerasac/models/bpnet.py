"""Build BPNet."""

from __future__ import annotations

import keras
from keras import layers

from kerasac.models.bpnet_parameters import BPNetParameters
from kerasac.models.contract import Contract
from kerasac.models.layers import dilated_residuals, inputs_of, one_hot_of
from kerasac.models.profile_heads import profile_model


def build_bpnet(contract: Contract, parameters: BPNetParameters) -> keras.Model:
    """Build BPNet: sequence tokens, and control tracks if there are any, to profile logits and log counts."""
    inputs = inputs_of(contract)
    features = layers.Conv1D(
        parameters.filters, parameters.first_kernel, padding="valid", activation="relu", name="motifs"
    )(one_hot_of(contract, inputs))
    features = dilated_residuals(
        features,
        filters=parameters.filters,
        n_layers=parameters.dilated_layers,
        kernel=parameters.dilated_kernel,
    )
    return profile_model(features, inputs, contract, parameters, name="bpnet")
