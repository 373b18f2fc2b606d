"""Show units of work while they run: one live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kerasac.runs.unit import Event, Unit

_STAGES = {
    "bias": "learning the bias",
    "train": "training",
    "validate": "validating",
    "predict": "predicting",
    "score": "scoring",
}
_STYLES = {"waiting": "dim", "done": "green", "failed": "bold red"}


@dataclass
class _Line:
    """What is known of one unit."""

    state: str = "waiting"
    epoch: int = 0
    loss: float | None = None
    best_loss: float | None = None
    best_epoch: int = 0
    epoch_seconds: list[float] = field(default_factory=list)
    started: float | None = None
    seconds: float | None = None
    message: str = ""


class ProgressView:
    """Folds and seeds with their state, epoch, validation loss and time; use as a context manager."""

    def __init__(self, units: Sequence[Unit], epochs: int, console: Console, *, finished: int = 0) -> None:
        self.console, self.epochs, self.finished = console, epochs, finished
        self.lines = {unit.title: _Line() for unit in units}
        self._began = time.perf_counter()
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=2, transient=True)

    def __enter__(self) -> ProgressView:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self.console.is_terminal:
            self._live.stop()
            self.console.print(self._table())

    def started(self, unit: Unit) -> None:
        """Note that a unit got its place."""
        line = self.lines[unit.title]
        line.state, line.started = "starting", time.perf_counter()
        self._say(unit, "started")

    def heard(self, unit: Unit, event: Event) -> None:
        """Note an event of a unit."""
        line = self.lines[unit.title]
        kind = event.get("event")
        if kind == "stage":
            line.state = _STAGES[event["stage"]]
        elif kind == "epoch":
            self._epoch(line, event)
            self._say(unit, f"epoch {line.epoch}/{self.epochs}  validation loss {line.loss:.3f}")
        elif kind == "bias epoch":
            line.state = f"learning the bias, epoch {event['epoch']:.0f}/{self.epochs}"
            self._say(unit, f"bias epoch {event['epoch']:.0f}/{self.epochs}  validation loss {event['val_loss']:.3f}")
        elif kind == "bias":
            self._say(unit, f"bias model: {event['message']}")
        elif kind == "done":
            line.state = "done"
            line.best_epoch, line.epoch = event["best_epoch"], event["epochs"]
            line.seconds = time.perf_counter() - line.started if line.started else None
            self._say(unit, f"done: best epoch {line.best_epoch} of {line.epoch}")
        elif kind == "failed":
            self.died(unit, event["message"])

    def died(self, unit: Unit, message: str) -> None:
        """Note that a unit failed."""
        line = self.lines[unit.title]
        line.state, line.message = "failed", message
        self._say(unit, f"failed: {message}")

    def _epoch(self, line: _Line, event: Event) -> None:
        line.state, line.epoch, line.loss = "training", int(event["epoch"]), float(event["val_loss"])
        line.epoch_seconds.append(float(event["seconds"]))
        if line.best_loss is None or line.loss < line.best_loss:
            line.best_loss, line.best_epoch = line.loss, line.epoch

    def _say(self, unit: Unit, text: str) -> None:
        if not self.console.is_terminal:
            elapsed = time.perf_counter() - self._began
            self.console.print(f"[{elapsed:6.1f} s] {unit.title}: {text}", highlight=False, markup=False)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
        for heading, justify in (
            ("fold / seed", "left"),
            ("state", "left"),
            ("epoch", "right"),
            ("validation loss", "right"),
            ("best (epoch)", "right"),
            ("s an epoch", "right"),
        ):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]
        for name, line in self.lines.items():
            table.add_row(
                name,
                Text(line.state, style=_STYLES.get(line.state, "cyan")),
                f"{line.epoch}/{self.epochs}" if line.epoch else "",
                "" if line.loss is None else f"{line.loss:.3f}",
                "" if line.best_loss is None else f"{line.best_loss:.3f} ({line.best_epoch})",
                f"{sum(line.epoch_seconds) / len(line.epoch_seconds):.1f}" if line.epoch_seconds else "",
            )
        done = sum(line.state in ("done", "failed") for line in self.lines.values())
        kept = f", {self.finished} finished before" if self.finished else ""
        table.caption = f"{done} of {len(self.lines)} done{kept} · {time.perf_counter() - self._began:.0f} s"
        table.caption_justify = "left"
        return table
