"""Translate kerasAC's flags for files of labelled bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasac.cli.original.flags import Given
from kerasac.cli.original.lookups import Lookups
from kerasac.errors import ConfigError, suggest

SEQUENCE = "seq"
OUTPUT = "labels"


def bin_sections(given: Given, kind: str | None, base: Path, lookups: Lookups) -> tuple[dict[str, Any], list[str]]:
    """Return labels, inputs, outputs and sampling of an experiment of bins, and remarks.

    ``kind`` is what the labels are to the model; where it is None their values decide.
    """
    train, valid = _labels(given)
    found = lookups.labels(base / train)
    if given.whole("num_outputs") not in (None, 1):
        raise ConfigError(f"--num_outputs is {given.whole('num_outputs')}; models of bins have one output here")
    tasks, columns = _columns(given, found.tasks, base, lookups)
    for task in tasks:
        if task not in found.tasks:
            raise ConfigError(f"{train} has no task {task!r}{suggest(task, found.tasks)}")
    sampling, remarks = _sampling(given)
    if kind is None:
        classes = lookups.are_classes(base / train, tasks)
        kind = "classification" if classes else "regression"
        values = "0, 1 or NaN" if classes else "others than 0, 1 and NaN"
        remarks.append(f"--architecture_from_file: a {kind}, as the labels of {train} are {values}")
    return {
        "labels": {"train": train, **({"valid": valid} if valid else {})},
        "inputs": _inputs(given, found.width_bp, columns, base, lookups),
        "outputs": [{"name": OUTPUT, "source": tasks, "kind": kind}],
        "sampling": sampling,
    }, remarks


def _columns(
    given: Given, known: Sequence[str], base: Path, lookups: Lookups
) -> tuple[list[str], dict[int, list[str]]]:
    """Return the tasks of the labels, and the columns of files of values by the place of their input.

    kerasAC's older versions have the tasks with spaces between them, the later ones with commas, and after a space the
    columns of the next input. A word is of an input where its file has such columns, or the labels have none.
    """
    words = [value.split(",") for value in _column_names(given)]
    sources = _sources(given)
    tasks: list[str] = []
    of_inputs: dict[int, list[str]] = {}
    for place, names in enumerate(words):
        if place < len(sources) and sources[place] != SEQUENCE:
            there = set(lookups.labels(base / sources[place]).tasks)
            if there.issuperset(names) or (place and not set(known).issuperset(names)):
                of_inputs[place] = names
        if not place or place not in of_inputs:
            tasks += names
    return tasks or list(known), of_inputs


def _labels(given: Given) -> tuple[str, str | None]:
    """Return the file of training labels, and that of validation where it is another."""
    train = _indexed(
        _only(given, "output_train_path") or _only(given, "output_data_path"),
        given.text("index_train_path") or given.text("index_data_path"),
    )
    valid = _indexed(_only(given, "output_valid_path"), given.text("index_valid_path"))
    found = train or _data_path(given)
    if found is None:
        raise ConfigError(f"{given.command} needs labels of bins: --output_data_path")
    return found, valid if valid != found else None


def _indexed(labels: str | None, index: str | None) -> str | None:
    """Return the file of labels, which is that of the bins to take; here no other file chooses them."""
    if labels and index and index != labels:
        raise ConfigError(f"{index} chooses bins of {labels}; here a file has the bins that it lists: cut the file")
    return labels or index


def _sources(given: Given) -> tuple[str, ...]:
    return given.texts("input_train_path") or given.texts("input_data_path") or (SEQUENCE,)


def _inputs(
    given: Given, width_bp: int, columns: Mapping[int, list[str]], base: Path, lookups: Lookups
) -> list[dict[str, Any]]:
    sources = _sources(given)
    held_out = given.texts("input_valid_path") or sources
    wanted = given.whole("num_inputs")
    if wanted is not None and wanted != len(sources):
        raise ConfigError(f"--num_inputs is {wanted}, but {len(sources)} are named: {', '.join(sources)}")
    if len(held_out) != len(sources):
        raise ConfigError(f"--input_valid_path names {len(held_out)} inputs, --input_train_path {len(sources)}")
    inputs = []
    for place, (source, other) in enumerate(zip(sources, held_out, strict=True)):
        if source == SEQUENCE:
            inputs.append({"name": "sequence", "source": SEQUENCE, "flank": width_bp // 2})
            continue
        names = columns.get(place) or list(lookups.labels(base / source).tasks)
        valid = {"valid_file": other} if other != source else {}
        inputs.append({"name": f"values-{place}" if place > 1 else "values", "source": names, "file": source, **valid})
    return inputs


def _sampling(given: Given) -> tuple[dict[str, Any], list[str]]:
    """Return the sampling section.

    kerasAC's n thresholds cut bins into n parts, from each threshold to the next and from the last on, and its n - 1
    ratios are the shares of all parts but the last. Here thresholds cut off the parts above the first one.
    """
    thresholds = given.numbers("upsample_thresh_list_train")
    remarks = []
    bins: dict[str, Any] = {}
    if thresholds:
        bins = {"thresholds": list(thresholds[1:]), "ratios": _shares(given, "train", thresholds)}
        held_out = given.numbers("upsample_thresh_list_eval")
        if held_out:
            if held_out != thresholds:
                raise ConfigError(
                    "--upsample_thresh_list_eval differs from --upsample_thresh_list_train; give both alike"
                )
            bins["valid_ratios"] = _shares(given, "eval", thresholds)
        remarks.append(f"bins below {thresholds[0]:g} are drawn with those of the first part")
    elif given.numbers("upsample_ratio_list_train") or given.numbers("upsample_ratio_list_eval"):
        bins, remarks = _positives(given)
    sizes = {"train_size": given.whole("num_train"), "valid_size": given.whole("num_valid")}
    return {"bins": bins, **sizes, "reverse_complement": given.is_on("revcomp")}, remarks


def _positives(given: Given) -> tuple[dict[str, Any], list[str]]:
    """Return the share of positive bins, as --train_upsample of older versions has it."""
    train, held_out = (given.numbers(f"upsample_ratio_list_{split}") for split in ("train", "eval"))
    if len(train) != 1 or len(held_out) > 1:
        raise ConfigError(
            "without --upsample_thresh_list_train a share is that of bins of 1 or more: give --train_upsample one, and "
            "--valid_upsample at most one"
        )
    bins = {"thresholds": [1.0], "ratios": list(train)}
    if held_out:
        bins["valid_ratios"] = list(held_out)
    return bins, [f"--train_upsample {train[0]:g}: that share of the bins of an epoch has a label of 1 or more"]


def _shares(given: Given, split: str, thresholds: Sequence[float]) -> list[float]:
    ratios = given.numbers(f"upsample_ratio_list_{split}")
    n = len(thresholds) - 1
    if not ratios:
        ratios = (1 / n,) * n if n else ()
    if len(ratios) != n:
        raise ConfigError(
            f"--upsample_ratio_list_{split} has {len(ratios)} values for {len(thresholds)} thresholds; it has one less"
        )
    return [*ratios[1:], round(1 - sum(ratios), 12)] if n else []


def _column_names(given: Given) -> tuple[str, ...]:
    return given.texts("hdf5_tasks") or given.texts("tasks") or given.texts("index_tasks")


def _only(given: Given, name: str) -> str | None:
    paths = given.texts(name)
    if len(set(paths)) > 1:
        raise ConfigError(f"--{name} names {len(paths)} files; models of bins have one output here")
    return paths[0] if paths else None


def _data_path(given: Given) -> str | None:
    return given.text("data_path") if any(flag.name == "data_path" for flag in given.flags) else None
