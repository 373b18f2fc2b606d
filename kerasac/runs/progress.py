"""Show units of work while they run: one live screen in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live

from kerasac.runs.progress_state import Best, Progress
from kerasac.runs.progress_tables import draw
from kerasac.runs.stopping import duration_text
from kerasac.runs.unit import Event, Unit
from kerasac.runs.usage import Usage


class ProgressView:
    """Folds, seeds and configurations with their states, and how far all is; use as a context manager.

    ``units`` are those that are known from the start; others get their lines when they are first heard of. ``total``
    counts all, also the ``finished`` ones of before; where units are known it need not be given. :meth:`usage`,
    :meth:`stopping` and :meth:`remaining` are told from time to time by :func:`kerasac.runs.heartbeat.heartbeat`.
    """

    def __init__(
        self, units: Sequence[Unit], epochs: int, console: Console, *, finished: int = 0, total: int | None = None
    ) -> None:
        self.console = console
        self.progress = Progress(units, epochs, finished=finished, total=total)
        self._usage: Usage | None = None
        self._remaining_s: float | None = None
        self._live = Live(console=console, get_renderable=self.screen, refresh_per_second=2, transient=True)

    def __enter__(self) -> ProgressView:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self.console.is_terminal:
            self._live.stop()
            self._remaining_s = self._usage = None
            self.console.print(self.screen())

    def started(self, unit: Unit, until: int | None = None) -> None:
        """Note that a unit got its place; ``until`` is the epoch at which it is to pause, None = its end."""
        self.progress.started(unit, until)
        self._say(unit, "started" if until is None else f"started, until epoch {until}")

    def heard(self, unit: Unit, event: Event) -> None:
        """Note an event of a unit."""
        self.progress.heard(unit, event)
        text = self._in_words(unit, event)
        if text:
            self._say(unit, text)

    def died(self, unit: Unit, message: str) -> None:
        """Note that a unit failed."""
        self.progress.died(unit, message)
        self._say(unit, f"failed: {message}")

    def best(self, name: str, text: str) -> None:
        """Show the best configuration so far, with its objective in words."""
        if self.progress.best != (name, text):
            self.progress.best = Best(name, text)
            self._print(f"best so far: {name}, {text}")

    def scored(self, name: str, text: str) -> None:
        """Show what a configuration scores so far, beside its folds."""
        self.progress.scores[name] = text

    def planned(self, *, units: int | None = None, epochs: int | None = None, budget: str = "") -> None:
        """Say how many units and epochs there are going to be at most, and what is left of the budget, in words."""
        self.progress.total, self.progress.planned_epochs, self.progress.budget = units, epochs, budget

    def usage(self, usage: Usage, remaining_s: float | None) -> None:
        """Show how busy the machine is, and how long it is until the run has to stop."""
        self._usage, self._remaining_s = usage, remaining_s

    def stopping(self, reason: str) -> None:
        """Show why the run is stopping; said once."""
        if self.progress.stop_reason is None:
            self.progress.stop_reason = reason
            self._print(f"stopping, asked by {reason}: running units end their epoch first")

    def screen(self) -> RenderableType:
        """Return all that is shown in a terminal."""
        return draw(self.progress, self._usage, height=self.console.height, remaining_s=self._remaining_s)

    def _in_words(self, unit: Unit, event: Event) -> str:
        line, kind = self.progress.line(unit), event.get("event")
        if kind == "epoch":
            return f"epoch {line.epoch}/{line.epochs}  validation loss {line.loss:.3f}{self._left()}"
        if kind == "bias epoch":
            return f"bias epoch {event['epoch']:.0f}/{line.epochs}  validation loss {event['val_loss']:.3f}"
        if kind == "bias":
            return f"bias model: {event['message']}"
        if kind == "unsaved":
            return f"goes on, though it cannot be saved now: {event['message']}"
        if kind == "done":
            return f"done: best epoch {line.best_epoch} of {line.epoch}"
        if kind == "paused":
            return f"waits for its rung after epoch {line.epoch}"
        if kind == "stopped":
            return f"stopped after epoch {line.epoch}" if line.epoch else "stopped"
        return f"failed: {event['message']}" if kind == "failed" else ""

    def _left(self) -> str:
        left = self.progress.time_left_s()
        return "" if left is None else f"  about {duration_text(left)} left"

    def _say(self, unit: Unit, text: str) -> None:
        self._print(f"{unit.title}: {text}")

    def _print(self, text: str) -> None:
        if not self.console.is_terminal:
            line = f"[{self.progress.elapsed_s:6.1f} s] {text}"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
