"""Say what a study tries: values of an experiment's keys, seeds and folds."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasac.errors import ConfigError

SEARCHES = ("grid", "random")
LISTED = ("grid", "choice")
RANGES = ("uniform", "loguniform", "integers", "logintegers")
_MAX_NAME = 60  # of a configuration's folder

Values = dict[str, Any]


@dataclass(frozen=True)
class Axis:
    """The values that one key may take, and when it counts.

    ``kind``: ``grid`` (each value is tried) or ``choice`` (one is drawn) of ``values``; ``uniform``, ``loguniform``,
    ``integers`` or ``logintegers`` between two ``values``, both included. ``when``: other keys and the values they must
    have; else this key is left as the experiment has it.
    """

    key: str
    kind: str
    values: tuple[Any, ...]
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value."""
        if self.kind in LISTED:
            return self.values[int(rng.integers(len(self.values)))]
        low, high = self.values
        if self.kind == "integers":
            return int(rng.integers(low, high + 1))
        if self.kind == "uniform":
            return float(rng.uniform(low, high))
        drawn = math.exp(rng.uniform(math.log(low), math.log(high)))
        rounded = round(drawn) if self.kind == "logintegers" else float(f"{drawn:.4g}")
        return min(max(rounded, low), high)

    def counts(self, values: Mapping[str, Any]) -> bool:
        """Whether the key is set beside these values of others."""
        return all(values.get(key) in allowed for key, allowed in self.when.items())


@dataclass(frozen=True)
class Configuration:
    """One set of values, by dotted key, and the name of its folder; without values the experiment as it is."""

    name: str
    values: Values


@dataclass(frozen=True)
class Space:
    """What a study tries.

    ``search``: ``grid`` tries every combination of the axes, ``random`` draws ``trials`` of them from ``seed``.
    ``seeds`` and ``folds`` are trained of each configuration; None = the experiment's own. ``objective`` is the
    validation metric that decides, ``windows.metric``; None = by what is predicted. ``default``: the experiment as it
    is is tried too.
    """

    axes: tuple[Axis, ...]
    search: str = "grid"
    trials: int | None = None
    seed: int = 0
    seeds: tuple[int, ...] | None = None
    folds: tuple[int, ...] | None = None
    objective: str | None = None
    default: bool = True

    def configurations(self) -> tuple[Configuration, ...]:
        """Return what is tried, each once, in the order of the axes; the experiment as it is comes first."""
        found: list[Values] = [{}] if self.default or not self.axes else []
        for values in self._grid() if self.search == "grid" else self._drawn():
            if values not in found:
                found.append(values)
        return tuple(Configuration(name, values) for name, values in zip(_names(found), found, strict=True))

    def _grid(self) -> Iterator[Values]:
        for chosen in itertools.product(*(axis.values for axis in self.axes)):
            yield self._counting(dict(zip((axis.key for axis in self.axes), chosen, strict=True)))

    def _drawn(self) -> Iterator[Values]:
        for trial in range(self.trials or 0):
            # A trial's values do not depend on how many trials there are: a study can be prolonged.
            rng = np.random.default_rng([self.seed, trial])
            yield self._counting({axis.key: axis.draw(rng) for axis in self.axes})

    def _counting(self, values: Values) -> Values:
        kept: Values = {}
        for axis in self._ordered():
            if axis.counts(kept):
                kept[axis.key] = values[axis.key]
        return {axis.key: kept[axis.key] for axis in self.axes if axis.key in kept}

    def _ordered(self) -> list[Axis]:
        """Return the axes so that what one depends on comes before it."""
        ordered: list[Axis] = []
        waiting = list(self.axes)
        while waiting:
            known = {axis.key for axis in ordered}
            ready = [axis for axis in waiting if set(axis.when) <= known]
            if not ready:
                raise ConfigError(f"{', '.join(axis.key for axis in waiting)}: each has a when that waits for another")
            ordered += ready
            waiting = [axis for axis in waiting if axis not in ready]
        return ordered


def _names(found: Sequence[Values]) -> list[str]:
    """Name configurations by their values, by their number where that gets long or is not unique."""
    lasts = [key.rpartition(".")[2] for key in dict.fromkeys(key for values in found for key in values)]
    names = []
    for number, values in enumerate(found):
        keys = {key: key if lasts.count(last := key.rpartition(".")[2]) > 1 else last for key in values}
        name = ",".join(f"{keys[key]}={_text(value)}" for key, value in values.items()) or "default"
        names.append(name if len(name) <= _MAX_NAME else f"trial-{number:03d}")
    return [f"{name}-{i}" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _text(value: Any) -> str:
    text = (
        json.dumps(value)
        if isinstance(value, list | dict)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
    return re.sub(r"[^\w.+-]+", "_", text).strip("_")
