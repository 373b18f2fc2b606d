"""Say what a study tries: values of an experiment's keys, seeds and folds."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kerasac.errors import ConfigError

SEARCHES = ("grid", "random", "tpe")
PRUNERS = ("median", "asha")
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
class Trial:
    """One configuration: its values by dotted key, and its folder's name; without values the experiment as it is."""

    name: str
    values: Values


@dataclass(frozen=True)
class Racing:
    """How a race drops configurations: of each level the best ``1 / eta`` go on, ``finalists`` at least.

    The first levels train ``first_epochs`` epochs of more and more folds, the last ones more and more epochs of all
    folds; None = by the experiment's own number of epochs.
    """

    eta: int = 2
    first_epochs: int | None = None
    finalists: int = 2


@dataclass(frozen=True)
class Space:
    """What a study tries.

    ``search``: ``grid`` tries every combination of the axes, ``random`` draws ``trials`` of them from ``seed``, ``tpe``
    proposes them one after the other by what is known of those before. ``race`` and ``prune`` (``median`` or ``asha``)
    give further folds to good configurations alone. ``seeds`` and ``folds`` are trained of each configuration; None =
    the experiment's own. ``objective`` is the validation metric that decides, ``windows.metric``; None = by what is
    predicted. ``default``: the experiment as it is is tried too. ``first``: so many of a grid at most.

    Raises
    ------
    ConfigError
        When a race is to drop what a search has not proposed yet, or what ``prune`` drops too.
    """

    axes: tuple[Axis, ...]
    search: str = "grid"
    trials: int | None = None
    seed: int = 0
    seeds: tuple[int, ...] | None = None
    folds: tuple[int, ...] | None = None
    objective: str | None = None
    default: bool = True
    race: Racing | None = None
    prune: str | None = None
    first: int | None = None

    def __post_init__(self) -> None:
        if self.race is not None and self.search == "tpe":
            raise ConfigError(
                "a race compares configurations that are all known from the start; with search: tpe, say prune: median"
            )
        if self.race is not None and self.prune is not None:
            raise ConfigError(f"a race and prune: {self.prune} both drop configurations; choose one")

    def limited(self, trials: int) -> Space:
        """Return the space with at most some configurations: of a grid the first ones, else as many draws."""
        if self.search != "grid":
            return replace(self, trials=trials)
        return replace(self, first=trials)

    def configurations(self) -> tuple[Trial, ...]:
        """Return what is tried, each once, in the order of the axes; the experiment as it is comes first.

        Of a ``tpe`` search only the latter: the rest depends on what comes of it.
        """
        trials: list[Trial] = []
        starting: list[Values] = [{}] if self.default or not self.axes else []
        for values in [*starting, *(self._drawn() if self.search == "random" else self._grid())]:
            if all(values != one.values for one in trials):
                trials.append(self.trial(values, trials))
        return tuple(trials[: self.first])

    def trial(self, values: Values, before: Sequence[Trial]) -> Trial:
        """Name a configuration by its values, by its number where that gets long or is not unique."""
        lasts = [axis.key.rpartition(".")[2] for axis in self.axes]
        keys = {key: key if lasts.count(last := key.rpartition(".")[2]) > 1 else last for key in values}
        name = ",".join(f"{keys[key]}={_text(value)}" for key, value in values.items()) or "default"
        if len(name) > _MAX_NAME or any(name == one.name for one in before):
            name = f"trial-{len(before):03d}"
        return Trial(name, values)

    def _grid(self) -> Iterator[Values]:
        if self.search != "grid":
            return
        for chosen in itertools.product(*(axis.values for axis in self.axes)):
            yield self._counting(dict(zip((axis.key for axis in self.axes), chosen, strict=True)))

    def _drawn(self) -> Iterator[Values]:
        for trial in range(self.trials or 0):
            # A trial's values do not depend on how many trials there are: a study can be prolonged.
            rng = np.random.default_rng([self.seed, trial])
            yield self._counting({axis.key: axis.draw(rng) for axis in self.axes})

    def _counting(self, values: Values) -> Values:
        kept: Values = {}
        for axis in self.ordered():
            if axis.counts(kept):
                kept[axis.key] = values[axis.key]
        return {axis.key: kept[axis.key] for axis in self.axes if axis.key in kept}

    def ordered(self) -> list[Axis]:
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


def _text(value: Any) -> str:
    text = (
        json.dumps(value)
        if isinstance(value, list | dict)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
    return re.sub(r"[^\w.+-]+", "_", text).strip("_")
