"""Do one unit of work in the test's own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kerasac.config import Experiment
from kerasac.runs.trial import run_unit
from kerasac.runs.unit import Share, Unit
from kerasac.steps.prepare import prepare


def run_alone(experiment: Experiment, run_folder: Path, *, seed: int = 1) -> tuple[Unit, list[dict[str, Any]]]:
    """Train, predict and score fold 0 on one thread; returns the unit and the events that it reported."""
    prepared = prepare(experiment)
    unit = Unit(prepared.folds[0], seed, str(run_folder))
    events: list[dict[str, Any]] = []
    run_unit(prepared, unit, Share(threads=1, samplers=0), events.append)
    return unit, events
