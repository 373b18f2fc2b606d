"""Read how calibration changed the errors of a run's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kerasac.steps.calibration import CALIBRATION
from kerasac.steps.report.files import branch, read_json
from kerasac.steps.report.units import UnitView


class CalibrationRow(NamedTuple):
    """A unit and task: labelled test windows, and their errors before and after."""

    unit: str
    task: str
    n: int | None
    before: float | None
    after: float | None
    squared_before: float | None
    squared_after: float | None


@dataclass
class CalibrationView:
    """The calibrations of a run's units."""

    rows: list[CalibrationRow] = field(default_factory=list)
    methods: set[str] = field(default_factory=set)
    definitions: dict[str, str] = field(default_factory=dict)


def calibrated(run_dir: Path, units: Sequence[UnitView]) -> CalibrationView | None:
    """Return the errors before and after calibration; None when no unit is calibrated."""
    view = CalibrationView()
    for unit in units:
        document = read_json(run_dir / unit.name / CALIBRATION)
        for task, judged in branch(document, "judged", "tasks").items():
            view.rows.append(_row(unit.name, task, judged))
        if branch(document):
            view.methods.add(str(document.get("method")))
            view.definitions.update({**branch(document, "definitions"), **branch(document, "judged", "definitions")})
    return view if view.methods else None


def _row(unit: str, task: str, judged: Any) -> CalibrationRow:
    before, after = branch(judged, "before"), branch(judged, "after")
    errors = (before.get("ece"), after.get("ece"), before.get("squared_error"), after.get("squared_error"))
    return CalibrationRow(unit, task, branch(judged).get("n"), *errors)
