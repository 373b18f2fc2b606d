"""The command kerasac-ray stop: end a run at the end of an epoch, from any terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerasac.cli.status import RUNS, shown


def stop(
    folder: Annotated[
        Path | None, typer.Argument(help="Run or study, or its URL; default: the one that is running below runs/.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it has ended, or only ask it to stop.")
    ] = True,
    at_most: Annotated[str, typer.Option(metavar="TIME", help="How long to wait, e.g. 30m.")] = "10m",
) -> None:
    """Stop what runs, here or on another machine that has the folder; units end their epoch, and all is kept.

    The exit status is 1 when it still runs after the wait.
    """
    from kerasac.runs.resume import command_of, state_text
    from kerasac.runs.stop_run import running_run, stop_run
    from kerasac.runs.stopping import parse_duration

    wait_s = parse_duration(at_most)
    running = running_run([folder or RUNS])
    n_running = sum(unit.state == "running" for unit in running.units)
    name = shown(running.folder)
    units = "running unit ends its epoch" if n_running == 1 else "running units end their epoch"
    typer.echo(f"{name}: asked to stop; {n_running} {units} first", err=True)
    after = stop_run(running, wait_s=wait_s if wait else 0)
    if after.driver is not None:
        typer.echo(f"{name}: {state_text(after)}; the request stays", err=True)
        raise typer.Exit(1 if wait else 0)
    typer.echo(f"{name}: {state_text(after)}; {after.n_done} of {after.total or len(after.units)} units are done")
    command = command_of(after)
    if after.state != "finished" and command is not None:
        typer.echo(f"Go on: {command}")
