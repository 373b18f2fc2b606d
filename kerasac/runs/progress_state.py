"""Keep what is known of the units of a run while they report, and estimate the time that is left."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from kerasac.runs.unit import Event, Unit
from kerasac.steps.history import read_history

Phase = Literal["waiting", "running", "paused", "stopped", "done", "failed"]

_STAGES = {
    "bias": "learning the bias",
    "train": "training",
    "validate": "validating",
    "predict": "predicting",
    "score": "scoring",
}


class Best(NamedTuple):
    """The best configuration so far, and its objective in words."""

    name: str
    text: str


@dataclass
class Line:
    """What is known of one unit: ``epoch`` it has trained, by earlier commands too; at ``epochs`` it ends or pauses."""

    configuration: str
    fold: int
    seed: int
    epochs: int
    phase: Phase = "waiting"
    state: str = "waiting"
    epoch: int = 0
    loss: float | None = None
    best_loss: float | None = None
    best_epoch: int = 0
    epoch_seconds: list[float] = field(default_factory=list)
    message: str = ""
    started_at: float | None = None
    seen_at_start: int = 0
    overhead_s: float | None = None  # what its last start took beside its epochs

    def ended(self) -> None:
        """Note that it is done or paused for now."""
        if self.started_at is not None:
            took = time.perf_counter() - self.started_at
            self.overhead_s = max(0.0, took - sum(self.epoch_seconds[self.seen_at_start :]))

    @property
    def seconds_an_epoch(self) -> float | None:
        """The mean of the epochs seen."""
        return sum(self.epoch_seconds) / len(self.epoch_seconds) if self.epoch_seconds else None


class Progress:
    """The units that are known, by title in the order in which they were heard of.

    ``finished`` are units that ended before, ``total`` all of them, those included; None where a search decides as it
    goes. The screen reads while the driver writes: what is read of a dict is copied first.
    """

    def __init__(self, units: Sequence[Unit], epochs: int, *, finished: int = 0, total: int | None = None) -> None:
        self.epochs, self.finished = epochs, finished
        self.total = total if total is not None else (finished + len(units) if units else None)
        self.lines = {unit.title: self._new(unit) for unit in units}
        self.best: Best | None = None
        self.scores: dict[str, str] = {}
        self.budget = ""
        self.planned_epochs: int | None = None
        self.stop_reason: str | None = None
        self.last_error: tuple[str, str] | None = None
        self.epochs_now = 0  # trained by this command
        self.began = time.perf_counter()
        self._parallel = 1  # units at a time, the most seen

    def line(self, unit: Unit) -> Line:
        """Return a unit's line; one that is first heard of gets one."""
        if unit.title not in self.lines:
            self.lines[unit.title] = self._new(unit)
        return self.lines[unit.title]

    def _new(self, unit: Unit) -> Line:
        trained = len(read_history(unit.folder / "history.csv"))
        return Line(unit.configuration, unit.fold.index, unit.seed, self.epochs, epoch=trained)

    def started(self, unit: Unit, until: int | None) -> None:
        """Note that a unit got its place, until an epoch where it is to pause."""
        line = self.line(unit)
        line.phase, line.state, line.message = "running", "starting", ""
        line.epochs = until or self.epochs
        line.started_at, line.seen_at_start = time.perf_counter(), len(line.epoch_seconds)
        self._parallel = max(self._parallel, self.counts()["running"])

    def heard(self, unit: Unit, event: Event) -> None:
        """Note an event of a unit."""
        line, kind = self.line(unit), event.get("event")
        if kind == "stage":
            line.state = _STAGES[event["stage"]]
        elif kind == "epoch":
            self._epoch(line, event)
        elif kind == "bias epoch":
            line.state = f"learning the bias, epoch {event['epoch']:.0f}/{line.epochs}"
        elif kind == "done":
            line.phase = line.state = "done"
            line.ended()
            line.epoch, line.best_epoch = int(event["epochs"]), int(event["best_epoch"])
        elif kind == "paused":
            line.phase, line.state = "paused", "waiting for its rung"
            line.ended()
            line.epoch, line.best_epoch = int(event["epochs"]), int(event["best_epoch"])
        elif kind == "stopped":
            line.phase = line.state = "stopped"
        elif kind == "failed":
            self.died(unit, event["message"])

    def _epoch(self, line: Line, event: Event) -> None:
        line.state, line.epoch, line.loss = "training", int(event["epoch"]), float(event["val_loss"])
        line.epoch_seconds.append(float(event["seconds"]))
        self.epochs_now += 1
        if line.best_loss is None or line.loss < line.best_loss:
            line.best_loss, line.best_epoch = line.loss, line.epoch

    def died(self, unit: Unit, message: str) -> None:
        """Note that a unit failed."""
        line = self.line(unit)
        line.phase, line.state, line.message = "failed", "failed", message
        self.last_error = unit.title, message

    def counts(self) -> Counter[Phase]:
        """Return how many of the known units are in which phase."""
        return Counter(line.phase for line in list(self.lines.values()))

    @property
    def ended(self) -> int:
        """How many units are done or failed, those of before included."""
        counts = self.counts()
        return self.finished + counts["done"] + counts["failed"]

    @property
    def elapsed_s(self) -> float:
        """Seconds since this began."""
        return time.perf_counter() - self.began

    def time_left_s(self) -> float | None:
        """Return the seconds until the end at the speed so far, starts of units and their scoring included.

        None before the first epoch, and where a search has not said how many epochs it plans.
        """
        lines = list(self.lines.values())
        pace, epochs = self._pace(lines), self._epochs_to_come(lines)
        if pace is None or epochs is None:
            return None
        counts = self.counts()
        to_start = counts["waiting"] + max(0, (self.total or 0) - self.finished - len(lines))
        overheads = [line.overhead_s for line in lines if line.overhead_s is not None]
        overhead = statistics.mean(overheads) if overheads else 0.0
        at_a_time = max(1, min(self._parallel, counts["running"] + to_start))
        return (epochs * pace + to_start * overhead) / at_a_time

    def _pace(self, lines: Sequence[Line]) -> float | None:
        """Return the seconds of an epoch; the first of a unit takes longer, as its graph is made then."""
        later = [seconds for line in lines for seconds in line.epoch_seconds[1:]]
        first = [seconds for line in lines for seconds in line.epoch_seconds[:1]]
        return statistics.median(later or first) if first else None

    def _epochs_to_come(self, lines: Sequence[Line]) -> float | None:
        if self.planned_epochs is not None:
            # What ended early leaves none of its epochs, before this command or now.
            over = sum(line.epochs if line.phase == "done" else line.epoch for line in lines)
            return max(0, self.planned_epochs - self.finished * self.epochs - over)
        if self.total is None:
            return None
        done = [line.epoch for line in lines if line.phase == "done"]
        usual = statistics.mean(done) if done else float(self.epochs)  # patience ends many before their last
        started = [line for line in lines if line.phase == "running"]
        left = sum(max(1.0, min(usual, line.epochs) - line.epoch) for line in started if line.epoch < line.epochs)
        waiting = sum(max(1.0, usual - line.epoch) for line in lines if line.phase == "waiting")
        return left + waiting + usual * max(0, self.total - self.finished - len(lines))

    def facts(self) -> dict[str, Any]:
        """Return what other terminals are to know."""
        counts = self.counts()
        lines = list(self.lines.items())
        return {
            "units": {"ended": self.ended, "total": self.total, "finished_before": self.finished, **counts},
            "epochs": {"now": self.epochs_now, "a_unit": self.epochs, "planned": self.planned_epochs},
            "time_left_s": _rounded(self.time_left_s()),
            "best": self.best._asdict() if self.best else None,
            "budget": self.budget or None,
            "stopping": self.stop_reason,
            "running": [
                {"unit": title, "state": line.state, "epoch": line.epoch, "epochs": line.epochs}
                for title, line in lines
                if line.phase == "running"
            ],
            "last_error": dict(zip(("unit", "message"), self.last_error, strict=True)) if self.last_error else None,
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
