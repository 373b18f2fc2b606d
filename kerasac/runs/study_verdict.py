"""Judge the configurations of a study by what they scored on validation chromosomes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kerasac.config.space import Space
from kerasac.errors import ConfigError, RunError, suggest
from kerasac.runs.tracking import flat_parameters
from kerasac.runs.unit import VALID_SCORES, Unit
from kerasac.steps.binned_scores import CLASSIFICATION_DEFINITIONS, REGRESSION_DEFINITIONS
from kerasac.steps.comparable import undefined_values
from kerasac.steps.comparison import Metric, compare
from kerasac.steps.configurations import Configuration
from kerasac.steps.prepared import Prepared
from kerasac.steps.score_definitions import definitions
from kerasac.steps.score_settings import ScoreSettings
from kerasac.steps.summary import better_direction


def validated(name: str, prepared: Prepared, units: Sequence[Unit]) -> Configuration:
    """Return what a configuration's units scored on validation, for a comparison by those chromosomes."""
    scores, missing = {}, []
    for unit in units:
        path = unit.folder / VALID_SCORES
        if unit.is_done and path.exists():
            scores[unit.name] = json.loads(path.read_text(encoding="utf-8"))
        else:
            missing.append(unit.name)
    splits = {
        f"fold-{unit.fold.index}": {"train": unit.fold.train, "valid": unit.fold.test, "test": unit.fold.valid}
        for unit in units
    }
    keys = {key: str(value) for key, value in flat_parameters(prepared.experiment).items()}
    folder = Path(units[0].run_folder)
    return Configuration(name, folder, scores, splits, tuple(missing), keys)


def objective_of(space: Space, prepared: Prepared) -> Metric:
    """Return the metric that decides: the space's, else by what is predicted.

    Raises
    ------
    ConfigError
        When what is predicted has no such metric, or it cannot be better or worse.
    """
    default, windows, definitions = _scores(prepared)
    key = space.objective or default
    deciding = [metric for metric, text in definitions.items() if better_direction(metric, text)]
    known = [f"{one}.{metric}" for one in windows for metric in deciding]
    if key not in known:
        raise ConfigError(f"objective: {key} is no score that can be better or worse{suggest(key, known)}")
    where, _, metric = key.partition(".")
    better = better_direction(metric, definitions[metric])
    assert better is not None, "it is one of those that can"
    return Metric(where, metric, key, better)


def _scores(prepared: Prepared) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
    """Return the default objective, the window sets and the definitions of what will be scored."""
    profile = prepared.contract.output_of("profile")
    if prepared.experiment.labels is None and profile is not None:
        space = _Space(profile.width_bp)
        return "peaks.jsd_distance_mean", ("peaks", "background", "all"), definitions(space, ScoreSettings())
    if prepared.contract.output_of("classification") is not None:
        return "all.auprc", ("all",), CLASSIFICATION_DEFINITIONS
    return "all.pearson", ("all",), REGRESSION_DEFINITIONS


class _Space(NamedTuple):
    """What definitions mention of the windows; their values matter little here."""

    n_bases: int
    transform: str = "log"
    pseudocount: float = 1.0


def compared_metrics(objective: Metric, one: Configuration) -> list[str]:
    """Return the metrics that are compared: the objective, and those that a summary shows first."""
    return list(dict.fromkeys([objective.key, *(metric.key for metric in compare([one]).metrics)]))


def ranked_by(complete: Sequence[Configuration], objective: Metric) -> tuple[str, ...]:
    """Return the names of the configurations, the best first.

    Those whose objective is not defined in every unit and task where that of others is come behind: a mean that lacks a
    difficult fold is no better. Those that have none at all are left out.

    Raises
    ------
    RunError
        When none has a value.
    """
    sign = -1 if objective.better == "higher" else 1
    lacking = _lacking(complete, objective)
    places = {
        one.name: (bool(lacking[one.name]), sign * found.mean)
        for one in complete
        if (found := one.summary.get(objective.windows, objective.name)) is not None and found.mean is not None
    }
    if not places:
        raise RunError(f"the objective {objective.key} is not defined for any configuration; choose another")
    return tuple(sorted(places, key=lambda name: places[name]))


def _lacking(complete: Sequence[Configuration], objective: Metric) -> dict[str, set[tuple[str, str]]]:
    """Return by configuration the units and tasks in which the objective is not defined, though it is in others."""
    found = {}
    for one in complete:
        metric = one.summary.get(objective.windows, objective.name)
        units = {(unit, "") for unit, value in metric.values.items() if value is None} if metric is not None else set()
        found[one.name] = units | undefined_values(one, objective.windows, objective.name)
    everywhere = set.intersection(*found.values()) if found else set()
    return {name: lacks - everywhere for name, lacks in found.items()}


def equal_to_best(complete: Sequence[Configuration], objective: Metric, best: str) -> frozenset[str]:
    """Name the configurations whose difference to the best is noise, as far as the folds can tell.

    Raises
    ------
    RunError
        When the scores of one cannot be compared with those of the best: they are of other windows or tasks.
    """
    lacking = _lacking(complete, objective)
    complete = [one for one in complete if not lacking[one.name]]  # the others are behind
    if len(complete) < 2 or best not in {one.name for one in complete}:
        return frozenset()
    against_best = compare(complete, baseline=best, metrics=[objective.key])
    for contrast in against_best.contrasts:
        if contrast.refused:
            raise RunError(
                f"{contrast.run} and {best} cannot be ranked by {objective.key}: {contrast.refused}. Their models are "
                "kept; choose keys that leave the scored windows alone, or another objective"
            )
    return frozenset(contrast.run for contrast in against_best.contrasts if not contrast.is_different)


def validation_means(one: Configuration) -> dict[str, float]:
    """Return the means over folds by the names that MLflow gets, ``valid.windows.metric``."""
    return {
        f"valid.{windows}.{metric}": found.mean
        for windows, metrics in one.summary.metrics.items()
        for metric, found in metrics.items()
        if found.mean is not None
    }
