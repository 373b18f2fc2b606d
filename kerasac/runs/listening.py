"""Pass what units report on to the screen and to MLflow, and keep what failed."""

from __future__ import annotations

from collections.abc import Callable

from kerasac.runs.progress import ProgressView
from kerasac.runs.stopping import Stopping
from kerasac.runs.tracking import CARD, Tracker
from kerasac.runs.unit import Event, Unit
from kerasac.steps.card import write_card


class Listener:
    """Passes a unit's events to the screen and to MLflow, and keeps which units failed or were stopped.

    It is called in the main thread while Tune runs, so it also keeps Tune from taking over the signals that ``stop``
    listens to.
    """

    def __init__(
        self, view: ProgressView, tracker_of: Callable[[Unit], Tracker], *, stop: Stopping | None = None
    ) -> None:
        self.view, self.tracker_of, self.stop = view, tracker_of, stop
        self.failures: dict[str, str] = {}
        self.stopped: set[str] = set()

    def started(self, unit: Unit, until: int | None = None) -> None:
        """Show and log that a unit got its place; ``until`` is the epoch at which it is to pause."""
        self._hold_signals()
        self.view.started(unit, until)
        self.failures.pop(unit.title, None)
        self.stopped.discard(unit.title)
        self.tracker_of(unit).start(unit)

    def heard(self, unit: Unit, event: Event) -> None:
        """Show and log an event of a unit."""
        self._hold_signals()
        kind = event.get("event")
        if kind == "stopped" and self.stop is not None and self.stop.reason is not None:
            self.view.stopping(self.stop.reason)  # the heartbeat may not have seen it yet
        self.view.heard(unit, event)
        if kind == "epoch":
            self.tracker_of(unit).epoch(unit, _metrics(event))
        elif kind == "done":
            finish(unit, self.tracker_of(unit))
        elif kind == "paused":
            self.tracker_of(unit).pause(unit)
        elif kind == "stopped":
            self.stopped.add(unit.title)
            self.tracker_of(unit).interrupt(unit)
        elif kind == "failed":
            self._fail(unit, event["message"])

    def died(self, unit: Unit, message: str) -> None:
        """Show and log that a unit's process died."""
        self.view.died(unit, message)
        self._fail(unit, message)

    def _hold_signals(self) -> None:
        if self.stop is not None:
            self.stop.hold_signals()

    def _fail(self, unit: Unit, message: str) -> None:
        self.failures[unit.title] = message
        self.tracker_of(unit).fail(unit, message)


def finish(unit: Unit, tracker: Tracker) -> None:
    """Write the card of a finished unit's model, and log what MLflow lacks of it."""
    if not unit.tuning and not (unit.folder / CARD).exists():
        write_card(unit.folder, unit.folder / CARD)
    tracker.catch_up(unit)


def _metrics(event: Event) -> dict[str, float]:
    """Keep the row of history.csv out of what Tune adds to a result."""
    names = ("epoch", "learning_rate", "seconds")
    return {
        key: float(value)
        for key, value in event.items()
        if key in names or key == "loss" or key.endswith("_loss") or key.startswith("val_")
    }
