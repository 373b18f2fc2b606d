"""Write the experiment file that a training of kerasAC in a shell script means."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from kerasac.cli.original.experiment import FOLD_FILE, Translation, experiment_name, training_translation
from kerasac.cli.original.flags import Given, read_flags
from kerasac.cli.original.folds import SCHEME, ChosenFold, table_fold
from kerasac.cli.original.lookups import Lookups
from kerasac.cli.original.own_architecture import OWN_FILE, flags_of, own_source
from kerasac.cli.original.scripts import FoundCommand, Word, read_script
from kerasac.config import make_experiment
from kerasac.errors import ConfigError

TRAINING = ("kerasAC_train", "kerasAC_cross_validate")
_DEFAULTS = {"fold": "0", "seed": "1234"}  # where a variable is not set in the script
_NAMED_BY = ("model_prefix", "model_hdf5")
_UNSET = re.compile(r"\$(?:\w+|[@*#]|\{[^}]*\}|\(\(?[^()]*\)?\))")


@dataclass(frozen=True)
class Migration:
    """An experiment file, and the files that it names, by their names."""

    text: str
    document: dict[str, Any]
    beside: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Training:
    """The runs of one training: the same but for folds, seeds and the model's name.

    ``unset`` are the folds and seeds that the script does not set, with the words that stand for them.
    """

    runs: tuple[FoundCommand, ...]
    unset: dict[str, Word] = field(default_factory=dict)

    @property
    def first(self) -> FoundCommand:
        return self.runs[0]

    def values_of(self, flag: str) -> list[str]:
        """Return the different values of a flag, in order."""
        words = [word.value for one in self.runs if (word := one.given(flag)) is not None]
        return [value for value in dict.fromkeys(words) if value != "None"]


def migrate(script: Path, *, number: int | None = None, lookups: Lookups | None = None) -> Migration:
    """Translate a training of a script; its relative paths are relative to the script's folder.

    Raises
    ------
    ConfigError
        When it calls no training, or several that differ and ``number`` (from 1) does not say which; when its folds or
        seeds are known only to who runs the script.
    """
    found = read_script(script)
    trainings = _trainings([one for one in found if one.command.name in TRAINING])
    if not trainings:
        raise ConfigError(
            f"{script} calls neither {' nor '.join(TRAINING)}; an experiment is what they train. "
            "What is in quotes, in a here-document or after another command is not seen"
        )
    if number is not None and not 1 <= number <= len(trainings):
        raise ConfigError(f"{script} has {len(trainings)} trainings; there is no number {number}")
    if number is None and len(trainings) > 1:
        lines = [f"  {i}: line {one.first.line}, {one.first.name}" for i, one in enumerate(trainings, start=1)]
        told = [f"{line}{_difference(one, trainings)}" for line, one in zip(lines, trainings, strict=True)]
        raise ConfigError("\n".join([f"{script} has {len(trainings)} trainings; say which with --number:", *told]))
    training = _with_defaults(trainings[(number or 1) - 1], script)
    return _migrated(training, [one for one in found if one.command.name not in TRAINING], script, lookups or Lookups())


def _trainings(found: Sequence[FoundCommand]) -> list[_Training]:
    """Put together the runs of loops over folds and seeds."""
    groups: dict[Any, list[FoundCommand]] = {}
    for one in found:
        groups.setdefault((one.line, one.name, _flags(one)), []).append(one)
    return [_Training(tuple(runs)) for runs in groups.values()]


def _flags(found: FoundCommand) -> tuple[tuple[str, ...], ...]:
    """Return each flag with its values, but for folds, seeds, the model's name and what has no meaning here."""
    left = {*_DEFAULTS, *_NAMED_BY, *(name for flag in found.command.flags if flag.idle for name in flag.names)}
    flags: list[list[str]] = [[]]
    for word in found.arguments:
        if word.startswith("--"):
            flags.append([])
        flags[-1].append(word)
    return tuple(tuple(words) for words in flags if words and words[0].removeprefix("--") not in left)


def _difference(one: _Training, trainings: Sequence[_Training]) -> str:
    """Return the flags that a training of a loop does not share with the loop's others."""
    others = [_flags(other.first) for other in trainings if other is not one and other.first.line == one.first.line]
    own = [" ".join(words) for words in _flags(one.first) if any(words not in other for other in others)]
    return f": {', '.join(own)}" if own else ""


def _migrated(training: _Training, others: Sequence[FoundCommand], script: Path, lookups: Lookups) -> Migration:
    found = training.first
    given, *_ = [_read(one, script) for one in training.runs]
    fixed = None if found.command.name == TRAINING[0] else ChosenFold(table_fold(0), SCHEME)
    translation = training_translation(given, lookups, base=script.parent, chosen=fixed)
    document, beside = _document(given, translation, training, script.parent)
    make_experiment(document, base=script.parent.absolute(), origin=f"{script}, line {found.line}")
    remarks = [
        f"From {script.name}, line {found.line}: {found.name}",
        "Relative paths are relative to this file; it belongs where the script runs, or say --data FOLDER.",
        *_of_folds(given, translation, training),
        *_of_variables(training),
        *given.remarks,
        *translation.remarks,
        *(f"{name} goes beside this file; --out writes it" for name in beside),
        *dict.fromkeys(f"{one.name} (line {one.line}): kerasac-ray {one.command.instead}" for one in others),
    ]
    comments = "".join(f"# {line}\n" for remark in remarks for line in remark.splitlines())
    return Migration(comments + yaml.safe_dump(document, sort_keys=False, width=100), document, beside)


