"""Read runs, single models and other tools' summaries as configurations that can be set side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from kerasac.errors import ScoreError
from kerasac.steps.aggregate import Listed, read_file_table, read_scores_file
from kerasac.steps.metric_summary import fold_of, unit_order
from kerasac.steps.summary import Summary, read_units, summarize_units

Kind = Literal["profile windows", "bins of classes", "bins of values"]

_FOLD = re.compile(r"(?i)(?<![a-z0-9])fold[._-]?(\d+)(?![a-z0-9])")  # not of kfold5, scaffold1
_UNIT = re.compile(r"fold-\d+/seed-\d+")
_ENDINGS = (".summary.txt", "_metrics.json", ".json", ".txt")
_INCIDENTAL = ("name", "compute", "tracking")  # keys of an experiment that do not change its models


@dataclass(frozen=True)
class Configuration:
    """One way to train, and the scores of its models."""

    name: str
    path: Path
    scores: Mapping[str, Mapping[str, Any]]
    """What scores.json holds, by unit (``fold-0/seed-1234``) in the order of folds and seeds."""
    splits: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    """Chromosomes of ``train``, ``valid`` and ``test``, by fold (``fold-0``), where they are known."""
    missing: tuple[str, ...] = ()
    """Units that the run should have and that have no scores."""
    experiment: Mapping[str, str] = field(default_factory=dict)
    """Values of the experiment's keys (``model.filters``), as text."""
    versions: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def summary(self) -> Summary:
        """Metrics over the units, task mean."""
        return summarize_units(self.scores)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in the order of the first unit."""
        return tuple(dict.fromkeys(task for scores in self.scores.values() for task in scores.get("tasks", {})))

    @property
    def kind(self) -> Kind:
        """What was scored."""
        if not self.summary.is_binned:
            return "profile windows"
        return "bins of classes" if self.summary.get("all", "auroc") else "bins of values"


@dataclass
class _Part:
    """Units found in one place; ``home`` is what they have in common, and names the configuration."""

    home: Path
    units: dict[str, dict[str, Any]]
    missing: tuple[str, ...] = ()


def read_configurations(paths: Sequence[Path]) -> tuple[Configuration, ...]:
    """Read what each path holds; units of one run that are named one by one are one configuration.

    A path is a run folder, a folder or file of one unit's scores.json, a summary of kerasAC or chrombpnet, or a table
    of those (see :func:`kerasac.steps.aggregate.read_file_table`). In the paths of other tools' files, the last
    ``fold_3``, ``fold3`` and the like says the fold. A run without any scores is kept, without units; configurations of
    the same name are told apart by the folders they lie in.

    Raises
    ------
    ScoreError
        When a path is none of these or given twice, or nothing is scored.
    """
    merged: dict[Path, _Part] = {}
    for path in paths:
        for part in _parts(path):
            _merge(merged, part)
    if not any(part.units for part in merged.values()):
        named = ", ".join(str(path) for path in paths)
        raise ScoreError(f"{named}: no fold-*/seed-*/scores.json yet; run the cross-validation first")
    names = _names(list(merged))
    return tuple(_configuration(names[home], part) for home, part in merged.items())


def differing_keys(configurations: Sequence[Configuration]) -> dict[str, list[str]]:
    """Values of the experiment keys in which configurations differ, one for each; – where a file lacks the key."""
    return _differing([configuration.experiment for configuration in configurations])


def differing_versions(configurations: Sequence[Configuration]) -> dict[str, list[str]]:
    """Versions of software that differ between configurations, one for each."""
    return _differing([configuration.versions for configuration in configurations])


def _parts(path: Path) -> list[_Part]:
    if path.is_dir():
        return [_folder_part(path.resolve())]
    if not path.exists():
        raise ScoreError(f"{path} does not exist; name a run folder or a scores file")
    listed = read_file_table(path)
    return [_file_part(path.resolve())] if listed is None else [_listed_part(row, path) for row in listed]


def _folder_part(folder: Path) -> _Part:
    if (folder / "scores.json").is_file():
        return _file_part(folder / "scores.json")
    is_run = any((folder / name).exists() for name in ("experiment.yaml", "folds.json"))
    units = dict(read_units(folder))
    if not units and not is_run:
        raise ScoreError(f"{folder} is no run folder: it has neither experiment.yaml nor fold-*/seed-*/scores.json")
    missing = sorted((unit for unit in _expected(folder) if unit not in units), key=unit_order)
    return _Part(folder, units, tuple(missing))


def _file_part(path: Path) -> _Part:
    """One model's scores: of a run, when they lie in fold-*/seed-*; else the fold is in the name, or not known."""
    scores = read_scores_file(path)
    if path.name == "scores.json":
        unit = f"{path.parent.parent.name}/{path.parent.name}"
        is_unit = _UNIT.fullmatch(unit) is not None
        return _Part(path.parents[2] if is_unit else path.parent, {unit if is_unit else path.parent.name: scores})
    fold = next(iter(_FOLD.findall(str(path))[::-1]), None)  # the last: a run's name may have one too
    # A file may name its fold twice, as fold_0/out.fold0.summary.txt does.
    home = Path(_FOLD.sub(lambda found: "fold" if found[1] == fold else found[0], str(path)))
    for ending in _ENDINGS:
        if home.name.endswith(ending):
            home = home.with_name(home.name.removesuffix(ending))
            break
    return _Part(home, {path.name if fold is None else f"fold-{fold}": scores})


