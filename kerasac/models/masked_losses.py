"""Measure how far a model's values of bins are from their labels, leaving out ambiguous ones.

Every loss takes labels and predictions, (n, n_tasks), where a label of NaN is ambiguous, and returns their mean over
all other labels of the batch, a scalar; 0 when there are none. kerasAC's ``ambig_*`` losses are the same means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from keras import ops

from kerasac.errors import ModelError

Loss = Callable[[Any, Any], Any]


class ClassWeights(NamedTuple):
    """Weights of the negative and positive labels of each task, (n_tasks,) float64."""

    w0: npt.NDArray[np.float64]
    w1: npt.NDArray[np.float64]


def masked_binary_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """Cross-entropy of labels 0 and 1, natural log; ``y_pred`` are probabilities.

    Where they are a sigmoid's output, as in training, Keras computes it from the logits: exact for any logit. Other
    probabilities are cut to 1e-7 … 1 - 1e-7.
    """
    return _mean_over_labelled(ops.binary_crossentropy, y_true, y_pred)


def weighted_binary_crossentropy(w0: Sequence[float], w1: Sequence[float]) -> Loss:
    """Return the cross-entropy with each label's term times the weight of its class and task.

    The factor of a label y of task t is y·w1[t] + (1 - y)·w0[t], and the sum is divided by the number of labels, not by
    that of weights. Source: kerasAC, ``get_weighted_binary_crossentropy``.
    """
    negative, positive = np.asarray(w0, dtype=np.float32), np.asarray(w1, dtype=np.float32)

    def weighted(y_true: Any, y_pred: Any) -> Any:
        weights = y_true * positive + (1 - y_true) * negative
        return weights * ops.binary_crossentropy(y_true, y_pred)

    def masked_weighted_binary_crossentropy(y_true: Any, y_pred: Any) -> Any:
        return _mean_over_labelled(weighted, y_true, y_pred)

    return masked_weighted_binary_crossentropy


def masked_mse(y_true: Any, y_pred: Any) -> Any:
    """Squared difference."""
    return _mean_over_labelled(lambda label, value: ops.square(value - label), y_true, y_pred)


def masked_mae(y_true: Any, y_pred: Any) -> Any:
    """Absolute difference."""
    return _mean_over_labelled(lambda label, value: ops.abs(value - label), y_true, y_pred)


def masked_poisson(y_true: Any, y_pred: Any) -> Any:
    """Negative log-likelihood of counts under a Poisson whose **log rate** is ``y_pred``: exp(y_pred) - y_true·y_pred.

    log(y_true!), which has no gradient, is left out. The log rate is what a model without a last activation can give:
    it may have any sign. (kerasAC's ``ambig_log_poisson`` takes the logarithm of the output, and the mask as labels.)
    """
    return _mean_over_labelled(lambda label, value: ops.exp(value) - label * value, y_true, y_pred)


def class_weights(labels: npt.NDArray[np.floating[Any]], tasks: Sequence[str] | None = None) -> ClassWeights:
    """Weigh the classes of each task alike: w1 = n / number of ones, w0 = n / number of zeros.

    ``labels`` (n, n_tasks) are 0, 1 or NaN; n counts all rows, also the ambiguous ones, so that each class of each task
    has weight n in all. Source: kerasAC, ``get_weights``.

    Raises
    ------
    ModelError
        When a task has no ones or no zeros, and so no weight for them.
    """
    ones, zeros = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    names = tasks or [f"task {i}" for i in range(labels.shape[1])]
    for missing, counts in (("positive", ones), ("negative", zeros)):
        lacking = [name for name, count in zip(names, counts, strict=True) if not count]
        if lacking:
            raise ModelError(
                f"{', '.join(lacking)} has no {missing} among {len(labels):,} bins, so its classes cannot be weighed; "
                "leave it out of the output's source, train on more chromosomes, or do without class weights"
            )
    return ClassWeights(len(labels) / zeros, len(labels) / ones)


def _mean_over_labelled(loss: Loss, y_true: Any, y_pred: Any) -> Any:
    """Mean of an elementwise loss over the labels that are no NaN."""
    y_true = ops.cast(y_true, y_pred.dtype)
    labelled = ops.logical_not(ops.isnan(y_true))
    # NaN is replaced before the loss too: masked after it alone, its gradient would be 0 times NaN.
    values = loss(ops.where(labelled, y_true, 0.0), y_pred)
    n_labelled = ops.sum(ops.cast(labelled, y_pred.dtype))
    return ops.sum(ops.where(labelled, values, 0.0)) / ops.maximum(n_labelled, 1.0)
