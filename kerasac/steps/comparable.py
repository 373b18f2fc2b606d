"""Say which numbers of two configurations may be set against each other: same folds, same windows, same definition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasac.steps.configurations import Configuration
from kerasac.steps.metric_summary import fold_of

# Metrics of the labels alone: where they differ, other windows were scored.
_OF_LABELS = ("jsd_distance_uniform", "num_positives", "num_negatives")
_SAME_LABELS = 1e-6  # relative


def shared_folds(base: Configuration, other: Configuration) -> dict[str, str]:
    """Folds of the baseline, and the fold of the other that tests on the same chromosomes, whatever its number."""
    theirs = {key: fold for fold, key in _test_keys(other).items()}
    return {fold: theirs[key] for fold, key in _test_keys(base).items() if key in theirs}


def why_refused(base: Configuration, other: Configuration, windows: str, metric: str, folds: Mapping[str, str]) -> str:
    """Say why numbers of a metric cannot be set against each other; empty when they can."""
    for one in (base, other):
        found = one.summary.get(windows, metric)
        if found is None or found.mean is None:
            return f"{one.name} has no {windows}.{metric}" + (" that is defined" if found else "")
    if not folds:
        unknown = [one.name for one in (base, other) if not _test_keys(one)]
        tables = f"; there is no folds.json of {' and '.join(unknown)}" if unknown else ""
        return f"no fold of {base.name} and {other.name} is known to test on the same chromosomes{tables}"
    ours, theirs = (one.summary.definitions.get(metric, "not defined.") for one in (base, other))
    if ours != theirs:
        return f"defined otherwise. {base.name}: {ours} {other.name}: {theirs}"
    if set(base.tasks) != set(other.tasks):
        return f"other tasks: {base.name} has {', '.join(base.tasks)}, {other.name} has {', '.join(other.tasks)}"
    for fold, there in folds.items():
        lacking = [_undefined_tasks(one, windows, metric, f) for one, f in ((base, fold), (other, there))]
        if lacking[0] != lacking[1]:
            named = "; ".join(
                f"{one.name} has no value in {', '.join(sorted(tasks))}"
                for one, tasks in zip((base, other), lacking, strict=True)
                if tasks
            )
            return f"means over other tasks ({windows}.{metric}, {fold}): {named}"
    differing = (_other_windows(base, other, windows, fold, there) for fold, there in folds.items())
    return next((text for text in differing if text), "")


def held_out_ratio(configuration: Configuration, folds: Sequence[str]) -> float:
    """n_test/n_train, mean over folds: in scored windows where each training chromosome is tested on by some fold.

    Else in chromosomes. Windows that were trained on are not counted: their number goes by the sampling's ratio of
    negatives, which need not be that of scoring.
    """
    ratios = [_ratio(configuration.splits[fold], _sizes(configuration)) for fold in folds]
    return math.fsum(ratios) / len(ratios)


def _ratio(split: Mapping[str, Sequence[str]], sizes: Mapping[frozenset[str], int]) -> float:
    test, train = frozenset(split["test"]), frozenset(split["train"])
    if sizes.get(test) and train <= frozenset().union(*sizes):
        return sizes[test] / math.fsum(n * len(chroms & train) / len(chroms) for chroms, n in sizes.items())
    return len(test) / len(train)


def _sizes(configuration: Configuration) -> dict[frozenset[str], int]:
    """Scored windows by the test chromosomes that they lie on."""
    sizes = {}
    for unit, scores in configuration.scores.items():
        test = frozenset(configuration.splits.get(fold_of(unit), {}).get("test", ()))
        n = int(scores.get("n", {}).get("all", {}).get("n_windows", 0))
        if test and n:
            sizes[test] = n
    return sizes


def _test_keys(configuration: Configuration) -> dict[str, tuple[frozenset[str], int]]:
    """Test chromosomes by fold; folds with the same ones are told apart by a number."""
    seen: dict[frozenset[str], int] = {}
    keys = {}
    for fold in dict.fromkeys(map(fold_of, configuration.scores)):
        if fold in configuration.splits:
            test = frozenset(configuration.splits[fold].get("test", ()))
            seen[test] = seen.get(test, -1) + 1
            keys[fold] = (test, seen[test])
    return keys


def _other_windows(base: Configuration, other: Configuration, windows: str, fold: str, there: str) -> str:
    """Say how the scored windows of two folds differ; empty when they are the same as far as is known."""
    for ours in _of_fold(base, fold):
        for theirs in _of_fold(other, there):
            for name, x, y in _facts(ours, theirs, windows):
                if x != y and not _near(x, y):
                    return (
                        f"other windows are scored ({windows}, {fold}): {name} is {_text(x)} in {base.name}, "
                        f"{_text(y)} in {other.name}"
                    )
    return ""


def undefined_values(one: Configuration, windows: str, metric: str) -> frozenset[tuple[str, str]]:
    """Return units and tasks in which a metric is not defined, where it has a mean, which is over the other tasks."""
    return frozenset(
        (unit, task)
        for unit, scores in one.scores.items()
        if scores.get("windows", {}).get(windows, {}).get(metric) is not None
        for task, sets in scores.get("tasks", {}).items()
        if metric in sets.get(windows, {}) and sets[windows][metric] is None
    )


def _undefined_tasks(one: Configuration, windows: str, metric: str, fold: str) -> set[str]:
    return {task for unit, task in undefined_values(one, windows, metric) if fold_of(unit) == fold}


def _of_fold(configuration: Configuration, fold: str) -> list[Mapping[str, Any]]:
    return [scores for unit, scores in configuration.scores.items() if fold_of(unit) == fold]


def _facts(ours: Mapping[str, Any], theirs: Mapping[str, Any], windows: str) -> Iterator[tuple[str, Any, Any]]:
    """Facts of the scored windows that two units both state: their numbers, and scores that labels alone decide."""
    for part in ("n", "windows"):
        x, y = (one.get(part, {}).get(windows, {}) for one in (ours, theirs))
        for name in x if part == "n" else _OF_LABELS:
            if x.get(name) is not None and y.get(name) is not None:
                yield name, x[name], y[name]


def _near(x: Any, y: Any) -> bool:
    return isinstance(x, float) and isinstance(y, float) and math.isclose(x, y, rel_tol=_SAME_LABELS)


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}" if isinstance(value, float) else str(value)
