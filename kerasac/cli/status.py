"""The command kerasac-ray status: how runs and studies stand, from any terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasac.cache import shown as shown_place

if TYPE_CHECKING:
    from kerasac.runs.status import RunStatus

RUNS = Path("runs")
Folders = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FOLDER]...", help="Runs, studies, or folders that hold them, or the URL of one; default: runs/."
    ),
]
_STYLES = {"running": "cyan", "stopping": "yellow", "finished": "green", "failed": "red", "stopped": "yellow"}


def status(
    folders: Folders = None,
    units: Annotated[bool, typer.Option("--units", help="Also list the units of each.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say how runs and studies stand: state, units, epochs, the best so far, time left, errors.

    It reads files alone, so that it works from another terminal, and from another machine that has the folder.
    """
    from kerasac.runs.status import find_runs, read_status

    found = [read_status(folder) for folder in find_runs(folders or [RUNS])]
    if as_json:
        typer.echo(json.dumps([one.as_dict() for one in found], indent=1, ensure_ascii=False))
        return
    console = Console()
    console.print(_table(found))
    for one in found:
        _details(one, console, units=units or len(found) == 1)


def _table(found: list[RunStatus]) -> Table:
    from kerasac.runs.resume import state_text
    from kerasac.runs.stopping import duration_text

    table = Table(box=None, pad_edge=False, header_style="bold")
    some_run = any(one.driver is not None for one in found)
    for heading in ("folder", "state", "units", "epochs", *(["time left"] if some_run else []), "best so far"):
        table.add_column(heading, justify="right" if heading in ("units", "epochs") else "left", overflow="fold")
    for one in found:
        left, total, planned = one.time_left_s, one.total, one.planned_epochs
        table.add_row(
            shown(one.folder),
            Text(state_text(one), style=_STYLES.get(one.state, "")),
            f"{one.n_done}/{total}" if total else str(one.n_done),
            f"{one.epochs}/{planned}" if planned else str(one.epochs),
            *(["" if left is None else f"about {duration_text(left)}"] if some_run else []),
            one.best,
        )
    return table


def _details(one: RunStatus, console: Console, *, units: bool) -> None:
    """Print what a table has no room for: units that are under way or listed, errors, the machine's use."""
    title = shown(one.folder)
    listed = [unit for unit in one.units if unit.state == "running" or (units and unit.state != "failed")]
    for unit in listed if one.kind == "run" or len(listed) <= 40 else listed[:40]:
        _say(f"{title}/{unit.name}: {unit.how_far}", console, _STYLES.get(unit.state, ""))
    if one.kind == "study" and len(listed) > 40:
        _say(f"and {len(listed) - 40} more units; --json has all", console)
    for name, message in one.errors.items():
        _say(f"{title}/{name}: failed: {message}", console, "red")
    if one.driver is not None and one.heartbeat is not None:
        budget = one.heartbeat.progress.get("budget")
        facts = [text for text in (budget, one.heartbeat.usage) if text]
        if one.stop_reason is not None:
            facts.append(f"stopping, asked by {one.stop_reason}")
        if facts:
            _say(f"{title}: {' · '.join(facts)}", console, "dim")


def _say(text: str, console: Console, style: str = "") -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def shown(folder: Path) -> str:
    """Return a folder as short as it can be named here, or its URL."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else shown_place(folder)
