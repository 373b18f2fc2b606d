"""What every way of explaining windows gives, and what it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]


class Explained(NamedTuple):
    """Hypothetical contributions of windows to one target.

    ``hypothetical`` (n, L, 4) float32: what each base would contribute if it were there. ``error`` (n,) float32: by how
    much the contributions miss what they are to add up to, see :class:`Engine`; 0 where nothing is to be met.
    """

    hypothetical: FloatArray
    error: FloatArray


class Engine(Protocol):
    """Explains at most ``n_windows`` windows at a time, for all of its targets.

    ``error`` of DeepSHAP is the greatest, over the references of a window, of the difference between the sum of
    multipliers × (window - reference) and the change that it is to be: for counts and values that of the output, for
    profiles ``sum ½(p_x + p_ref)(z_x - z_ref)``, p the softmax of the logits z less their mean.
    """

    @property
    def n_windows(self) -> int:
        """Most windows at a time."""

    def explain(self, rows: FloatArray, references: FloatArray, others: Mapping[str, Array]) -> list[Explained]:
        """Explain rows (n, L, 4) with references (n, r, L, 4) and further inputs (n, …), a result a target."""


def joined(parts: Sequence[list[Explained]]) -> list[Explained]:
    """Put windows explained one after the other together, target by target."""
    return [
        Explained(np.concatenate([one.hypothetical for one in target]), np.concatenate([one.error for one in target]))
        for target in zip(*parts, strict=True)
    ]
