"""Propose the values of a next configuration by those before it, with Optuna's TPE.

Source: the tree-structured Parzen estimator, Bergstra et al. 2011 (NeurIPS), as Optuna has it.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from kerasac.config.space import LISTED, Axis, Space, Values

logger = logging.getLogger(__name__)

_DRAWN_FIRST = 10  # at random: there is nothing to learn from yet


class Judged(NamedTuple):
    """A configuration's values and its score, the lower the better; None while it is being trained, inf = failed."""

    values: Values
    score: float | None


def propose(space: Space, before: Sequence[Judged]) -> Values:
    """Return the values of the next configuration; the same for the same configurations before it.

    What was tried in a wider space than this one, or with other keys, is left out of what the search learns from.
    """
    import optuna  # half a second, which other searches need not take

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of group
        sampler = optuna.samplers.TPESampler(
            seed=space.seed + len(before),
            n_startup_trials=min(_DRAWN_FIRST, max(1, (space.trials or 1) // 3)),
            multivariate=True,
            group=True,  # keys that are set only beside values of others have their own
            constant_liar=True,  # stay away from what is being trained
        )
    study = optuna.create_study(direction="minimize", sampler=sampler)
    for one in _inside(space, before):
        study.add_trial(_known(space, one))
    trial = study.ask()
    values: Values = {}
    for axis in space.ordered():
        if axis.counts(values):
            values[axis.key] = _suggested(trial, axis)
    return {axis.key: values[axis.key] for axis in space.axes if axis.key in values}


def _inside(space: Space, before: Sequence[Judged]) -> list[Judged]:
    """Return the configurations whose values the space still has; Optuna takes no others."""
    axes = {axis.key: axis for axis in space.axes}
    inside = [one for one in before if all(key in axes and axes[key].holds(value) for key, value in one.values.items())]
    if len(inside) < len(before):
        _say_once(
            f"the search does not learn from {len(before) - len(inside)} of the configurations before: they have "
            "values or keys that the space has no more"
        )
    return inside


@cache
def _say_once(message: str) -> None:
    """Say what holds for all proposals of a study at the first of them."""
    logger.warning(message)


def _known(space: Space, one: Judged) -> Any:
    from optuna.trial import TrialState, create_trial

    axes = [axis for axis in space.axes if axis.key in one.values]
    params = {axis.key: _coded(axis, one.values[axis.key]) for axis in axes}
    state = TrialState.RUNNING if one.score is None else TrialState.COMPLETE
    if one.score is not None and not math.isfinite(one.score):
        state = TrialState.FAIL
    return create_trial(
        params=params,
        distributions={axis.key: _distribution(axis) for axis in axes},
        value=one.score if state == TrialState.COMPLETE else None,
        state=state,
    )


def _suggested(trial: Any, axis: Axis) -> Any:
    if axis.kind in LISTED:
        return axis.values[trial.suggest_categorical(axis.key, range(len(axis.values)))]
    low, high = axis.values
    logarithmic = axis.kind.startswith("log")
    if axis.kind.endswith("integers"):
        return trial.suggest_int(axis.key, int(low), int(high), log=logarithmic)
    drawn = float(f"{trial.suggest_float(axis.key, float(low), float(high), log=logarithmic):.4g}")
    return min(max(drawn, low), high)


def _coded(axis: Axis, value: Any) -> Any:
    """Return what stands for a value: listed ones may be lists, which Optuna does not take, and go by their place."""
    return axis.values.index(value) if axis.kind in LISTED else value


def _distribution(axis: Axis) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.kind in LISTED:
        return CategoricalDistribution(range(len(axis.values)))
    low, high = axis.values
    if axis.kind.endswith("integers"):
        return IntDistribution(int(low), int(high), log=axis.kind == "logintegers")
    return FloatDistribution(float(low), float(high), log=axis.kind == "loguniform")
