"""Set every configuration of a study against one of them, unit by unit, where both were trained equally long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kerasac.steps.comparable import held_out_ratio
from kerasac.steps.comparison import Comparison, Contrast, FoldPair
from kerasac.steps.metric_summary import MetricSummary
from kerasac.steps.paired import holm, paired_test
from kerasac.steps.study_results import SideBySide, StudyResult, Tried, side_by_side


def contrasts_to(result: StudyResult, base: Tried, *, name: str, scored_to_train: float) -> dict[str, Contrast]:
    """Compare all other configurations with one, by name; ``name`` is what the one is called in words.

    A unit counts where both were trained to the end or equally long; a fold counts once, as the mean over its units
    that count. p values are corrected for the number of configurations that are complete, and apart from them for the
    others: those are compared on less, and are no candidates.
    """
    others = [one for one in result.tried if one.name != base.name]
    found = {one.name: _contrast(result, base, one, name, scored_to_train) for one in others}
    for complete in (True, False):
        group = [found[one.name] for one in others if (one.state == "complete") is complete]
        found |= {contrast.run: contrast for contrast in _corrected(group)}
    return found


def compared_epochs(one: Tried, base: Tried) -> tuple[int, ...]:
    """Return the epochs at which units are compared that were not both trained to the end; empty where all were."""
    return tuple(sorted({pair.epochs for pair in _pairs(one, base).values() if pair.epochs is not None}))


def scored_to_train(result: StudyResult, comparison: Comparison | None) -> float | None:
    """Return the share that the interval takes, the study's or by the comparison's fold table; None = not known."""
    if result.scored_to_train is not None or comparison is None:
        return result.scored_to_train
    for one in comparison.configurations:
        folds = [fold for fold, split in one.splits.items() if split.get("test") and split.get("train")]
        if folds:
            return held_out_ratio(one, folds)
    return None


def _contrast(result: StudyResult, base: Tried, one: Tried, name: str, ratio: float) -> Contrast:
    contrast = Contrast(result.metric, one.name, name)
    found = _pairs(one, base)
    if not found:
        return replace(contrast, refused=_why_not(one, name))
    ours = MetricSummary({unit: pair.score for unit, pair in found.items()}).fold_means
    theirs = MetricSummary({unit: pair.other for unit, pair in found.items()}).fold_means
    pairs = tuple(FoldPair(fold, (), theirs[fold], value) for fold, value in ours.items())
    test = paired_test([pair.difference for pair in pairs], test_to_train=ratio)
    return replace(contrast, pairs=pairs, test_to_train=ratio, test=test)


def _pairs(one: Tried, base: Tried) -> dict[str, SideBySide]:
    """Return the scores of the units that count."""
    return {unit: pair for unit in one.units if (pair := side_by_side(one, base, unit)) is not None}


def _why_not(one: Tried, name: str) -> str:
    if one.summary.mean is None:
        return "it has no score"
    level = f" after {one.level}" if one.level else ""
    return f"it was {one.state}{level}, and no unit of {name} was scored after as many epochs"


def _corrected(contrasts: Sequence[Contrast]) -> list[Contrast]:
    p_values = [contrast.test.p if contrast.test else None for contrast in contrasts]
    n_tests = sum(p is not None for p in p_values)
    return [replace(contrast, p_holm=p, n_tests=n_tests) for contrast, p in zip(contrasts, holm(p_values), strict=True)]
