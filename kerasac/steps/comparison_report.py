"""Write what a comparison found: tables, JSON and one self-contained page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from kerasac.cache import whole_file, write_whole
from kerasac.errors import RunError
from kerasac.steps.comparison import Comparison, Contrast, Metric
from kerasac.steps.comparison_tables import (
    MEAN,
    by_task,
    comparison_document,
    metric_definitions,
    summary_table,
    units_table,
)
from kerasac.steps.configurations import Configuration, differing_keys, differing_versions
from kerasac.steps.metric_summary import STATISTICS, fold_of
from kerasac.steps.page import number, plural, svg_data, write_page
from kerasac.steps.paired import SPLIT_DEFINITION, TEST_DEFINITIONS, split_variance
from kerasac.steps.plots.comparison import paired_differences, values_by_fold
from kerasac.steps.verdicts import difference_text, p_text, value_digits, value_text, verdict

FILES = ("summary.tsv", "units.tsv", "comparison.json", "comparison.html")


class _Row(NamedTuple):
    """A run in the table of one metric."""

    run: str
    value: str
    n_folds: int
    contrast: Contrast | None


class _Split(NamedTuple):
    """The variance of a metric in a run: shares of fold, seed and rest, or why there are none."""

    title: str
    run: str
    shares: list[str]
    note: str


class _Section(NamedTuple):
    """A metric on the page."""

    metric: Metric
    verdicts: list[tuple[str, str, str]]
    """Run, what is said of it, and its class: better, worse, noise, refused."""
    rows: list[_Row]
    folds: list[tuple[str, str, list[str]]]
    """Fold, its test chromosomes, and a cell for each run."""
    left_out: list[str]
    figures: list[tuple[str, str]]
    """What it shows, and SVG."""


def write_comparison(comparison: Comparison, out: Path) -> list[Path]:
    """Write summary.tsv, units.tsv, comparison.json and comparison.html to a folder; returns their paths.

    Raises
    ------
    RunError
        When the folder cannot be made, or is that of a run, which has a summary.tsv of its own.
    """
    if any((out / name).exists() for name in ("experiment.yaml", "folds.json")):
        raise RunError(f"{out} is the folder of a run, whose own summary.tsv would be lost; choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make {out} ({error.strerror}); choose another --out") from error
    paths = [out / name for name in FILES]
    _write_table(paths[0], summary_table(comparison))
    _write_table(paths[1], units_table(comparison))
    document = json.dumps(comparison_document(comparison), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(paths[2], document + "\n")
    write_page(paths[3], "comparison.html.j2", **_page(comparison))
    return paths


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with whole_file(path) as beside:
        table.to_csv(beside, sep="\t", index=False, na_rep="NA")


def _page(comparison: Comparison) -> dict[str, Any]:
    """What the template is filled with."""
    configurations = comparison.configurations
    return {
        "title": _title([one.name for one in configurations]),
        "lead": _lead(comparison),
        "comparison": comparison,
        "sections": [_section(comparison, metric) for metric in comparison.metrics],
        "ranked": comparison.rankings,
        "splits": list(_splits(comparison)),
        "experiment": differing_keys(configurations),
        "versions": differing_versions(configurations),
        "runs": [(one, _units_text(one)) for one in configurations],
        "tables": [(one, list(_all_metrics(one))) for one in configurations if one.scores],
        "definitions": metric_definitions(comparison),
        "statistics": STATISTICS,
        "tests": TEST_DEFINITIONS,
        "split_definition": SPLIT_DEFINITION,
        "value_text": lambda ranking, value: value_text(value, value_digits(comparison, ranking.metric)),
        "difference_text": difference_text,
        "p_text": p_text,
    }


def _title(names: Sequence[str]) -> str:
    if len(names) > 4:
        return f"{names[0]} and {len(names) - 1} other runs"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _lead(comparison: Comparison) -> str:
    n_models = sum(len(one.scores) for one in comparison.configurations)
    text = f"{plural(len(comparison.configurations), 'run')}, {plural(n_models, 'model')} scored."
    text = " ".join(filter(None, [text, comparison.about]))
    if comparison.baseline is None:
        return f"{text} One run by itself: its numbers, and nothing to compare them with."
    return (
        f"{text} Each run is compared with {comparison.baseline}, fold by fold: only folds with the same scored "
        "chromosomes and windows are set against each other, and a fold counts once, however many "
        "seeds it has."
    )


def _section(comparison: Comparison, metric: Metric) -> _Section:
    contrasts = comparison.of(metric)
    return _Section(
        metric=metric,
        verdicts=[(contrast.run, verdict(contrast).removesuffix("."), _class(contrast)) for contrast in contrasts],
        rows=[_row(one, metric, contrasts, value_digits(comparison, metric)) for one in _scored(comparison)],
        folds=list(_fold_rows(comparison, metric)),
        left_out=[f"{c.run}: {text}" for c in contrasts for text in c.left_out],
        figures=list(_figures(comparison, metric)),
    )


def _class(contrast: Contrast) -> str:
    if contrast.refused:
        return "refused"
    return "better" if contrast.is_better else "worse" if contrast.is_different else "noise"


def _row(configuration: Configuration, metric: Metric, contrasts: Sequence[Contrast], places: int) -> _Row:
    found = configuration.summary.get(metric.windows, metric.name)
    return _Row(
        run=configuration.name,
        value=value_text(found, places),
        n_folds=len(found.fold_means) if found else 0,
        contrast=next((contrast for contrast in contrasts if contrast.run == configuration.name), None),
    )


def _splits(comparison: Comparison) -> Iterator[_Split]:
    """Variance splits of what is compared; runs that have none in any metric for one reason stand together."""
    for one in _scored(comparison):
        found = [(m.title, split_variance(metric.values)) for m in comparison.metrics
                 if (metric := one.summary.get(m.windows, m.name)) and metric.defined]  # fmt: skip
        notes = {split.note for _, split in found if not split.components}
        if len(notes) == 1 and not any(split.components for _, split in found):
            yield _Split("every metric", one.name, [], f"cannot be split: {notes.pop()}")
            continue
        for title, split in found:
            shares = [f"{100 * split.shares.get(part, 0):.0f} %" for part in split.components]
            yield _Split(title, one.name, shares, split.note if shares else f"cannot be split: {split.note}")


def _fold_rows(comparison: Comparison, metric: Metric) -> Iterator[tuple[str, str, list[str]]]:
    """Fold means of every run, by the test chromosomes; other folds with the same ones stand in the same row."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for one in comparison.configurations:
        found = one.summary.get(metric.windows, metric.name)
        for fold, value in (found.fold_means if found else {}).items():
            test = ", ".join(sorted(one.splits.get(fold, {}).get("test", ())))
            key = next((key for key in cells if test and key[1] == test and one.name not in cells[key]), (fold, test))
            cells.setdefault(key, {})[one.name] = number(value, 4)
    names = [one.name for one in comparison.configurations if one.scores]
    for (fold, test), by_run in cells.items():
        yield fold.removeprefix("fold-"), test or "not known", [by_run.get(name, "–") for name in names]


def _figures(comparison: Comparison, metric: Metric) -> Iterator[tuple[str, str]]:
    contrasts = [contrast for contrast in comparison.of(metric) if contrast.test is not None]
    if contrasts:
        yield f"Differences to {comparison.baseline}", svg_data(paired_differences(contrasts, metric))
    if any((found := one.summary.get(metric.windows, metric.name)) and found.defined for one in _scored(comparison)):
        yield "Values of each fold", svg_data(values_by_fold(comparison, metric))


def _scored(comparison: Comparison) -> list[Configuration]:
    return [one for one in comparison.configurations if one.scores]


def _units_text(configuration: Configuration) -> str:
    """``5 models of 5 folds``, or that there are none."""
    if not configuration.scores:
        return "no model scored"
    n_folds = len({fold_of(unit) for unit in configuration.scores})
    return f"{plural(len(configuration.scores), 'model')} of {plural(n_folds, 'fold')}"


def _all_metrics(configuration: Configuration) -> Iterator[Mapping[str, Any]]:
    for task, summary in by_task(configuration).items():
        for windows, metrics in summary.metrics.items():
            for name, metric in metrics.items():
                yield {"task": "" if task == MEAN else task, "windows": windows, "name": name, "metric": metric}
