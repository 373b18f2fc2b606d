"""Say what a launch is to do: units of work, given out one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from kerasac.runs.unit import Event, Unit
from kerasac.steps.prepared import Prepared


class Task(NamedTuple):
    """A unit to do, with its prepared experiment; ``until`` is the epoch at which it pauses, None = its end."""

    unit: Unit
    prepared: Prepared
    until: int | None = None


class TaskSource(Protocol):
    """Gives out tasks, in the driver's process."""

    def next_task(self) -> Task | None:
        """Return what to do next; None when there is nothing to do now."""

    def ended(self, task: Task, event: Event | None) -> None:
        """Hear the last event of a task; None when its process died for good."""

    def is_finished(self) -> bool:
        """Whether nothing will come any more, whatever becomes of the tasks that are being done."""


class Listed:
    """Tasks that are known from the start, until something asks to stop."""

    def __init__(self, tasks: Iterable[Task], stopped: Callable[[], bool] = lambda: False) -> None:
        self._waiting, self._stopped = list(tasks), stopped

    def next_task(self) -> Task | None:
        """Return the next of the list."""
        return None if self.is_finished() else self._waiting.pop(0)

    def ended(self, task: Task, event: Event | None) -> None:
        """Hear nothing: the list is what it is."""

    def is_finished(self) -> bool:
        """Whether all have been given out, or are to be kept back."""
        return not self._waiting or self._stopped()
