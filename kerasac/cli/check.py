"""kerasac-ray check: everything that will hurt, before any compute is spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac.cli.options import (
    DataFolder,
    ExperimentFile,
    Overrides,
    Verbose,
    open_console,
    read_experiment,
    set_volume,
)

if TYPE_CHECKING:
    from kerasac.steps.check import Check


def check(
    experiment: ExperimentFile = None,
    overrides: Overrides = [],  # noqa: B006
    data: DataFolder = None,
    out: Annotated[Path | None, typer.Option(help="Folder for check.json and labels.png; default: none.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Find an experiment's mistakes, and say what it amounts to.

    Nothing is trained; what trainings read is decoded into the cache. Exit status 1 when there are errors. The same
    checks come first in cv.
    """
    set_volume(verbose, quiet=not verbose)
    from kerasac.runs.machine import look_at_machine
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.steps.check import check as check_experiment
    from kerasac.steps.check import write_check

    loaded = read_experiment(experiment, tuple(overrides), data, open_console(quiet=as_json))
    with closing_ray():
        with node_shards() as shards:
            result = check_experiment(loaded, shards)
        if result.prepared is not None:
            result = result.with_more(*look_at_machine(result.prepared, out or Path("runs") / loaded.name))
    written = write_check(result, out) if out is not None else []
    if as_json:
        typer.echo(json.dumps(result.as_dict(), indent=1))
    else:
        _show(result, written, Console())
    if not result.passed:
        raise typer.Exit(1)


def _show(result: Check, written: list[Path], console: Console) -> None:
    from kerasac.cli.show import show_facts

    n_errors = sum(finding.level == "error" for finding in result.findings)
    if result.facts:
        show_facts(result.name, result.facts, console)
    for level, style in (("error", "red"), ("warning", "yellow")):
        for finding in (finding for finding in result.findings if finding.level == level):
            console.print(f"{level}: {finding}", style=style, markup=False, highlight=False, soft_wrap=True)
    counted = {"mistake": n_errors, "warning": len(result.findings) - n_errors}
    said = ", ".join(f"{n or 'no'} {what}{'' if n == 1 else 's'}" for what, n in counted.items())
    console.print(f"{result.name}: {said}", style="bold", highlight=False)
    for path in written:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)
