"""Say how much each varied key of a study matters to its objective."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator

from kerasac.steps.metric_summary import MetricSummary
from kerasac.steps.page import plural
from kerasac.steps.study_results import StudyResult, Tried
from kerasac.steps.study_values import is_number, is_wide, value_text

MIN_CONFIGURATIONS = 8
N_SHUFFLES = 19  # an importance above all of them has p ≤ 0.05
_TREES, _SHUFFLED_TREES = 64, 8
_FEW = 8  # a key with more values than these was drawn from a range
_SAME = 1e-12

SHARE_DEFINITION = (
    "Importance of a key: the share of the objective's variance over configurations that it explains by itself, by "
    "functional analysis of variance of a random forest (fANOVA; Hutter, Hoos and Leyton-Brown, ICML 2014; Optuna's "
    f"evaluator, {_TREES} trees). What is missing to 1 is what keys do together, and the forest's own doubt. Tick: the "
    f"most that the key came to in {N_SHUFFLES} repeats with the objective shuffled among configurations; a bar that "
    "does not pass it says nothing."
)
RANGE_DEFINITION = (
    "How far a key moves the objective: the highest mean objective at one of its values minus the lowest, over the "
    "configurations that have the value. A key with more than 8 values is split in two at their median. Other keys "
    "vary as well, and so does chance: this is no proof."
)


@dataclass(frozen=True)
class Importance:
    """How much each key matters, the most first.

    ``values`` by key, as ``kind`` says: ``share`` of variance or ``range`` in units of the objective. ``chance`` is
    what the key came to with a shuffled objective, empty for ranges. ``basis`` says of which scores; ``why_none`` why
    there are no values, else empty.
    """

    kind: str
    values: dict[str, float]
    chance: dict[str, float]
    basis: str
    why_none: str = ""

    @property
    def definition(self) -> str:
        """What the values mean."""
        return SHARE_DEFINITION if self.kind == "share" else RANGE_DEFINITION


def importance(result: StudyResult, *, seed: int = 0) -> Importance:
    """Return how much each key that varies matters, among configurations that were trained equally long.

    With fewer than 8 of these, or one key, a share of variance would be guesswork: then the values are the ranges of
    the mean objective, see :data:`RANGE_DEFINITION`.
    """
    found, basis = comparable_scores(result)
    keys = [key for key in result.keys if len({value_text(one.values.get(key)) for one, _ in found}) > 1]
    kind = "share" if len(found) >= MIN_CONFIGURATIONS and len(keys) > 1 else "range"
    if not keys:
        return Importance(kind, {}, {}, basis, "no two configurations that were trained equally long differ in a key")
    scores = [score for _, score in found]
    if np.ptp(scores) <= _SAME * max(map(abs, scores)):
        return Importance(kind, {}, {}, basis, f"all {len(found)} configurations have the same objective")
    if kind == "range":
        return Importance(kind, _sorted({key: _range(found, key) for key in keys}), {}, basis)
    values, chance = _shares([one for one, _ in found], scores, keys, seed=seed)
    return Importance(kind, _sorted(values), chance, basis)


def comparable_scores(result: StudyResult) -> tuple[list[tuple[Tried, float]], str]:
    """Return the most configurations that were scored on the same units after equal training, and a text on which.

    Of two such sets of equal size, that with the longer training. Configurations that racing dropped are thus counted
    by what they had when they were dropped, beside what the others had then.
    """
    candidates = Counter(signature for one in result.tried if (signature := _signature(one)))
    best: list[tuple[Tried, float]] = []
    chosen: frozenset[tuple[str, int | None]] = frozenset()
    for signature in sorted(candidates, key=_training, reverse=True):
        scored = [(one, score) for one in result.tried if (score := _score_at(one, signature)) is not None]
        if len(scored) > len(best):
            best, chosen = scored, signature
    return best, _basis(len(best), len(result.tried), chosen)


def _signature(one: Tried) -> frozenset[tuple[str, int | None]]:
    """Return the units of a configuration and the epochs of each; None for a training that came to its end."""
    return frozenset(
        (name, None if one.is_done(name) else unit.epochs) for name, unit in one.units.items() if unit.score is not None
    )


def _training(signature: frozenset[tuple[str, int | None]]) -> tuple[float, list[str]]:
    """Sort key by the amount of training; names make the order of equals definite."""
    return sum(1e6 if epochs is None else epochs for _, epochs in signature), sorted(map(str, signature))


def _score_at(one: Tried, signature: frozenset[tuple[str, int | None]]) -> float | None:
    """Return a configuration's mean objective on some units after some epochs; None where one is missing."""
    scores: dict[str, float | None] = {}
    for name, epochs in signature:
        unit = one.units.get(name)
        if unit is None or (epochs is None and not one.is_done(name)):
            return None
        scores[name] = unit.score if epochs is None else unit.scored_at(epochs)
    return None if None in scores.values() else MetricSummary(scores).mean


