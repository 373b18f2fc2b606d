"""Say what MLflow gets of a unit: metrics of its epochs and scores, facts of its marker, files."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import Metric

from kerasac.runs.unit import VALID_SCORES
from kerasac.steps.history import Row, read_history

CARD = "model.card.md"
HISTORY = "history.csv"
UNIT_FILES = (HISTORY, "scores.json", "scores.tsv", VALID_SCORES, "unit.json", CARD)
PREDICTIONS = ("predictions.h5", "test.labels.0", "test.predictions.0")  # of windows, or of bins
FACTS = ("plan_digest", "best_epoch", "model_parameters")  # of unit.json
EPOCH_METRIC = "val_loss"  # every row has it: where it is logged, the row is
_NOT_LOGGED = ("epoch", "seconds")


def epoch_metrics(row: Row) -> list[Metric]:
    """Return the metrics of an epoch."""
    now = now_ms()
    step = int(row["epoch"])
    return [Metric(name, value, now, step) for name, value in row.items() if name not in _NOT_LOGGED]


def metrics_of(values: Mapping[str, float | None], *, step: int = 0) -> list[Metric]:
    """Return metrics by name; a score that could not be computed is left out."""
    now = now_ms()
    return [Metric(name, float(value), now, step) for name, value in values.items() if value is not None]


def scored_metrics(folder: Path) -> list[Metric]:
    """Return the scores of a unit's test windows, none when there are none."""
    return metrics_of(_scores(folder / "scores.json", ""))


def valid_metrics(folder: Path) -> list[Metric]:
    """Return the scores of a unit's validation windows, at the epoch up to which it is trained."""
    history = read_history(folder / HISTORY)
    step = int(history[-1]["epoch"]) if history else 0
    return metrics_of(_scores(folder / VALID_SCORES, "valid."), step=step)


def _scores(path: Path, prefix: str) -> dict[str, float | None]:
    if not path.exists():
        return {}
    windows = json.loads(path.read_text())["windows"]
    return {f"{prefix}{where}.{name}": value for where, by in windows.items() for name, value in by.items()}


def now_ms() -> int:
    """Return the time as MLflow counts it."""
    return int(time.time() * 1000)
