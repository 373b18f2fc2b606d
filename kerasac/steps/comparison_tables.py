"""Lay a comparison out as tables and as JSON, every number with its definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from kerasac.steps.comparison import Comparison, Contrast, Ranking
from kerasac.steps.configurations import Configuration, differing_keys, differing_versions
from kerasac.steps.metric_summary import STATISTICS, fold_of, seed_of
from kerasac.steps.paired import SPLIT_DEFINITION, TEST_DEFINITIONS, PairedTest, split_variance
from kerasac.steps.summary import Summary, better_direction, summarize_units
from kerasac.steps.verdicts import verdict

FORMAT_VERSION = 1
MEAN = "mean"  # task of the rows that are means over tasks, as in scores.tsv


def summary_table(comparison: Comparison) -> pd.DataFrame:
    """One row a run, task, window set and metric; what is compared has the difference to the baseline beside it."""
    contrasts = {(c.run, c.metric.windows, c.metric.name): c for c in comparison.contrasts}
    return pd.DataFrame([row for one in comparison.configurations for row in _summary_rows(one, contrasts)])


def units_table(comparison: Comparison) -> pd.DataFrame:
    """One row a run, unit, task, window set and metric, with the unit's value."""
    return pd.DataFrame([row for one in comparison.configurations for row in _unit_rows(one)])


def by_task(configuration: Configuration) -> dict[str, Summary]:
    """The mean over tasks, and where there are several, each task by itself."""
    summaries = {MEAN: configuration.summary}
    if len(configuration.tasks) > 1:
        for task in configuration.tasks:
            units = {unit: s["tasks"][task] for unit, s in configuration.scores.items() if task in s.get("tasks", {})}
            summaries[task] = summarize_units({unit: {"windows": windows} for unit, windows in units.items()})
    return summaries


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """What comparison.json holds."""
    configurations = comparison.configurations
    return {
        "version": FORMAT_VERSION,
        "baseline": comparison.baseline,
        "runs": [_run(one) for one in configurations],
        "notes": list(comparison.notes),
        "comparisons": [contrast_document(contrast) for contrast in comparison.contrasts],
        "rankings": [_ranking(ranking) for ranking in comparison.rankings],
        "variance": {one.name: _variance(one.summary) for one in configurations},
        "experiment": {key: _by_run(comparison, values) for key, values in differing_keys(configurations).items()},
        "versions": {key: _by_run(comparison, values) for key, values in differing_versions(configurations).items()},
        "summary": {one.name: one.summary.to_dict()["metrics"] for one in configurations},
        "definitions": {
            "metrics": metric_definitions(comparison),
            "summary": dict(STATISTICS),
            "comparisons": dict(TEST_DEFINITIONS),
            "variance": SPLIT_DEFINITION,
        },
    }


def contrast_document(contrast: Contrast) -> dict[str, Any]:
    """One comparison with the baseline, as JSON."""
    return {
        "run": contrast.run,
        "baseline": contrast.baseline,
        "windows": contrast.metric.windows,
        "metric": contrast.metric.name,
        "better": contrast.metric.better,
        "verdict": verdict(contrast),
        "refused": contrast.refused or None,
        **_test(contrast.test),
        "p_holm": contrast.p_holm,
        "n_tests": contrast.n_tests,
        "test_to_train": contrast.test_to_train,
        "folds": [pair._asdict() | {"difference": pair.difference} for pair in contrast.pairs],
        "left_out": list(contrast.left_out),
    }


def metric_definitions(comparison: Comparison) -> dict[str, str]:
    """Definition of every metric; where runs define one otherwise, both, by run."""
    found: dict[str, dict[str, str]] = {}
    for one in comparison.configurations:
        for metric, text in one.summary.definitions.items():
            found.setdefault(metric, {}).setdefault(text, one.name)
    return {
        metric: next(iter(texts)) if len(texts) == 1 else " ".join(f"{run}: {text}" for text, run in texts.items())
        for metric, texts in found.items()
    }


def _summary_rows(
    configuration: Configuration, contrasts: Mapping[tuple[str, str, str], Contrast]
) -> Iterator[dict[str, Any]]:
    definitions = configuration.summary.definitions
    for task, summary in by_task(configuration).items():
        for windows, metrics in summary.metrics.items():
            for name, metric in metrics.items():
                contrast = contrasts.get((configuration.name, windows, name)) if task == MEAN else None
                yield {
                    "run": configuration.name,
                    "task": task,
                    "windows": windows,
                    "metric": name,
                    "better": better_direction(name, definitions.get(name)),
                    **{key: value for key, value in metric.to_dict().items() if key != "values"},
                    **{f"var_{part}": split_variance(metric.values).components.get(part) for part in _PARTS},
                    "baseline": contrast.baseline if contrast else None,
                    **_test(contrast.test if contrast else None),
                    "p_holm": contrast.p_holm if contrast else None,
                }


_PARTS = ("fold", "seed", "rest")


def _unit_rows(configuration: Configuration) -> Iterator[dict[str, Any]]:
    for task, summary in by_task(configuration).items():
        for windows, metrics in summary.metrics.items():
            for name, metric in metrics.items():
                for unit, value in metric.values.items():
                    split = configuration.splits.get(fold_of(unit), {})
                    yield {
                        "run": configuration.name,
                        "fold": fold_of(unit).removeprefix("fold-"),
                        "seed": seed_of(unit).removeprefix("seed-"),
                        "task": task,
                        "windows": windows,
                        "metric": name,
                        "value": value,
                        "test_chromosomes": ",".join(split.get("test", ())),
                    }


def _test(test: PairedTest | None) -> dict[str, Any]:
    """Flat columns of a paired test; None where there is none."""
    low, high = test.interval if test and test.interval else (None, None)
    plain_low, plain_high = test.plain_interval if test and test.plain_interval else (None, None)
    return {
        "n_pairs": test.n if test else None,
        "difference": test.difference if test else None,
        "difference_sd": test.sd if test else None,
        "difference_low": low,
        "difference_high": high,
        "p": test.p if test else None,
        "difference_low_plain": plain_low,
        "difference_high_plain": plain_high,
        "p_plain": test.p_plain if test else None,
        "p_sign_flip": test.p_sign_flip if test else None,
    }


def _run(configuration: Configuration) -> dict[str, Any]:
    return {
        "name": configuration.name,
        "path": str(configuration.path),
        "scored": configuration.kind if configuration.scores else None,
        "units": list(configuration.scores),
        "missing": list(configuration.missing),
        "tasks": list(configuration.tasks),
        "test_chromosomes": {fold: list(split["test"]) for fold, split in configuration.splits.items()},
    }


def _ranking(ranking: Ranking) -> dict[str, Any]:
    return {
        "windows": ranking.metric.windows,
        "metric": ranking.metric.name,
        "folds": list(ranking.folds),
        "runs": [{"run": name, "mean": metric.mean, "se": metric.se} for name, metric in ranking.rows],
    }


def _variance(summary: Summary) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        windows: {
            name: {"components": dict(split.components), "note": split.note}
            for name, split in ((name, split_variance(metric.values)) for name, metric in metrics.items())
        }
        for windows, metrics in summary.metrics.items()
    }


def _by_run(comparison: Comparison, values: list[str]) -> dict[str, str]:
    return {one.name: value for one, value in zip(comparison.configurations, values, strict=True)}
