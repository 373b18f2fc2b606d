"""Measure how far a model's profiles and counts are from the observed ones."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasac.models.contract import Contract, Role
from kerasac.models.layers import PACKAGE
from kerasac.models.masked_losses import masked_binary_crossentropy, masked_mse


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


def losses_of(contract: Contract) -> dict[str, Any]:
    """Return the loss of each output.

    Multinomial NLL for profiles and mean squared error for counts; for labels of bins, which may be ambiguous, masked
    cross-entropy for a classification and masked squared error for a regression.
    """
    losses: dict[Role, Any] = {
        "profile": MultinomialNLL(),
        "counts": keras.losses.MeanSquaredError(),
        "classification": masked_binary_crossentropy,
        "regression": masked_mse,
    }
    return {port.name: losses[port.role] for port in contract.outputs}
