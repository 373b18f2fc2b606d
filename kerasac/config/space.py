"""Say what a study tries: values of an experiment's keys, seeds and folds."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kerasac.errors import ConfigError

SEARCHES = ("grid", "random", "tpe")
PRUNERS = ("median", "asha")
LISTED = ("grid", "choice")
RANGES = ("uniform", "loguniform", "integers", "logintegers")
_MAX_NAME = 60  # of a configuration's folder
_DIGEST = 10  # letters of it that stand for the values
_OF_SPACE = ("seeds", "folds")  # sections of an experiment that a space sets for all of its configurations

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

    def draw(self, seed: int, trial: int) -> Any:
        """Draw a trial's value, whatever other keys there are.

        Of listed values the one whose number is the lowest: a further value changes only the draws that it wins.
        Source: rendezvous hashing, Thaler & Ravishankar 1998 (IEEE/ACM Transactions on Networking 6).
        """
        if self.kind in LISTED:
            # A value that is listed twice is drawn twice as often.
            numbers = [
                _uniform(seed, trial, self.key, value, self.values[:place].count(value))
                for place, value in enumerate(self.values)
            ]
            return self.values[numbers.index(min(numbers))]
        low, high = self.values
        share = _uniform(seed, trial, self.key)
        if self.kind == "integers":
            return int(low) + int(share * (int(high) - int(low) + 1))
        if self.kind == "uniform":
            return low + share * (high - low)
        drawn = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        rounded = round(drawn) if self.kind == "logintegers" else float(f"{drawn:.4g}")
        return min(max(rounded, low), high)

    def holds(self, value: Any) -> bool:
        """Whether a value is one that the key may take."""
        if self.kind in LISTED:
            return value in self.values
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        low, high = self.values
        return bool(low <= value <= high) and (not self.kind.endswith("integers") or value == int(value))

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
        When a race is to drop what a search has not proposed yet, or what ``prune`` drops too; when an axis would give
        configurations other folds or seeds than each other, which cannot be compared.
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
        common = [axis.key for axis in self.axes if axis.key.partition(".")[0] in _OF_SPACE]
        if common:
            raise ConfigError(
                f"{', '.join(common)}: no parameter, as all configurations are compared on the same folds and seeds; "
                "the space's own seeds: and folds: say which are trained"
            )

    def limited(self, trials: int) -> Space:
        """Return the space with at most some configurations: of a grid the first ones, else as many draws."""
        if self.search != "grid":
            return replace(self, trials=trials)
        return replace(self, first=trials)

    def configurations(self) -> tuple[Trial, ...]:
        """Return what is tried, each once, in the order of the axes; the experiment as it is comes first.

        Of a ``tpe`` search only the latter: the rest depends on what comes of it.
        """
        tried: list[Values] = []
        starting: list[Values] = [{}] if self.default or not self.axes else []
        for values in [*starting, *(self._drawn() if self.search == "random" else self._grid())]:
            if values not in tried:
                tried.append(values)
        names = [_name(values) for values in tried]
        times = Counter(names)  # alike ones are told apart by their values, not by which of them comes first
        trials = [
            Trial(name if times[name] == 1 else _digest_name(values), values)
            for name, values in zip(names, tried, strict=True)
        ]
        return tuple(trials[: self.first])

    def trial(self, values: Values, before: Sequence[Trial]) -> Trial:
        """Name a configuration by its values; none of those before it has the same name."""
        name = _name(values)
        return Trial(_digest_name(values) if any(name == one.name for one in before) else name, values)

    def _grid(self) -> Iterator[Values]:
        if self.search != "grid":
            return
        for chosen in itertools.product(*(axis.values for axis in self.axes)):
            yield self._counting(dict(zip((axis.key for axis in self.axes), chosen, strict=True)))

    def _drawn(self) -> Iterator[Values]:
        for trial in range(self.trials or 0):
            # A trial's values do not depend on how many trials there are: a study can be prolonged.
            yield self._counting({axis.key: axis.draw(self.seed, trial) for axis in self.axes})

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


def _name(values: Values) -> str:
    """Return the last words of the keys, in full where two are alike, with their values; shortened where that is long.

    It depends on these values alone: a wider space must not give a finished configuration's folder to other values.
    """
    lasts = Counter(_last(key) for key in values)
    keys = {key: key if lasts[_last(key)] > 1 else _last(key) for key in values}
    name = ",".join(f"{_safe(keys[key])}={_text(value)}" for key, value in values.items()) or "default"
    return name if len(name) <= _MAX_NAME else _digest_name(values)


def _digest_name(values: Values) -> str:
    """Return how the values begin, and a digest of all of them, whatever their order."""
    text = ",".join(f"{_safe(_last(key))}={_text(values[key])}" for key in sorted(values))
    digest = hashlib.sha256(_canonical(values).encode()).hexdigest()[:_DIGEST]
    return f"{text[: _MAX_NAME - _DIGEST - 1].rstrip(',=._+-')}-{digest}"


def _uniform(*parts: Any) -> float:
    """Return a number of [0, 1) that is drawn by what it is for; of other parts another, independent one."""
    digest = hashlib.sha256(_canonical(parts).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53  # all the bits that a float holds


def _canonical(value: Any) -> str:
    """Return a value as text, the same for equal ones: 1 and 1.0, a section whatever its order."""

    def plain(one: Any) -> Any:
        if isinstance(one, Mapping):
            return {str(key): plain(item) for key, item in one.items()}
        if isinstance(one, list | tuple):
            return [plain(item) for item in one]
        return int(one) if isinstance(one, float) and one.is_integer() else one

    return json.dumps(plain(value), sort_keys=True, default=str)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _text(value: Any) -> str:
    text = (
        json.dumps(value)
        if isinstance(value, list | dict)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
    return _safe(text).strip("_")


def _safe(text: str) -> str:
    """Return what a folder's name may hold of a text."""
    return re.sub(r"[^\w.+-]+", "_", text)
