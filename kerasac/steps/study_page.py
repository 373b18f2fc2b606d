"""Write the page that says what came of a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from kerasac.steps.comparison import Comparison, Contrast
from kerasac.steps.metric_summary import STATISTICS, MetricSummary
from kerasac.steps.page import svg_data, write_page
from kerasac.steps.paired import TEST_DEFINITIONS
from kerasac.steps.plots import write_figures
from kerasac.steps.plots.study_curves import loss_curves
from kerasac.steps.plots.study_importance import importance_bars
from kerasac.steps.plots.study_parallel import parallel_coordinates
from kerasac.steps.plots.study_race import race_bars
from kerasac.steps.study_contrasts import compared_epochs, contrasts_to, scored_to_train
from kerasac.steps.study_importance import importance
from kerasac.steps.study_results import StudyResult, Tried
from kerasac.steps.study_values import NOT_SET, value_text
from kerasac.steps.study_words import (
    BEST,
    DEFAULT,
    duration_text,
    effort_sentence,
    headline_sentences,
    is_equal,
    state_text,
    test_sentence,
    value_places,
)
from kerasac.steps.verdicts import difference_text, value_digits
from kerasac.steps.verdicts import value_text as mean_text

PAGE = "study.html"
_ROWS = 30  # in the open; the others can be unfolded
_COLUMNS = 5  # configurations whose other scores are shown


class Cell(NamedTuple):
    """A difference in the table, its interval, and a remark; ``is_equal``: not distinguishable."""

    text: str
    note: str = ""
    interval: str = ""
    is_equal: bool = False


class Row(NamedTuple):
    """A configuration in the ranked table; ``mark`` is best, equal, or empty."""

    rank: str
    name: str
    values: list[str]
    mean: str
    to_best: Cell
    to_default: Cell
    n_units: int
    epochs: int
    state: str
    mark: str
    is_default: bool


class Picture(NamedTuple):
    """A figure on the page: its text for those who do not see it, SVG, and the least width that can be read."""

    alt: str
    svg: str
    min_width_px: int


def write_study_page(result: StudyResult, folder: Path, comparison: Comparison | None) -> Path:
    """Write ``study.html`` and its figures as ``plots/*.png`` to a folder; returns the page's path.

    ``comparison`` holds other scores of the configurations, which the page then shows beside the objective, and the
    fold table that intervals go by; its own page is ``comparison.html`` in the same folder.
    """
    figures = _figures(result)
    write_figures(folder, {name: figure for name, (figure, _) in figures.items()})
    path = folder / PAGE
    write_page(path, "study.html.j2", **_page(result, comparison, figures))
    return path


def study_rows(result: StudyResult, comparison: Comparison | None = None) -> list[Row]:
    """Return the ranked table, a row a configuration, in the study's order."""
    ratio = scored_to_train(result, comparison) or 0.0
    best, default = result.winner, result.default
    to_best = contrasts_to(result, best, name=BEST, scored_to_train=ratio) if best else {}
    to_default = contrasts_to(result, default, name=DEFAULT, scored_to_train=ratio) if default else {}
    return [
        Row(
            rank="–" if one.rank is None else str(one.rank),
            name=one.name,
            values=[value_text(one.values.get(key)) for key in result.keys],
            mean=mean_text(one.summary, value_places(result)) if one.summary.values else "–",
            to_best=_cell(one, best, to_best, BEST),
            to_default=_cell(one, default, to_default, DEFAULT),
            n_units=len(one.summary.defined),
            epochs=one.epochs,
            state=state_text(one),
            mark="best" if one is best else "equal" if _is_equal(one, to_best) else "",
            is_default=one.is_default,
        )
        for one in result.tried
    ]


def _is_equal(one: Tried, to_best: Mapping[str, Contrast]) -> bool:
    return one.state == "complete" and one.name in to_best and is_equal(to_best[one.name])


def _cell(one: Tried, base: Tried | None, contrasts: Mapping[str, Contrast], name: str) -> Cell:
    if base is None:
        return Cell("–")
    if one.name == base.name:
        return Cell(name)
    contrast = contrasts[one.name]
    if contrast.test is None:
        return Cell("–", "not compared" if one.summary.defined else "no score")
    epochs = compared_epochs(one, base)
    at = f"after {' or '.join(map(str, epochs))} epochs" if epochs else ""
    difference, _, interval = difference_text(contrast).removesuffix(")").partition(" (")
    if not interval:
        folds = "1 fold, no interval" if len(contrast.pairs) == 1 else "no spread"
        return Cell(difference, ", ".join(filter(None, [folds, at])))
    return Cell(difference, at, interval, is_equal(contrast))


def _figures(result: StudyResult) -> dict[str, tuple[Figure, str]]:
    """Return the figures by name, each with a text for those who do not see it."""
    if not result.tried:
        return {}
    keys = ", ".join(result.keys) or "no key"
    found = importance(result)
    shares = ", ".join(f"{key} {value:.3g}" for key, value in found.values.items()) or found.why_none
    return {
        "parallel": (
            parallel_coordinates(result),
            f"Parallel coordinates: a line a configuration through {keys} and {result.objective_title}",
        ),
        "importance": (importance_bars(found, objective=result.objective_key), f"Importance of keys: {shares}"),
        "curves": (loss_curves(result), "Validation loss by epoch of the best configurations and the default"),
        "race": (race_bars(result), "Epochs that each configuration was trained, as in the table"),
    }


def _page(
    result: StudyResult, comparison: Comparison | None, figures: Mapping[str, tuple[Figure, str]]
) -> dict[str, Any]:
    """What the template is filled with."""
    rows = study_rows(result, comparison)
    ratio = scored_to_train(result, comparison)
    best = result.winner
    to_best = contrasts_to(result, best, name=BEST, scored_to_train=ratio or 0.0) if best else {}
    first, rest = _split(rows)
    return {
        "result": result,
        "headline": list(headline_sentences(result, to_best)),
        "first": first,
        "rest": rest,
        "not_set": NOT_SET,
        "has_not_set": any(NOT_SET in row.values for row in rows),
        "has_default": result.default is not None,
        "n_dropped": len(result.of("dropped")),
        "pictures": {name: _picture(figure, alt) for name, (figure, alt) in figures.items()},
        "phases": _phases(result),
        "clock": "" if result.seconds is None else duration_text(result.seconds),
        "effort": effort_sentence(result),
        "tested": test_sentence(result),
        "test": [(metric, mean_text(MetricSummary(values), 4)) for metric, values in (result.test or {}).items()],
        "others": _others(result, comparison),
        "has_comparison": comparison is not None,
        "interval": TEST_DEFINITIONS["interval"],
        "knows_ratio": ratio is not None,
        "se": STATISTICS["se"],
    }


def _split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows that are in the open, always with the default, and those that are folded away."""
    first = list(rows[:_ROWS]) + [row for row in rows[_ROWS:] if row.is_default]
    return first, [row for row in rows[_ROWS:] if not row.is_default]


def _picture(figure: Figure, alt: str) -> Picture:
    return Picture(alt, svg_data(figure), round(figure.get_figwidth() * 92))


def _phases(result: StudyResult) -> list[tuple[str, str, str]]:
    """Return each phase, its time and its share."""
    total = sum(result.phases.values())
    return [
        (name, duration_text(seconds), f"{100 * seconds / total:.0f} %" if total else "–")
        for name, seconds in result.phases.items()
    ]


def _others(result: StudyResult, comparison: Comparison | None) -> dict[str, Any]:
    """Return the other scores of the best configurations and the default, by metric; empty without any."""
    if comparison is None:
        return {}
    wanted = [one.name for one in result.of("complete")[: _COLUMNS - 1]]
    wanted += [result.default.name] if result.default else []
    by_name = {one.name: one for one in comparison.configurations if one.scores}
    names = [name for name in dict.fromkeys(wanted) if name in by_name]
    return {"names": names, "rows": list(_metric_rows(comparison, names))} if names else {}


def _metric_rows(comparison: Comparison, names: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    by_name = {one.name: one for one in comparison.configurations}
    for metric in comparison.metrics:
        found = [by_name[name].summary.get(metric.windows, metric.name) for name in names]
        places = value_digits(comparison, metric)
        yield metric.title, metric.better, [mean_text(one, places) for one in found]
