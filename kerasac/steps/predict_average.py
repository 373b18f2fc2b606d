"""Average the predictions of several models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit


def average(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """Return the mean of arrays of one shape, float32, added up in float64 in their order."""
    if len(arrays) == 1:
        return arrays[0].astype(np.float32, copy=False)
    total: Any = np.zeros(arrays[0].shape)
    for array in arrays:
        total += array
    mean: npt.NDArray[np.float32] = (total / len(arrays)).astype(np.float32)
    return mean


def average_probabilities(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """Return the probability at the mean logit of arrays of one shape, float32."""
    if len(arrays) == 1:
        return average(arrays)
    # What float32 rounded to 0 or 1 counts as the nearest that it can hold.
    inside = [np.clip(array.astype(np.float64), np.finfo(np.float32).tiny, 1 - 2.0**-24) for array in arrays]
    mean: Any = expit(np.mean([logit(array) for array in inside], axis=0))
    return np.asarray(mean, dtype=np.float32)
