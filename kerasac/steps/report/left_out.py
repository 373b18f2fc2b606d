"""Count what a run used of its data, and what it left out for which reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kerasac.steps.page import plural
from kerasac.steps.report.files import branch
from kerasac.steps.report.units import UnitView
from kerasac.steps.summary import Summary


class UsedRow(NamedTuple):
    """A unit's windows by split, and of the test windows those that some scores leave out."""

    unit: str
    train: int | None
    valid: int | None
    test: int | None
    scored: int | None
    without_counts: str
    outside_range: int | None
    ambiguous: str


@dataclass(frozen=True)
class LeftOut:
    """What was used and what was left out."""

    reasons: tuple[str, ...]
    rows: tuple[UsedRow, ...]


def left_out(
    units: Sequence[UnitView], scores: Mapping[str, Mapping[str, Any]], provenance: Any, summary: Summary
) -> LeftOut:
    """Return a line for every reason why something is not in the numbers, and a row for every unit begun."""
    rows = tuple(_row(unit, scores.get(unit.name, {})) for unit in units if unit.finished or unit.marker)
    return LeftOut(tuple(_reasons(units, scores, provenance, summary)), rows)


def _row(unit: UnitView, scores: Mapping[str, Any]) -> UsedRow:
    planned = branch(unit.marker, "windows")
    n = branch(scores, "n", "all")
    total = n.get("n_windows")
    return UsedRow(
        unit=unit.name,
        **{split: planned.get(split) for split in ("train", "valid", "test")},
        scored=total,
        without_counts=_span(total, branch(n, "n_with_counts")),
        outside_range=n.get("n_outside_label_range"),
        ambiguous=_span(total, branch(n, "n_labelled")),
    )


def _reasons(
    units: Sequence[UnitView], scores: Mapping[str, Mapping[str, Any]], provenance: Any, summary: Summary
) -> Iterator[str]:
    for reason, count in branch(provenance, "left_out").items():
        yield f"{count:,} {reason} were never drawn, in any split of any fold."
    totals = [branch(one, "n", "all") for one in scores.values()]
    outside = sum(n.get("n_outside_label_range") or 0 for n in totals)
    if outside:
        yield (
            f"{outside:,} test windows, all models together, lie outside the label range that was asked for, and are "
            "in no score."
        )
    empty = [_missing(n.get("n_windows"), branch(n, "n_with_counts")) for n in totals]
    if any(empty):
        yield (
            f"{sum(max(one, default=0) for one in empty):,} scored windows, all models together, have no counts in "
            "some task: they have no profile and are in no profile score, but they are in the scores of counts."
        )
    ambiguous = [_missing(n.get("n_windows"), branch(n, "n_labelled")) for n in totals]
    if any(max(one, default=0) for one in ambiguous):
        yield (
            f"{sum(max(one, default=0) for one in ambiguous):,} test bins, all models together, are ambiguous in some "
            "task: "
            "they are in no score of that task."
        )
    undefined = [
        f"{metric} of {windows}"
        for windows, metrics in summary.metrics.items()
        for metric, one in metrics.items()
        if one.n_undefined and one.defined
    ]
    if undefined:
        yield f"Not defined in every model, and so means over fewer: {', '.join(undefined)}."
    absent = [unit for unit in units if not unit.finished]
    if absent:
        yield f"{plural(len(absent), 'model')} not trained and scored: {', '.join(unit.name for unit in absent)}."


def _missing(total: Any, kept: Mapping[str, Any]) -> list[int]:
    """How many of ``total`` windows each task leaves out."""
    return [int(total) - int(n) for n in kept.values()] if isinstance(total, int) else []


def _span(total: Any, kept: Mapping[str, Any]) -> str:
    """Return how many windows are left out, as ``12`` or, where tasks differ, ``12 to 31``."""
    missing = sorted(set(_missing(total, kept)))
    return " to ".join(f"{n:,}" for n in dict.fromkeys((missing[0], missing[-1]))) if missing else "–"