def _read(found: FoundCommand, script: Path) -> Given:
    """Read a command's flags; what is wrong is told with its line, and with variables that the script does not set."""
    try:
        return read_flags(found.name, found.command.flags, found.arguments)
    except ConfigError as error:
        unset = dict.fromkeys(word.value for word in found.words if "$" in word.value)
        said = f"; the script does not set {', '.join(unset)}: put in what it stands for" if unset else ""
        raise ConfigError(f"{script}, line {found.line}: {error}{said}") from None


def _document(
    given: Given, translation: Translation, training: _Training, base: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    document, beside = dict(translation.document), {}
    document["name"] = _name(training)
    folds, seeds = ([int(value) for value in training.values_of(flag)] for flag in ("fold", "seed"))
    if seeds:
        document["seeds"] = seeds
    for fold in folds:
        table_fold(fold)
    if translation.chosen.scheme is None:
        beside[FOLD_FILE] = json.dumps({"0": translation.chosen.fold.as_dict()}, indent=1) + "\n"
    elif len(folds) > 1 and sorted(folds) == list(range(len(folds))):
        document["folds"] = {**document["folds"], "n": len(folds)}
    if translation.own is not None:
        beside[OWN_FILE] = own_source(base / translation.own)
        document["model"] = {"architecture": f"{OWN_FILE}:build", "flags": flags_of(given)}
    return document, beside


def _of_folds(given: Given, translation: Translation, training: _Training) -> list[str]:
    """Say which fold the command trains, and which the experiment has."""
    folds = training.values_of("fold")
    if translation.chosen.scheme is None or given.whole("fold") is None:
        return []
    if len(folds) == 1:
        return [f"The command trains fold {folds[0]}; cv trains all folds of the table."]
    more = "" if sorted(map(int, folds)) == list(range(len(folds))) else "; cv trains all folds of the table"
    return [f"The script's loop trains folds {', '.join(folds)}{more}."]


def _of_variables(training: _Training) -> list[str]:
    """Say what the script does not set, and what it sets under a condition."""
    found = training.first
    said = [
        f"--{flag}: {word.value} is not set in the script; {_DEFAULTS[flag]} is put in"
        for flag, word in training.unset.items()
    ]
    named = [Path(word.value).name for flag in _NAMED_BY if (word := found.given(flag)) is not None]
    kept = [*named, *(word for words in _flags(found) for word in words)]
    left = dict.fromkeys(part for word in kept for part in _UNSET.findall(word))
    for word in training.unset.values():
        left.pop(word.value, None)
    if left:
        sets = {part: found.unknown.get(part.strip("${}")) for part in left}
        shown = [f"{part} ({sets[part]})" if sets[part] else part for part in left]
        said.append(f"{', '.join(shown)}: not set in the script; put in what it stands for")
    used = {name for word in found.words for name in re.findall(r"\$\{?(\w+)", word.written)}
    return said + [
        f"${name} is set under a condition; {found.values[name]} is taken"
        for name in sorted(used & found.conditional & set(found.values))
    ]


def _with_defaults(training: _Training, script: Path) -> _Training:
    """Put a value in the place of a fold or seed that the script does not set, and check that those of loops are known.

    Raises
    ------
    ConfigError
        When a loop's folds or seeds are known only to who runs the script, or not every fold is trained with every
        seed.
    """
    unset = {}
    for flag, default in _DEFAULTS.items():
        for one in training.runs:
            word = one.given(flag)
            if word is None or not _UNSET.search(word.value):
                continue
            construct = one.unknown.get(word.variable or "")
            if construct is not None or len(training.runs) > 1:
                raise ConfigError(
                    f"{script}, line {one.line}: --{flag} is {word.value}{f' of {construct!r}' if construct else ''}, "
                    f"which only running the script tells; write the values into the loop (for {flag} in 0 1 2), "
                    f"or set --{flag} by hand"
                )
            unset[flag] = word
            words = tuple(replace(other, value=default) if other is word else other for other in one.words)
            training = _Training((replace(one, words=words),))
    pairs = {tuple(word.value if (word := one.given(flag)) else "" for flag in _DEFAULTS) for one in training.runs}
    folds, seeds = (training.values_of(flag) for flag in _DEFAULTS)
    if len(pairs) < max(len(folds), 1) * max(len(seeds), 1):
        raise ConfigError(
            f"{script}, line {training.first.line}: not every fold ({', '.join(folds)}) is trained with every seed "
            f"({', '.join(seeds)}), as an experiment does; set --fold or --seed by hand"
        )
    return replace(training, unset=unset)


def _name(training: _Training) -> str:
    """Name the experiment by the prefix of the model, without the fold's number and the seed."""
    found = training.first
    prefix = next((word for flag in _NAMED_BY if (word := found.given(flag)) is not None), None)
    if prefix is None:
        raise ConfigError(f"{found.name} needs --model_prefix")
    numbers = [word for flag in _DEFAULTS if (word := found.given(flag)) is not None]
    names = [word.variable for word in numbers if word.variable is not None]
    left = _UNSET.sub("", found.without(prefix, names)).rstrip("._-")
    if left and not left.endswith("/") and left != prefix.value.rstrip("._-"):
        return experiment_name(left)
    # The variable may be in another one: prefix=out/K562.$fold
    plain = {
        "".join(Path(word.value).name.rsplit(number.value, 1)).rstrip("._-")
        for one in training.runs
        if (number := one.given("fold")) and (word := next(filter(None, map(one.given, _NAMED_BY)), None))
    }
    several = len(training.values_of("fold")) > 1 and len(plain) == 1
    return experiment_name(plain.pop() if several else _UNSET.sub("", prefix.value))