def _listed_part(row: Listed, table: Path) -> _Part:
    """A line of a table: its columns ``fold`` and ``seed`` say the unit, the others name the configuration."""
    if not row.path.is_file():
        raise ScoreError(f"{table} lists {row.path}, which is no file; paths are relative to the table's folder")
    part = _file_part(row.path.resolve())
    facts = {name.lower(): value for name, value in row.facts.items()}
    fold, seed = (facts.pop(name, "") for name in ("fold", "seed"))
    unit = f"fold-{fold.removeprefix('fold-')}" if fold else next(iter(part.units))
    unit += f"/seed-{seed}" if seed else ""
    named = " ".join(value.replace("/", "-") for value in facts.values())
    return _Part(Path(named) if named else part.home, {unit: next(iter(part.units.values()))})


def _merge(merged: dict[Path, _Part], part: _Part) -> None:
    into = merged.setdefault(part.home, _Part(part.home, {}))
    twice = sorted(into.units.keys() & part.units.keys())
    if twice or (into.missing and part.missing):
        raise ScoreError(f"{(twice or part.missing)[0]} of {part.home} is given twice; name each run once")
    into.units |= part.units
    into.missing += part.missing


def _configuration(name: str, part: _Part) -> Configuration:
    provenance = _read_json(part.home / "provenance.json")
    return Configuration(
        name=name,
        path=part.home,
        scores={unit: part.units[unit] for unit in sorted(part.units, key=unit_order)},
        splits=_splits(part),
        missing=part.missing,
        experiment=_experiment(part.home),
        versions={key: str(value) for key, value in provenance.get("versions", {}).items()},
    )


def _names(homes: Sequence[Path]) -> dict[Path, str]:
    """The last part of each path, and as many before it as tell it from the others."""
    names = {}
    for home in homes:
        others = [other for other in homes if other != home]
        for depth in range(1, len(home.parts) + 1):
            tail = home.parts[-depth:]
            if not any(other.parts[-depth:] == tail for other in others):
                break
        names[home] = "/".join(tail)
    return names


def _expected(folder: Path) -> list[str]:
    """The units that folds.json and the experiment's seeds promise."""
    seeds = _read_yaml(folder / "experiment.yaml").get("seeds") or []
    return [f"fold-{fold}/seed-{seed}" for seed in seeds for fold in _read_json(folder / "folds.json")]


def _splits(part: _Part) -> dict[str, Mapping[str, Sequence[str]]]:
    """Splits of each fold by the run's table, or by the units themselves, which know what they were trained on."""
    table = part.home / "folds.json"
    splits = {f"fold-{fold}": _split(split, table) for fold, split in _read_json(table).items()}
    for unit in part.units:
        marker = part.home / unit / "unit.json"
        split = _read_json(marker).get("split")
        if split:
            splits[fold_of(unit)] = _split(split, marker)
    return splits


def _split(split: Any, path: Path) -> Mapping[str, Sequence[str]]:
    if not isinstance(split, Mapping) or not split.get("train") or not split.get("test"):
        raise ScoreError(f"{path} has a fold without train or test chromosomes; restore it, or run again")
    return split


def _experiment(home: Path) -> dict[str, str]:
    settings = {key: value for key, value in _read_yaml(home / "experiment.yaml").items() if key not in _INCIDENTAL}
    return {key: str(value) for key, value in _flat(settings).items() if value is not None}


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of a nested mapping, keys joined by dots; lists of plain values are leaves."""
    if isinstance(value, Mapping):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list) and any(isinstance(inner, Mapping | list) for inner in value):
        items = [(str(i), inner) for i, inner in enumerate(value)]
    else:
        return {prefix: ", ".join(map(str, value)) if isinstance(value, list) else value}
    return {k: v for key, inner in items for k, v in _flat(inner, f"{prefix}.{key}" if prefix else key).items()}


def _differing(each: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    keys = dict.fromkeys(key for one in each for key in one)
    values = {key: [one.get(key, "–") for one in each] for key in keys}
    return {key: found for key, found in values.items() if len(set(found)) > 1}


def _read_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing when there is no such file."""
    return _parsed(path, json.loads)


def _read_yaml(path: Path) -> dict[str, Any]:
    return _parsed(path, yaml.safe_load)


def _parsed(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        raise ScoreError(f"{path} is damaged ({error.__class__.__name__}); restore it, or run again") from None
    return found if isinstance(found, dict) else {}
