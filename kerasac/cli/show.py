"""Print results for a person."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from kerasac.steps.summary import Summary, headline

if TYPE_CHECKING:
    from kerasac.runs.crossval import CrossValidation


_ARROWS = {"higher": "↑", "lower": "↓"}  # which way is better


def show_cross_validation(result: CrossValidation, console: Console) -> None:
    """Print how well held-out windows are predicted, against the floors, and where everything lies."""
    if result.summary is not None:
        console.print(_scores(result.summary))
    trained = f"{result.n_trained} finished now, {result.n_kept} before, {result.seconds:.0f} s"
    console.print(f"\n{trained}", highlight=False)
    if result.tracking_problem:
        console.print(
            f"MLflow could not be written ({result.tracking_problem}); run the same command again to log it.",
            style="yellow",
            highlight=False,
        )
    if result.stopped is not None:
        show_stopped(result.stopped, result.unfinished, console)
    shown = _shortest(result.folder)
    console.print(f"Report:  {shown}/report.html", highlight=False, soft_wrap=True)
    console.print(f"Browse:  kerasac-ray ui {shlex.quote(str(shown))}", highlight=False, soft_wrap=True)


def show_stopped(reason: str, unfinished: Mapping[str, str], console: Console, *, at_most: int = 10) -> None:
    """Print why a run stopped, what is unfinished, and the command that goes on, which is the one of this process."""
    from kerasac.runs.heartbeat import Command

    said = f"Stopped, asked by {reason}; {len(unfinished)} unfinished, and all that is done is kept:"
    console.print(said, style="yellow", highlight=False, markup=False, soft_wrap=True)
    for name, state in list(unfinished.items())[:at_most]:
        console.print(f"  {name}: {state}", highlight=False, markup=False, soft_wrap=True)
    if len(unfinished) > at_most:
        console.print(f"  and {len(unfinished) - at_most} more", highlight=False)
    console.print(f"Go on:   {Command.this()}", highlight=False, markup=False, soft_wrap=True)


def _scores(summary: Summary) -> Table:
    n = len(summary.units)
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = f"Held-out chromosomes, mean ± sd over {n} units"
    for heading in ("", "windows", "score", "", "floor"):
        table.add_column(heading, no_wrap=True)
    for row in headline(summary):
        floor = "" if row.floor is None else f"{row.floor:.3f} ({row.floor_label})"
        table.add_row(row.label, row.windows.removesuffix(" windows"), row.text(), _ARROWS[row.better], floor)
    return table


def show_facts(title: str, facts: Sequence[tuple[str, str]], console: Console) -> None:
    """Print named facts, one a line."""
    console.print(title, style="bold", highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    console.print(table)


@contextmanager
def progress_bar(what: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while something is done; yields what to call with (done, total)."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console or Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def _shortest(folder: Path) -> Path:
    """Return a folder relative to here, when that is shorter."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
