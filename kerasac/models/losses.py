"""Measure how far a model's profiles and counts are from the observed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from kerasac.config import LossSpec
from kerasac.models.class_weights import ClassWeights
from kerasac.models.contract import Contract, Port
from kerasac.models.layers import PACKAGE
from kerasac.models.loss_names import label_loss, task_factors
from kerasac.models.masked_losses import masked


class _ByTask(keras.losses.Loss):  # type: ignore[misc]
    """A loss whose tasks, the last axis, each have a factor; None = all 1."""

    def __init__(self, factors: Sequence[float] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.factors = None if factors is None else tuple(float(factor) for factor in factors)

    def get_config(self) -> dict[str, Any]:
        """Return what the loss is made of."""
        return {**super().get_config(), "factors": self.factors}

    def weighed(self, values: Any) -> Any:
        """Multiply values, (n, T), by the factors."""
        return values if self.factors is None else values * ops.convert_to_tensor(self.factors, dtype=values.dtype)


@keras.saving.register_keras_serializable(package=PACKAGE)
class MultinomialNLL(_ByTask):
    """Negative log-likelihood of observed counts under the softmax of logits over positions.

    ``−Σ_task factor Σ_position count · log softmax(logit)``, natural log, for counts and logits of shape (n, L, T);
    averaged over windows. The multinomial coefficient, which depends on the counts only, is left out: it has
    no gradient. Source: Avsec et al. 2021, eq. 1.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a window, shape (n,)."""
        log_probability = ops.log_softmax(y_pred, axis=1)
        by_task = -ops.sum(ops.cast(y_true, y_pred.dtype) * log_probability, axis=1)
        return ops.sum(self.weighed(by_task), axis=-1)


@keras.saving.register_keras_serializable(package=PACKAGE)
class CountsMSE(_ByTask):
    """Squared difference of predicted and observed counts, in the space of their transform, times its task's factor.

    ``1/T Σ_task factor (predicted − observed)²`` for shape (n, T); averaged over windows.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a window, shape (n,)."""
        return ops.mean(self.weighed(ops.square(y_pred - ops.cast(y_true, y_pred.dtype))), axis=-1)


def losses_of(
    contract: Contract, spec: LossSpec | None = None, classes: Mapping[str, ClassWeights] | None = None
) -> dict[str, Any]:
    """Return the loss of each output.

    Multinomial NLL for profiles and mean squared error for counts; for labels of bins, which may be ambiguous, the
    masked loss that :func:`kerasac.models.loss_names.label_loss` names, with the output's class weights if it has some.
    """
    spec = spec or LossSpec()
    return {port.name: _loss(port, spec, (classes or {}).get(port.name)) for port in contract.outputs}


def _loss(port: Port, spec: LossSpec, classes: ClassWeights | None) -> Any:
    factors = task_factors(spec, port)
    if port.role == "profile":
        return MultinomialNLL(factors)
    if port.role == "counts":
        return CountsMSE(factors)
    return masked(label_loss(spec, port), classes=classes, tasks=factors)
