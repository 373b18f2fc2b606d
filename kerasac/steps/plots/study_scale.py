"""Lay the values of a key out between 0 and 1: numbers to scale, all else in slots beneath them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.ticker import LogLocator, MaxNLocator

from kerasac.steps.study_values import NOT_SET, is_number, is_wide, value_text

_FEW = 7  # numbers; each has a tick of its own
_GAP = 0.075  # between ticks, that their labels stay apart
_SLOT = 0.12  # between slots beneath numbers
_MARGIN = 0.03  # above and below slots that have the axis to themselves


@dataclass(frozen=True)
class Scale:
    """Where the values of a key lie, and which of them are labelled.

    ``low`` and ``high`` are the numbers at the ends of the part from ``floor`` to 1; ``slots`` the places of other
    values, by their text. ``ticks`` are (place, text), from below.
    """

    low: float
    high: float
    floor: float
    is_log: bool
    slots: Mapping[str, float] = field(default_factory=dict)
    ticks: tuple[tuple[float, str], ...] = ()

    def place(self, value: Any) -> float:
        """Return where a value lies, from 0 to 1."""
        if not is_number(value):
            return self.slots[value_text(value)]
        if self.high == self.low:
            return (self.floor + 1) / 2
        low, high, at = (math.log(x) if self.is_log else x for x in (self.low, self.high, value))
        return self.floor + (1 - self.floor) * (at - low) / (high - low)


def scale_of(values: Sequence[Any], *, is_log: bool | None = None) -> Scale:
    """Return the scale of a key's values; numbers above 0 that span over 1.5 decades lie by their logarithms.

    Booleans, texts, lists and keys that are not set have slots in order of their text, those not set the lowest.
    """
    numbers = sorted({value for value in values if is_number(value)})
    others = sorted({value_text(value) for value in values if not is_number(value)}, key=lambda x: (x != NOT_SET, x))
    if not numbers:
        slots = _spaced(others, _MARGIN, 1 - _MARGIN)
        return Scale(0, 0, 0, False, slots, tuple(_apart([(place, text) for text, place in slots.items()])))
    span = min(0.5, _SLOT * len(others))
    slots = _spaced(others, 0.0, span - _SLOT) if len(others) > 1 else dict.fromkeys(others, 0.0)
    wide = is_wide(numbers) if is_log is None else is_log
    scale = Scale(numbers[0], numbers[-1], span, wide, slots)
    marked = [(place, text) for text, place in slots.items()]
    marked += [(scale.place(number), _number_text(number, numbers, wide)) for number in _marked(numbers, wide)]
    return Scale(scale.low, scale.high, span, wide, slots, tuple(_apart(marked)))


def _spaced(texts: Sequence[str], low: float, high: float) -> dict[str, float]:
    if len(texts) == 1:
        return {texts[0]: (low + high) / 2}
    return {text: low + (high - low) * i / (len(texts) - 1) for i, text in enumerate(texts)}


def _marked(numbers: Sequence[float], is_log: bool) -> list[float]:
    """Return the numbers that ticks stand at: each of few, else the ends and round ones between."""
    if len(numbers) <= _FEW:
        return list(numbers)
    low, high = numbers[0], numbers[-1]
    locator = LogLocator(subs=(1.0, 3.0)) if is_log else MaxNLocator(5)
    between = [float(f"{tick:.6g}") for tick in locator.tick_values(low, high) if low < tick < high]
    return [low, *between, high]


def _number_text(number: float, numbers: Sequence[float], is_log: bool) -> str:
    """Return a number as it was given where each has a tick, else as short as tells it from its neighbours."""
    if len(numbers) <= _FEW and len({f"{other:.3g}" for other in numbers}) == len(numbers):
        return f"{number:.3g}".replace("-", "−") if isinstance(number, float) else value_text(number)
    if is_log:
        return f"{number:.2g}"
    places = max(0, 1 - math.floor(math.log10(numbers[-1] - numbers[0])))
    return f"{number:.{min(places, 8)}f}".replace("-", "−")


def _apart(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Leave out ticks whose labels would touch others; the ends stay."""
    ordered = sorted(ticks)
    kept = ordered[:1]
    for tick in ordered[1:-1]:
        if tick[0] - kept[-1][0] >= _GAP and ordered[-1][0] - tick[0] >= _GAP:
            kept.append(tick)
    return kept + (ordered[-1:] if len(ordered) > 1 else [])
