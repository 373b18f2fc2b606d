"""Say what the values of varied keys are, and how they read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

NOT_SET = "not set"
"""How the value is shown of a key that a configuration leaves as the experiment has it."""
_WIDE_DECADES = 1.5


def value_text(value: Any) -> str:
    """Return a value of a key as a table shows it: ``0.001``, ``auto``, ``[1, 2]``."""
    if value is None:
        return NOT_SET
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {value_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return str(value)


def values_text(values: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return the values that a configuration sets: ``model.filters 64, loss.counts auto``."""
    given = [f"{key} {value_text(values[key])}" for key in keys if values.get(key) is not None]
    return ", ".join(given) or "every key as the experiment has it"


def is_number(value: Any) -> bool:
    """Whether a value can be put to scale."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_wide(numbers: Sequence[float]) -> bool:
    """Whether numbers are told apart by their ratios rather than their differences: above 0, over 1.5 decades."""
    return min(numbers) > 0 and math.log10(max(numbers) / min(numbers)) > _WIDE_DECADES
