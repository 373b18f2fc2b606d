"""Name the losses of binned labels, and say which one an output has; loads no Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from kerasac.config import LossSpec
from kerasac.errors import ModelError, suggest
from kerasac.models.contract import Contract, Port

LabelLoss = Literal["crossentropy", "mse", "mae", "poisson"]

_DEFAULTS: dict[str, LabelLoss] = {"classification": "crossentropy", "regression": "mse"}


def label_loss(spec: LossSpec, port: Port) -> LabelLoss:
    """Return the loss of an output of binned labels: the one that is asked for, or its kind's own."""
    return _DEFAULTS[port.role] if spec.labels == "auto" else spec.labels


def task_factors(spec: LossSpec, port: Port) -> list[float] | None:
    """Return the factor of each of an output's tasks in its loss; None when all are 1."""
    factors = [spec.tasks.get(task, 1.0) for task in port.tasks]
    return None if all(factor == 1 for factor in factors) else factors


def check_losses(spec: LossSpec, contract: Contract) -> None:
    """Raise ModelError when a loss does not go with the outputs, or names a task that there is not."""
    known = [task for port in contract.outputs for task in port.tasks]
    for task in spec.tasks:
        if task not in known:
            raise ModelError(f"loss.tasks: there is no task {task!r}{suggest(task, known)} ({_listed(known)})")
    binned = [port for port in contract.outputs if port.role in _DEFAULTS]
    if not binned and (spec.labels != "auto" or spec.class_weights is not None):
        raise ModelError("loss.labels and loss.class_weights are of binned labels; profiles and counts have their own")
    for port in binned:
        _check_labels(spec, port)


def _check_labels(spec: LossSpec, port: Port) -> None:
    loss = label_loss(spec, port)
    if (loss == "crossentropy") != (port.role == "classification"):
        raise ModelError(
            f"loss.labels is {loss}, output {port.name} a {port.role}: a classification has crossentropy, a regression "
            "mse, mae or poisson"
        )
    if spec.class_weights is not None and loss != "crossentropy":
        raise ModelError(f"loss.class_weights weighs classes; output {port.name} is a {port.role}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))
