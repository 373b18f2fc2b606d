"""Read the space of a study from YAML, or from a Python file that makes it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from kerasac.config.load import UniqueKeys
from kerasac.config.space import LISTED, PRUNERS, RANGES, SEARCHES, Axis, Racing, Space
from kerasac.errors import ConfigError, suggest

_KEYS = ("parameters", "search", "trials", "seed", "seeds", "folds", "objective", "default", "race", "prune")
_RACE_KEYS = {"eta": 2, "first_epochs": 1, "finalists": 1}  # with the least that each may be


def read_space(path: Path) -> Space:
    """Read a space from YAML, or from the ``SPACE`` of a Python file, a mapping of the same keys.

    Raises
    ------
    ConfigError
        Names every mistake: unknown keys, values that are none, ranges that are empty.
    """
    if not path.is_file():
        raise ConfigError(f"space {path} does not exist; tune/ of the repository has ready ones, its README says more")
    document = _read_python(path) if path.suffix == ".py" else _read_yaml(path)
    if not isinstance(document, Mapping):
        raise ConfigError(f"{path} holds no keys; expected some of {', '.join(_KEYS)}")
    mistakes: list[str] = []
    try:
        space = _space(document, mistakes)
    except ConfigError as error:  # of the whole, after all of its parts
        mistakes.append(str(error))
    if mistakes:
        raise ConfigError("\n".join([f"{path}:", *(f"  {mistake}" for mistake in mistakes)]))
    return space


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error


def _read_python(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("kerasac_space", path)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    if not hasattr(module, "SPACE"):
        raise ConfigError(f"{path} has no SPACE, a mapping of {', '.join(_KEYS)}")
    return module.SPACE


def _space(document: Mapping[str, Any], mistakes: list[str]) -> Space:
    mistakes += [f"unknown key {key!r}{suggest(str(key), _KEYS)}" for key in document if key not in _KEYS]
    axes = _axes(document.get("parameters") or {}, mistakes)
    ranged = [axis.key for axis in axes if axis.kind != "grid"]
    search = document.get("search", "random" if ranged else "grid")
    if search not in SEARCHES:
        mistakes.append(f"search is {search!r}; it is one of {', '.join(SEARCHES)}")
    if search == "grid" and ranged:
        mistakes.append(f"search: grid needs the values of {ranged[0]} as a grid; or say search: random and trials")
    trials = _integer(document, "trials", mistakes, least=1)
    if search in ("random", "tpe") and trials is None:
        mistakes.append(f"search: {search} needs trials, the number of configurations to draw")
    if search == "grid" and trials is not None:
        mistakes.append("trials goes with search: random or tpe; a grid tries every combination")
    if search == "tpe" and not axes:
        mistakes.append("search: tpe needs parameters to propose values of")
    return Space(
        axes=axes,
        search=search,
        trials=trials,
        seed=_integer(document, "seed", mistakes, least=0) or 0,
        seeds=_integers(document, "seeds", mistakes),
        folds=_integers(document, "folds", mistakes),
        objective=_objective(document.get("objective"), mistakes),
        default=_flag(document.get("default", True), mistakes),
        race=_race(document, mistakes),
        prune=_prune(document, mistakes),
    )


def _race(document: Mapping[str, Any], mistakes: list[str]) -> Racing | None:
    given = document.get("race", False)
    if given is False or given is None:
        return None
    if given is True:
        return Racing()
    if not isinstance(given, Mapping):
        mistakes.append(f"race is {given!r}; it is true, or some of {', '.join(_RACE_KEYS)}")
        return None
    mistakes += [f"race: unknown key {key!r}{suggest(str(key), _RACE_KEYS)}" for key in given if key not in _RACE_KEYS]
    found = {key: _integer(given, key, mistakes, least=least) for key, least in _RACE_KEYS.items()}
    return Racing(**{key: value for key, value in found.items() if value is not None})


def _prune(document: Mapping[str, Any], mistakes: list[str]) -> str | None:
    given = document.get("prune")
    if given is not None and given not in PRUNERS:
        mistakes.append(f"prune is {given!r}; it is one of {', '.join(PRUNERS)}")
        return None
    return None if given is None else str(given)


def _axes(parameters: Any, mistakes: list[str]) -> tuple[Axis, ...]:
    if not isinstance(parameters, Mapping):
        mistakes.append("parameters is no section of keys, as model.filters: {grid: [32, 64]}")
        return ()
    axes = [axis for key, given in parameters.items() if (axis := _axis(str(key), given, mistakes)) is not None]
    keys = {axis.key for axis in axes}
    for axis in axes:
        unknown = [key for key in axis.when if key not in keys]
        mistakes += [f"{axis.key}: when names {key!r}, which is no parameter{suggest(key, keys)}" for key in unknown]
    return tuple(axes)


def _axis(key: str, given: Any, mistakes: list[str]) -> Axis | None:
    kinds = (*LISTED, *RANGES)
    if isinstance(given, list):
        given = {"grid": given}
    named = [kind for kind in kinds if isinstance(given, Mapping) and kind in given]
    if len(named) != 1:
        mistakes.append(f"{key}: expected one of {', '.join(kinds)}, as {{grid: [1, 2]}} (found {given!r:.60})")
        return None
    (kind,) = named
    mistakes += [
        f"{key}: unknown key {other!r}{suggest(str(other), (*kinds, 'when'))}"
        for other in given
        if other not in (kind, "when")
    ]
    values = given[kind]
    if not isinstance(values, list) or not values:
        mistakes.append(f"{key}: {kind} needs a list of values (found {values!r:.60})")
        return None
    if kind in RANGES and (fault := _range_fault(kind, values)):
        mistakes.append(f"{key}: {fault}")
        return None
    when = given.get("when") or {}
    if not isinstance(when, Mapping):
        mistakes.append(f"{key}: when is no section, as {{model.architecture: [bpnet]}}")
        return None
    allowed = {str(other): tuple(v) if isinstance(v, list) else (v,) for other, v in when.items()}
    return Axis(key, kind, tuple(values), allowed)


def _range_fault(kind: str, values: Sequence[Any]) -> str:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(values) != 2 or len(numbers) != 2:
        hint = "; YAML reads 1e-4 as text, 1.0e-4 as a number" if any(isinstance(v, str) for v in values) else ""
        return f"{kind} needs two numbers, the least and the greatest (found {list(values)!r:.60}{hint})"
    if not numbers[0] < numbers[1]:
        return f"{kind} needs the least number first (found {values!r})"
    if kind.startswith("log") and numbers[0] <= 0:
        return f"{kind} needs numbers above 0 (found {values!r})"
    if kind.endswith("integers") and any(number != int(number) for number in numbers):
        return f"{kind} needs whole numbers (found {values!r})"
    return ""


def _integer(document: Mapping[str, Any], key: str, mistakes: list[str], *, least: int) -> int | None:
    value = document.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        mistakes.append(f"{key} is {value!r}; it is a whole number of at least {least}")
        return None
    return value


def _integers(document: Mapping[str, Any], key: str, mistakes: list[str]) -> tuple[int, ...] | None:
    values = document.get(key)
    if values is None:
        return None
    listed = values if isinstance(values, list) else [values]
    if not listed or any(isinstance(value, bool) or not isinstance(value, int) or value < 0 for value in listed):
        mistakes.append(f"{key} is {values!r}; it is a list of whole numbers, as [0, 1, 2]")
        return None
    return tuple(dict.fromkeys(listed))


def _flag(value: Any, mistakes: list[str]) -> bool:
    if not isinstance(value, bool):
        mistakes.append(f"default is {value!r}; it is true or false")
    return bool(value)


def _objective(value: Any, mistakes: list[str]) -> str | None:
    if value is not None and not (isinstance(value, str) and re.fullmatch(r"\w+\.\w+", value)):
        mistakes.append(f"objective is {value!r}; it is a metric of a window set, as peaks.jsd_distance_mean")
        return None
    return value