def _basis(n: int, n_all: int, signature: frozenset[tuple[str, int | None]]) -> str:
    caps = sorted({epochs for _, epochs in signature if epochs is not None})
    trained = f"after {' or '.join(map(str, caps))} epochs" if caps else "trained to the end"
    folds = len({name.split("/")[0] for name, _ in signature})
    of = f"{n} of {n_all} configurations" if n != n_all else f"all {n} configurations" if n > 1 else "the configuration"
    return f"By {of}, each on {plural(folds, 'fold')} ({plural(len(signature), 'model')}), {trained}."


def _range(found: Sequence[tuple[Tried, float]], key: str) -> float:
    values = [one.values.get(key) for one, _ in found]
    groups: dict[str, list[float]] = {}
    for (_, score), group in zip(found, _groups(values), strict=True):
        groups.setdefault(group, []).append(score)
    means = [math.fsum(scores) / len(scores) for scores in groups.values()]
    return max(means) - min(means)


def _groups(values: Sequence[Any]) -> list[str]:
    numbers = [value for value in values if is_number(value)]
    if len(set(numbers)) <= _FEW:
        return [value_text(value) for value in values]
    middle = median(numbers)
    return [("low" if value < middle else "high") if is_number(value) else value_text(value) for value in values]


def _shares(
    tried: Sequence[Tried], scores: Sequence[float], keys: Sequence[str], *, seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the share of variance by key, and the most of shuffled objectives."""
    study = _study({key: _column([one.values.get(key) for one in tried]) for key in keys}, len(tried))
    rng = np.random.default_rng([seed, len(tried)])
    shares = _fanova(study, scores, trees=_TREES, seed=seed)
    shuffled = [
        _fanova(study, rng.permutation(scores).tolist(), trees=_SHUFFLED_TREES, seed=seed) for _ in range(N_SHUFFLES)
    ]
    return {key: shares[key] for key in keys}, {key: max(one[key] for one in shuffled) for key in keys}


def _column(values: Sequence[Any]) -> tuple[BaseDistribution, list[Any]]:
    """Return a key's distribution and its values.

    Numbers drawn from a range are numbers, and where the key is not set their median; all else are categories.
    """
    numbers = [float(value) for value in values if is_number(value)]
    others = [value for value in values if not is_number(value)]
    if any(other is not None for other in others) or (others and len(set(numbers)) <= _FEW):
        texts = [value_text(value) for value in values]
        return CategoricalDistribution(sorted(set(texts))), texts
    middle = median(numbers)
    filled = [float(value) if is_number(value) else middle for value in values]
    return FloatDistribution(min(numbers), max(numbers), log=is_wide(numbers)), filled


def _study(columns: Mapping[str, tuple[BaseDistribution, list[Any]]], n: int) -> optuna.Study:
    """Return a study with a trial a configuration, numbered from 0; its objective comes later."""
    distributions = {key: distribution for key, (distribution, _) in columns.items()}
    with _quiet():
        study = optuna.create_study()
    for row in range(n):
        params = {key: values[row] for key, (_, values) in columns.items()}
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=0.0))
    return study


def _fanova(study: optuna.Study, scores: Sequence[float], *, trees: int, seed: int) -> dict[str, float]:
    evaluator = FanovaImportanceEvaluator(n_trees=trees, seed=seed)
    found = evaluator.evaluate(study, target=lambda trial: float(scores[trial.number]))
    return {key: float(value) for key, value in found.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing a study that is none of the user's."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _sorted(values: dict[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: item[1], reverse=True))
