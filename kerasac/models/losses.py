"""Measure how far a model's profiles and counts are from the observed ones."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasac.models.contract import Contract
from kerasac.models.layers import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class MultinomialNLL(keras.losses.Loss):  # type: ignore[misc]
    """Negative log-likelihood of observed counts under the softmax of logits over positions.

    ``−Σ_task Σ_position count · log softmax(logit)``, natural log, for counts and logits of shape (n, L, T);
    averaged over windows. The multinomial coefficient, which depends on the counts only, is left out: it has
    no gradient. Source: Avsec et al. 2021, eq. 1.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a window, shape (n,)."""
        log_probability = ops.log_softmax(y_pred, axis=1)
        return -ops.sum(ops.cast(y_true, y_pred.dtype) * log_probability, axis=(1, 2))


def losses_of(contract: Contract) -> dict[str, keras.losses.Loss]:
    """Return the loss of each output: multinomial NLL for profiles, mean squared error for counts."""
    return {
        port.name: MultinomialNLL() if port.role == "profile" else keras.losses.MeanSquaredError()
        for port in contract.outputs
    }
