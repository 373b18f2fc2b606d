"""Read an experiment file, override its keys, and explain what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kerasac.config.specs import Experiment, Spec
from kerasac.errors import ConfigError, suggest


def load_experiment(path: Path, *, overrides: Sequence[str] = (), data_folder: Path | None = None) -> Experiment:
    """Read an experiment file, apply ``key.sub=value`` overrides, and check every key.

    Relative paths in it are relative to the file's folder, or to ``data_folder``.

    Raises
    ------
    ConfigError
        Names every unknown key (with the nearest known one) and every value that does not fit.
    """
    document, base = read_document(path, data_folder=data_folder)
    return make_experiment(apply_overrides(document, overrides), base=base, origin=str(path))


def read_document(path: Path, *, data_folder: Path | None = None) -> tuple[dict[str, Any], Path]:
    """Read the keys of an experiment file, unchecked, and the folder that its relative paths are relative to.

    Raises
    ------
    ConfigError
        When the file is missing or is no YAML of keys.
    """
    if not path.is_file():
        raise ConfigError(f"experiment file {path} does not exist; `kerasac-ray init > {path.name}` writes one")
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} holds no keys; `kerasac-ray init` prints an example")
    if data_folder is not None and not data_folder.is_dir():
        raise ConfigError(f"--data {data_folder} is not a folder")
    return document, (data_folder or path.parent).resolve()


class UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping that names a key twice, where plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make the mapping of a node."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def make_experiment(document: Mapping[str, Any], *, base: Path, origin: str) -> Experiment:
    """Check a document of keys and values; see :func:`load_experiment`."""
    try:
        return Experiment.model_validate(dict(document), context={"base": base})
    except ValidationError as error:
        lines = _explain(error.errors())
        raise ConfigError("\n".join([f"{origin}:", *(f"  {line}" for line in lines)])) from error


def apply_overrides(document: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return the document with ``model.filters=32`` or ``inputs.0.flank=500`` set; values are read as YAML.

    An item of a list is named by its number or its ``name``: ``inputs.sequence.flank=500``.
    """
    pairs = []
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {override!r} is not of the form key.sub=value")
        pairs.append((key, _read_value(text, override)))
    return with_values(document, pairs)


def with_values(document: Mapping[str, Any], pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the document with dotted keys set to values; see :func:`apply_overrides`."""
    # Through JSON rather than deepcopy: what a YAML anchor shares must not change together.
    changed: dict[str, Any] = json.loads(json.dumps(document, default=str))
    for key, value in pairs:
        *parents, last = (part.strip() for part in key.split("."))
        section: Any = changed
        for part in parents:
            section = _child(section, part, key)
        section[_place(section, last, key)] = value
    return changed


def _child(section: Any, part: str, key: str) -> Any:
    """Return a section's sub-section, made when it is not there."""
    place = _place(section, part, key)
    if isinstance(section, dict) and section.get(place) is None:
        section[place] = {}
    child = section[place]
    if not isinstance(child, dict | list):
        raise ConfigError(f"{key}: {part} is the value {child!r}, not a section")
    return child


def _place(section: Any, part: str, key: str) -> str | int:
    """Return a section's key as it is, or the position of a list's item by its number or its ``name``."""
    if isinstance(section, dict):
        return part
    names = [item.get("name") if isinstance(item, dict) else None for item in section]
    if part in names:
        return names.index(part)
    if part.isdigit() and int(part) < len(section):
        return int(part)
    known = suggest(part, filter(None, names))
    raise ConfigError(f"{key}: no item {part!r} in a list of {len(section)}{known}")


def _read_value(text: str, override: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override!r}: the value is not YAML; quote it") from error


def _explain(details: Iterable[ErrorDetails]) -> list[str]:
    """Put pydantic's errors into our words; those of a union's branches become one line."""
    lines: list[str] = []
    by_key: dict[str, list[str]] = {}
    for detail in details:
        if detail["type"] == "too_short" and detail["input"]:
            continue  # the items are there, but were refused by lines of their own
        keys, spec = _walk(detail["loc"])
        where = ".".join(keys)
        if detail["type"] == "extra_forbidden" and spec is not None:
            section = f" in {'.'.join(keys[:-1])}" if keys[1:] else ""
            lines.append(f"unknown key {keys[-1]!r}{section}{suggest(keys[-1], spec.model_fields)}")
        elif detail["type"] == "missing":
            lines.append(f"{where} is missing")
        else:
            by_key.setdefault(where, []).append(_message(detail))
    for where, messages in by_key.items():
        text = ", or ".join(dict.fromkeys(messages))
        lines.append(f"{where}: {text}" if where else text)
    return lines


def _walk(location: Iterable[int | str]) -> tuple[list[str], type[Spec] | None]:
    """Return the keys of an error's place, and the section there (or around it, when its last key is unknown)."""
    keys: list[str] = []
    spec: type[Spec] | None = Experiment
    for part in location:
        if isinstance(part, int):
            keys.append(str(part))
        elif spec is not None:  # else it is not a key, but pydantic's name for a branch of a union
            keys.append(part)
            if part in spec.model_fields:
                spec = _spec_in(spec.model_fields[part].annotation)
    return keys, spec


# For the types of errors where pydantic speaks of Python rather than of the file.
_WORDS = {
    "model_type": "expected a section of keys",
    "tuple_type": "expected a list",
    "too_short": "expected at least one",
    "string_pattern_mismatch": "use letters, digits, '_' and '-' only",
}


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return re.sub(r"^Value error, ", "", detail["msg"])
    message = _WORDS.get(detail["type"], detail["msg"].replace("Input should be", "expected"))
    return f"{message} (found {detail['input']!r:.80})"


def _spec_in(annotation: Any) -> type[Spec] | None:
    """Find the spec class inside ``X | None``, ``tuple[X, ...]`` or ``X``."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    return next(filter(None, map(_spec_in, get_args(annotation))), None)
