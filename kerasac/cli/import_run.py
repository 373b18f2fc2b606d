"""Bring the training of another tool into MLflow: ``kerasac-ray import-run``."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kerasac.cli.options import Quiet, Verbose, set_volume


class Kind(StrEnum):
    """The tools whose folders are read."""

    chrombpnet = "chrombpnet"
    bpnet = "bpnet"


def import_run(
    folder: Annotated[Path, typer.Argument(help="Output folder of a chrombpnet or bpnet training.")],
    kind: Annotated[Kind | None, typer.Option(help="The tool that wrote it; default: found by its files.")] = None,
    experiment: Annotated[str | None, typer.Option(help="MLflow experiment; default: the tool's name.")] = None,
    uri: Annotated[str | None, typer.Option(help="MLflow server; default: a local store in --out.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the local store.")] = Path("runs/imported"),
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Log a training of chrombpnet or bpnet in MLflow, as one run.

    Its parameters, epochs, metrics, models and plots are copied; the same folder again adds what is new.
    """
    set_volume(verbose, quiet=quiet)
    from kerasac.cli.show import show_facts
    from kerasac.runs.import_run import import_run as log_run

    done = log_run(folder, kind=kind.value if kind else None, experiment=experiment, uri=uri, out=out)
    console = Console()
    facts = [
        ("parameters", f"{done.n_parameters:,}"),
        ("rows of epochs", f"{done.n_epochs:,}"),
        ("metrics", f"{done.n_metrics:,}"),
        ("files", f"{done.n_files:,}"),
        ("run", f"{done.run_id} of experiment {done.experiment}"),
    ]
    show_facts(f"{done.name}, of {done.kind}", facts, console)
    if done.kept_parameters:
        names = ", ".join(done.kept_parameters)
        console.print(f"MLflow keeps the first values of: {names}", style="yellow", markup=False, soft_wrap=True)
    where = f"kerasac-ray ui {shlex.quote(str(out))}" if uri is None else uri
    console.print(f"Browse:  {where}", highlight=False, markup=False, soft_wrap=True)
