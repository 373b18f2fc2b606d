"""Weigh the classes of binned labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.errors import ModelError


class ClassWeights(NamedTuple):
    """Weights of the negative and positive labels of each task, (n_tasks,) float64."""

    w0: npt.NDArray[np.float64]
    w1: npt.NDArray[np.float64]


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


def read_class_weights(path: Path, tasks: Sequence[str]) -> ClassWeights:
    """Read kerasAC's ``--w1_w0_file``: a row a task, in the tasks' order, with the weights w1 and w0.

    Raises
    ------
    ModelError
        When it is no such table, has another number of tasks, or weights that are not above 0.
    """
    try:
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise ModelError(f"loss.class_weights: {path} is no table of w1 and w0 a task ({error})") from None
    if table.shape != (len(tasks), 2):
        raise ModelError(
            f"loss.class_weights: {path} has {table.shape[0]} rows of {table.shape[1]} numbers; there are {len(tasks)} "
            f"tasks ({', '.join(tasks)}), each with w1 and w0"
        )
    if not (np.isfinite(table) & (table > 0)).all():
        raise ModelError(f"loss.class_weights: {path} has weights that are not above 0; correct it")
    return ClassWeights(table[:, 1], table[:, 0])
