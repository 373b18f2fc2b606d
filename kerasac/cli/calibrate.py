"""kerasac-ray calibrate: predictions that mean what they say."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kerasac.cli.options import Quiet, Verbose, open_console, set_volume

if TYPE_CHECKING:
    from kerasac.runs.calibrate import CalibratedUnit
    from kerasac.steps.calibration import Calibration

_LISTED = 4  # tasks


def calibrate(
    source: Annotated[Path, typer.Argument(help="Run folder, or the folder of one unit (<run>/fold-0/seed-1234).")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Calibrate again what is calibrated.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that was fitted and judged as JSON.")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Fit on validation chromosomes what makes a model's predictions equal the observed mean.

    Isotonic regression of log counts or values, Platt scaling of probabilities, task by task: calibration.json beside
    each unit's model, which predict applies to log counts. It is judged on the test windows, before and after, with a
    plot (plots/reliability.png). Exit status 1 when a unit failed.
    """
    console = open_console(quiet=quiet)
    set_volume(verbose, quiet=quiet)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # each unit brings a model: tracing anew is no fault
    from kerasac.runs.calibrate import calibrate as calibrate_run

    units = calibrate_run(source, overwrite=overwrite, say=lambda text: console.print(text, highlight=False))
    if as_json:
        typer.echo(json.dumps({unit.name: _document(unit) for unit in units}, indent=1))
    else:
        _show(units, Console())
    for unit in units:
        if unit.error:
            typer.secho(f"{unit.name} failed: {unit.error}", fg="red", err=True)
    if any(unit.error for unit in units):
        raise typer.Exit(1)


def _document(unit: CalibratedUnit) -> dict[str, Any]:
    if unit.calibration is None:
        return {"error": unit.error}
    return {"kept": unit.kept, **json.loads(unit.path.read_text(encoding="utf-8"))}


def _show(units: Sequence[CalibratedUnit], console: Console) -> None:
    """Print the test windows' errors, what they mean, and where the files lie."""
    done = [(unit, unit.calibration) for unit in units if unit.calibration is not None]
    if not done:
        return
    first = done[0][1]
    console.print(_table(done))
    n_left = len(first.tasks) - _LISTED
    if n_left > 0:
        console.print(f"and {n_left} more tasks: --json lists all", highlight=False)
    for text in first.judged["definitions"].values():
        console.print(text, highlight=False, soft_wrap=True)
    n_kept = sum(unit.kept for unit in units)
    kept = f", {n_kept} of them from before" if n_kept else ""
    console.print(f"\n{len(done)} of {len(units)} units are calibrated{kept}", highlight=False)
    console.print(f"e.g. {done[0][0].path} and plots/reliability.png beside", highlight=False, soft_wrap=True)


def _table(done: Sequence[tuple[CalibratedUnit, Calibration]]) -> Table:
    first = done[0][1]
    of_tasks = "" if len(first.tasks) > 1 else f" of {first.tasks[0]}"
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = f"Test windows{of_tasks}, before → after"
    error = "Brier score" if first.kind == "classification" else "MSE"
    for heading in ("", *([] if of_tasks else ["task"]), "fitted on", "ECE", error):
        table.add_column(heading, no_wrap=heading != "task", overflow="fold")
    for unit, calibration in done:
        for task, judged in list(calibration.judged["tasks"].items())[:_LISTED]:
            n = f"{calibration.n_labelled[task]:,} {'windows' if calibration.kind == 'counts' else 'bins'}"
            named = [unit.name, *([] if of_tasks else [task])]
            table.add_row(*named, n, _change(judged, "ece"), _change(judged, "squared_error"))
    return table


def _change(judged: dict[str, Any], name: str) -> str:
    return f"{judged['before'][name]:.4f} → {judged['after'][name]:.4f}"
