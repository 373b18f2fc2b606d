"""Write the experiment file that a training of kerasAC in a shell script means."""

from __future__ import annotations

import json
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


@dataclass(frozen=True)
class Migration:
    """An experiment file, and the files that it names, by their names."""

    text: str
    document: dict[str, Any]
    beside: dict[str, str] = field(default_factory=dict)


def migrate(script: Path, *, number: int | None = None, lookups: Lookups | None = None) -> Migration:
    """Translate a training of a script; its relative paths are relative to the script's folder.

    Raises
    ------
    ConfigError
        When it calls no training, or several that differ and ``number`` (from 1) does not say which.
    """
    found = read_script(script)
    trainings = [one for one in found if one.command.name in TRAINING]
    if not trainings:
        raise ConfigError(f"{script} calls neither {' nor '.join(TRAINING)}; an experiment is what they train")
    if number is not None and not 1 <= number <= len(trainings):
        raise ConfigError(f"{script} has {len(trainings)} trainings; there is no number {number}")
    if number is None and len(trainings) > 1:
        lines = [f"  {i}: line {one.line}, {one.name}" for i, one in enumerate(trainings, start=1)]
        raise ConfigError("\n".join([f"{script} has {len(trainings)} trainings; say which with --number:", *lines]))
    chosen = trainings[(number or 1) - 1]
    others = [one for one in found if one is not chosen and one.command.name not in TRAINING]
    return _migrated(chosen, others, script, lookups or Lookups())


def _migrated(found: FoundCommand, others: Sequence[FoundCommand], script: Path, lookups: Lookups) -> Migration:
    found, unset = _without_unset(found)
    given = _read(found, script)
    fixed = None if found.command.name == TRAINING[0] else ChosenFold(table_fold(0), SCHEME)
    translation = training_translation(given, lookups, base=script.parent, chosen=fixed)
    document, beside = _document(given, translation, found, script.parent)
    make_experiment(document, base=script.parent.absolute(), origin=f"{script}, line {found.line}")
    remarks = [
        f"From {script.name}, line {found.line}: {found.name}",
        "Relative paths are relative to this file; it belongs where the script runs, or say --data FOLDER.",
        *_of_folds(given, translation, found),
        *(f"--{name}: {word.written} is not set in the script" for name, word in unset.items()),
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
    given: Given, translation: Translation, found: FoundCommand, base: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    document, beside = dict(translation.document), {}
    document["name"] = _name(found)
    seeds = _loop_of(found, "seed")
    if seeds:
        document["seeds"] = [int(seed) for seed in seeds]
    if translation.chosen.scheme is None:
        beside[FOLD_FILE] = json.dumps({"0": translation.chosen.fold.as_dict()}, indent=1) + "\n"
    else:
        folds = [int(fold) for fold in _loop_of(found, "fold")]
        if folds and sorted(folds) == list(range(len(folds))):
            document["folds"] = {**document["folds"], "n": len(folds)}
    if translation.own is not None:
        beside[OWN_FILE] = own_source(base / translation.own)
        document["model"] = {"architecture": f"{OWN_FILE}:build", "flags": flags_of(given)}
    return document, beside


def _of_folds(given: Given, translation: Translation, found: FoundCommand) -> list[str]:
    """Say which fold the command trains, and which the experiment has."""
    looped = _loop_of(found, "fold")
    if looped:
        return [f"The script's loop trains folds {', '.join(looped)}."]
    if translation.chosen.scheme is None or given.whole("fold") is None:
        return []
    return [f"The command trains fold {given.whole('fold')}; cv trains all folds of the table."]


def _without_unset(found: FoundCommand) -> tuple[FoundCommand, dict[str, Word]]:
    """Put a value in the place of a fold or seed that the script does not set; return what they were."""
    unset = {}
    for name in _DEFAULTS:
        word = found.given(name)
        if word is not None and word.variable is not None and "$" in word.value:
            unset[name] = word
    words = list(found.words)
    for name, word in unset.items():
        words[next(i for i, one in enumerate(words) if one is word)] = replace(word, value=_DEFAULTS[name])
    return replace(found, words=tuple(words)), unset


def _loop_of(found: FoundCommand, flag: str) -> tuple[str, ...]:
    """Return the values of the loop whose variable a flag is given."""
    word = found.given(flag)
    return () if word is None or word.variable is None else found.loops.get(word.variable, ())


def _name(found: FoundCommand) -> str:
    """Name the experiment by the prefix of the model, without the fold's number."""
    prefix = found.given("model_prefix") or found.given("model_hdf5")
    if prefix is None:
        raise ConfigError(f"{found.name} needs --model_prefix")
    fold = found.given("fold")
    if fold is not None and fold.variable is not None:
        plain = [prefix.written.replace(text, "") for text in (f"${fold.variable}", f"${{{fold.variable}}}")]
        without = min(plain, key=len)
        if without != prefix.written:
            named = without if "$" not in Path(without).name else prefix.value.removesuffix(fold.value)
            return experiment_name(named.rstrip("._-"))
    return experiment_name(prefix.value)
