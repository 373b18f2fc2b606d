"""The command kerasac-ray resume: what is unfinished, and how it goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from kerasac.cli.status import RUNS, Folders, shown

if TYPE_CHECKING:
    from kerasac.runs.resume import Unfinished

_LISTED = 10


def resume(
    folders: Folders = None,
    run: Annotated[bool, typer.Option("--run", help="Go on with all that is listed, one after the other.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List runs and studies that are unfinished and do not run, with the commands that go on with them.

    Finished units are kept; an interrupted one goes on at its last epoch.
    """
    from kerasac.runs.resume import go_on, unfinished

    found = unfinished(folders or [RUNS])
    if as_json:
        typer.echo(json.dumps([_facts(one) for one in found], indent=1, ensure_ascii=False))
    elif not found:
        typer.echo("nothing is unfinished")
    else:
        for one in found:
            _show(one)
    statuses = []
    for one in found if run else []:
        typer.echo(f"going on with {shown(one.status.folder)}: {one.line}", err=True)
        statuses.append(go_on(one))
    raise typer.Exit(max(statuses, default=0))


def _show(one: Unfinished) -> None:
    from kerasac.runs.resume import state_text

    status = one.status
    of = f" of {status.total}" if status.total else ""
    typer.echo(f"{shown(status.folder)}: {state_text(status)}; {status.n_done}{of} units done")
    left = [unit for unit in status.units if unit.state not in ("done", "paused")]
    for unit in left[:_LISTED]:
        typer.echo(f"    {unit.name}: {unit.how_far}")
    if len(left) > _LISTED:
        typer.echo(f"    and {len(left) - _LISTED} more")
    typer.echo(f"  {one.line}")


def _facts(one: Unfinished) -> dict[str, object]:
    return {
        "folder": str(one.status.folder),
        "state": one.status.state,
        "unfinished": {unit.name: unit.how_far for unit in one.status.units if unit.state != "done"},
        "command": list(one.command.argv) if one.command else None,
        "cwd": one.command.cwd or None if one.command else None,
    }
