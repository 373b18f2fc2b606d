"""Read what other tools left of a training: parameters, epochs, metrics and files of a chrombpnet or bpnet folder."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from kerasac.errors import RunError

ForeignKind = Literal["chrombpnet", "bpnet"]
Epochs = list[tuple[int, dict[str, float]]]  # metrics by step

_LOOKED_FOR: Mapping[str, tuple[str, ...]] = {
    "chrombpnet": (
        "logs/*model_params.tsv",
        "logs/*.args.json",
        "logs/*chrombpnet.log",
        "logs/*bias.log",
        "*chrombpnet_model_params.tsv",
        "*bias_model_params.tsv",
        "models/*chrombpnet*.h5",
    ),
    "bpnet": (
        "config.gin",
        "config.gin.json",
        "hparams.yaml",
        "hparams.yml",
        "evaluation.valid.json",
        "*.log",
        "*.torch",
    ),
}
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "chrombpnet": (
        "logs/*chrombpnet*_params.tsv",
        "*chrombpnet*_params.tsv",
        "logs/*_params.tsv",
        "*_params.tsv",
        "logs/*.args.json",
        "*.args.json",
    ),
    "bpnet": (
        "config.gin.json",
        "note_params.json",
        "config.json",
        "params.json",
        "*fit*.json",
        "hparams.yaml",
        "hparams.yml",
    ),
}
_EPOCHS: Mapping[str, tuple[str, ...]] = {
    "chrombpnet": ("logs/*.log", "*.log"),
    "bpnet": ("*.log", "history.csv"),
}
_METRICS: Mapping[str, tuple[str, ...]] = {
    "chrombpnet": ("evaluation/*metrics.json", "*metrics.json"),
    "bpnet": ("evaluation.*.json", "*metrics.json", "*performance*.tsv"),
}
_FILES: Mapping[str, tuple[str, ...]] = {
    "chrombpnet": ("logs/*", "models/*.h5", "evaluation/*.*", "*.h5", "*.log", "*.json", "*.tsv", "*.png"),
    "bpnet": (
        "*.json",
        "*.y*ml",
        "*.gin",
        "*.log",
        "*.csv",
        "*.tsv",
        "*.torch",
        "*.h5",
        "*.png",
        "*.html",
        "figures/*",
    ),
}
_EPOCH, _ITERATION = "epoch", "iteration"


@dataclass(frozen=True)
class ForeignRun:
    """What a folder says of a training.

    ``metrics`` are those of the trained model, ``files`` what is worth keeping.
    """

    kind: ForeignKind
    folder: Path
    parameters: dict[str, Any] = field(default_factory=dict)
    epochs: Epochs = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


def read_foreign_run(folder: Path, kind: ForeignKind | None = None) -> ForeignRun:
    """Read an output folder of chrombpnet or of bpnet (kundajelab's or bpnet-lite); the kind is found when not given.

    Raises
    ------
    RunError
        When the folder is not there, holds nothing that either tool leaves, or a file in it cannot be read.
    """
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder; name the output folder of a chrombpnet or bpnet training")
    kind = kind or _kind_of(folder)
    tables = {path: rows for path in _found(folder, _EPOCHS[kind]) if (rows := _epoch_rows(path))}
    run = ForeignRun(
        kind,
        folder,
        parameters=_parameters(_found(folder, _PARAMETERS[kind])),
        epochs=[row for path, rows in tables.items() for row in _named(path, rows, is_only=len(tables) == 1)],
        metrics=_metrics(_found(folder, _METRICS[kind])),
        files=_found(folder, _FILES[kind]),
    )
    if not (run.parameters or run.epochs or run.metrics):
        raise RunError(f"{folder} holds no parameters, epochs or metrics of {kind}; looked for {_listed(kind)}")
    return run


def _kind_of(folder: Path) -> ForeignKind:
    for kind in get_args(ForeignKind):
        candidates = _found(folder, _LOOKED_FOR[kind])
        if any(path.suffix != ".log" or _epoch_rows(path) for path in candidates):
            found: ForeignKind = kind
            return found
    listed = "; ".join(f"of {kind}: {_listed(kind)}" for kind in _LOOKED_FOR)
    raise RunError(f"{folder} is of no known kind; looked for files {listed}; name the training's own output folder")


def _listed(kind: str) -> str:
    return ", ".join(_LOOKED_FOR[kind])


def _found(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files that match, each once, in the order of the patterns."""
    paths = (path for pattern in patterns for path in sorted(folder.glob(pattern)))
    return list(dict.fromkeys(path for path in paths if path.is_file()))


def _parameters(paths: Iterable[Path]) -> dict[str, Any]:
    """Return the parameters of all files; what a later one says otherwise is named by it: ``bias.filters``."""
    parameters: dict[str, Any] = {}
    for path in paths:
        stem = _clean(re.sub(r"_?(model_|data_)?params$", "", path.stem))
        for name, value in _flat(_document(path)):
            name = _clean(name)
            if str(parameters.setdefault(name, value)) != str(value):
                parameters.setdefault(f"{stem}.{name}" if stem else name, value)
    return parameters


def _document(path: Path) -> Any:
    text = _text(path)
    try:
        if path.suffix == ".tsv":
            pairs = [line.split("\t", 1) for line in text.splitlines() if "\t" in line]
            return {name: value.strip() for name, value in pairs}
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        kind = path.suffix.removeprefix(".").upper()
        raise RunError(f"{path} is not {kind} ({str(error).splitlines()[0]}); mend or remove it") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read as text ({error}); mend or remove it") from error


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a document: a nested key is named with dots."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, value


def _metrics(paths: Iterable[Path]) -> dict[str, float]:
    """Return the numbers of all files; of several, each is named by its file: ``chrombpnet.counts_metrics.…``."""
    metrics: dict[str, float] = {}
    for path in paths:
        document = _table_row(path) if path.suffix == ".tsv" else _document(path)
        stem = _clean(re.sub(r"_?metrics$", "", path.stem))
        for name, value in _flat(document):
            if (number := _number(value)) is not None:
                metrics[_clean(f"{stem}.{name}" if stem else name)] = number
    return metrics


def _table_row(path: Path) -> dict[str, str]:
    rows = list(csv.DictReader(_text(path).splitlines(), delimiter="\t"))
    return rows[0] if rows else {}


def _epoch_rows(path: Path) -> Epochs:
    """Return a log's rows by step, none when it is not a table of epochs.

    Keras counts epochs from 0, and so does bpnet-lite: epoch 0 is step 1. A log with several rows an epoch (of
    bpnet-lite, one a validation) is by iteration.
    """
    lines = _text(path).splitlines()
    delimiter = "\t" if lines and "\t" in lines[0] else ","
    header = [_clean(name).lower() for name in lines[0].split(delimiter)] if lines else []
    if _EPOCH not in header or len(header) < 2:
        return []
    rows = [dict(zip(header, line, strict=False)) for line in csv.reader(lines[1:], delimiter=delimiter)]
    numbers = [{name: n for name, value in row.items() if (n := _number(value)) is not None} for row in rows]
    numbers = [row for row in numbers if _EPOCH in row]
    if len({row[_EPOCH] for row in numbers}) == len(numbers):
        return [(int(row[_EPOCH]) + 1, _shown(row)) for row in numbers]
    steps = [int(row.get(_ITERATION, i + 1)) for i, row in enumerate(numbers)]
    return [(step, {**_shown(row), _EPOCH: row[_EPOCH] + 1}) for step, row in zip(steps, numbers, strict=True)]


def _shown(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in (_EPOCH, _ITERATION)}


def _named(path: Path, rows: Epochs, *, is_only: bool) -> Epochs:
    """Put a log's name before its metrics, where there are several."""
    if is_only:
        return rows
    return [(step, {f"{_clean(path.stem)}.{name}": value for name, value in row.items()}) for step, row in rows]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None or (isinstance(value, str) and value in ("True", "False")):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _clean(name: str) -> str:
    """Write a name with what MLflow takes: letters, digits, ``_ - . /``."""
    return re.sub(r"[^\w./-]+", "_", name.strip()).strip("_")
