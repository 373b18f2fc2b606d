"""Transform counts a window as models are trained on them, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kerasac.errors import ScoreError

# From a count to the transformed one; p is the pseudocount.
_DO: dict[str, Callable[[npt.NDArray[np.float64], float], npt.NDArray[np.float64]]] = {
    "none": lambda count, p: count,
    "log": lambda count, p: np.log(count + p),
    "log10": lambda count, p: np.log10(count + p),
    "log1p": lambda count, p: np.log1p(count),
    "asinh": lambda count, p: np.arcsinh(count),
}
# From a transformed count back to the count; p is the pseudocount.
_UNDO: dict[str, Callable[[npt.NDArray[np.float64], float], npt.NDArray[np.float64]]] = {
    "none": lambda value, p: value,
    "log": lambda value, p: np.exp(value) - p,
    "log10": lambda value, p: 10.0**value - p,
    "log1p": lambda value, p: np.expm1(value),
    "asinh": lambda value, p: np.sinh(value),
}

TRANSFORMS: Sequence[str] = tuple(_UNDO)


class CountSpace(Protocol):
    """How counts a window were transformed."""

    @property
    def transform(self) -> str:
        """The name of the transform."""

    @property
    def pseudocount(self) -> float:
        """What was added before a logarithm."""


def counts_of(values: npt.NDArray[Any], space: CountSpace) -> npt.NDArray[np.float64]:
    """Undo the transform of counts; never below 0.

    Raises
    ------
    ScoreError
        For a transform that cannot be undone.
    """
    if space.transform not in _UNDO:
        raise ScoreError(f"the transform {space.transform!r} cannot be undone, so there are no expected counts")
    return np.maximum(_UNDO[space.transform](values.astype(np.float64), space.pseudocount), 0.0)


def log1p_counts(values: npt.NDArray[Any], space: CountSpace) -> npt.NDArray[np.float64]:
    """Return log(1 + count) of transformed counts; what is that already stays as it is, also below 0.

    Raises
    ------
    ScoreError
        For a transform that cannot be undone.
    """
    if space.transform == "log1p" or (space.transform == "log" and space.pseudocount == 1):
        return values.astype(np.float64)
    return np.log1p(counts_of(values, space))


def transformed(counts: npt.NDArray[Any], space: CountSpace) -> npt.NDArray[np.float64]:
    """Transform counts as those of a file are."""
    if space.transform not in _DO:
        raise ScoreError(f"the transform {space.transform!r} is not one of counts a window")
    return _DO[space.transform](counts.astype(np.float64), space.pseudocount)


def name_counts(space: CountSpace) -> str:
    """Name what counts a window are in: ``log(count + 1)``."""
    spaces = {
        "none": "counts",
        "log": f"log(count + {space.pseudocount:g})",
        "log10": f"log10(count + {space.pseudocount:g})",
        "log1p": "log(count + 1)",
        "asinh": "asinh(count)",
    }
    return spaces.get(space.transform, f"{space.transform} of counts")
