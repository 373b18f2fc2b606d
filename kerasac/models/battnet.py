"""Build BattNet."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import layers

from kerasac.models.battnet_parameters import BattNetParameters
from kerasac.models.binned_layers import activated, binned_model
from kerasac.models.contract import Contract


def build_battnet(contract: Contract, parameters: BattNetParameters) -> keras.Model:
    """Build BattNet: sequence tokens, and values of the window if there are any, to one value a task."""
    return binned_model(contract, parameters, partial(_trunk, parameters), name="battnet")


def _trunk(parameters: BattNetParameters, tensor: Any) -> Any:
    recurrent = layers.GRU(parameters.units, dropout=parameters.input_dropout, return_sequences=True, name="gru")
    positions = layers.Bidirectional(recurrent, name="both_directions")(tensor)
    weights = activated(layers.Dense(parameters.attention, name="attention")(positions), "attention", parameters)
    weights = layers.Dropout(parameters.dropout, name="attention_dropout")(weights)
    weights = layers.Dense(1, activation="relu", name="attention_score")(weights)
    weights = layers.Softmax(axis=1, name="attention_share")(weights)
    attended = layers.Dot(axes=1, name="attended")([positions, weights])
    return layers.Flatten(name="flatten")(attended)
