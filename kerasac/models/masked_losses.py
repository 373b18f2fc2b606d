"""Measure how far a model's values of bins are from their labels, leaving out ambiguous ones.

Every loss takes labels and predictions, (n, n_tasks), where a label of NaN is ambiguous, and returns their mean over
all other labels of the batch, a scalar; 0 when there are none. kerasAC's ``ambig_*`` losses are the same means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import ops

from kerasac.models.class_weights import ClassWeights
from kerasac.models.loss_names import LabelLoss

Loss = Callable[[Any, Any], Any]


def masked(name: LabelLoss, *, classes: ClassWeights | None = None, tasks: Any = None) -> Loss:
    """Return a loss by name.

    ``crossentropy``: of labels 0 and 1, natural log, where predictions are probabilities. Where they are a sigmoid's
    output, as in training, Keras computes it from the logits: exact for any logit; other probabilities are cut to
    1e-7 … 1 - 1e-7. ``mse``, ``mae``: squared and absolute differences. ``poisson``: negative log-likelihood of counts
    under a Poisson whose **log rate** is predicted, exp(prediction) - label·prediction, without the term that has no
    gradient; a log rate may have any sign, so a model without a last activation can give it. (kerasAC's
    ``ambig_log_poisson`` takes the logarithm of the output, and the mask as labels.)

    Parameters
    ----------
    classes
        Weights by class and task: the term of a label y of task t is times y·w1[t] + (1 - y)·w0[t], and the sum is
        divided by the number of labels, not by that of weights. Source: kerasAC,
        ``get_weighted_binary_crossentropy``.
    tasks
        A factor a task, (n_tasks,), in the same way.
    """
    elementwise = _ELEMENTWISE[name]
    factors = None if tasks is None else np.asarray(tasks, dtype=np.float32)
    w0, w1 = (None, None) if classes is None else (weights.astype(np.float32) for weights in classes)

    def loss(y_true: Any, y_pred: Any) -> Any:
        y_true = ops.cast(y_true, y_pred.dtype)
        labelled = ops.logical_not(ops.isnan(y_true))
        # NaN is replaced before the loss too: masked after it alone, its gradient would be 0 times NaN.
        labels = ops.where(labelled, y_true, 0.0)
        values = elementwise(labels, y_pred)
        if w0 is not None:
            values = (labels * w1 + (1 - labels) * w0) * values
        if factors is not None:
            values = factors * values
        total = ops.sum(ops.where(labelled, values, 0.0))
        return total / ops.maximum(ops.cast(n_labelled(y_true), y_pred.dtype), 1.0)

    loss.__name__ = f"masked_{name}"
    return loss


def n_labelled(labels: Any) -> Any:
    """Count the labels that are not ambiguous, a float32 scalar."""
    return ops.sum(ops.cast(ops.logical_not(ops.isnan(labels)), "float32"))


_ELEMENTWISE: Mapping[LabelLoss, Loss] = {
    "crossentropy": ops.binary_crossentropy,
    "mse": lambda label, value: ops.square(value - label),
    "mae": lambda label, value: ops.abs(value - label),
    "poisson": lambda label, value: ops.exp(value) - label * value,
}
