"""The kerasac-ray command: parse, call one library function, print the result."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from kerasac import __version__
from kerasac.cli.ablate import ablate
from kerasac.cli.bigwig import bigwig
from kerasac.cli.calibrate import calibrate
from kerasac.cli.check import check
from kerasac.cli.convert import convert
from kerasac.cli.curves import curves
from kerasac.cli.export import export
from kerasac.cli.folds import folds_app
from kerasac.cli.import_run import import_run
from kerasac.cli.ingest import ingest
from kerasac.cli.init import init
from kerasac.cli.interpret import interpret
from kerasac.cli.labels import labels
from kerasac.cli.launch import launch_app
from kerasac.cli.loss_weights import loss_weights
from kerasac.cli.marginal import marginal
from kerasac.cli.migrate import migrate
from kerasac.cli.models import models
from kerasac.cli.motifs import motifs
from kerasac.cli.negatives import negatives
from kerasac.cli.options import (
    DataFolder,
    ExperimentFile,
    Overrides,
    Quiet,
    StopAfter,
    Verbose,
    open_console,
    read_experiment,
    set_volume,
)
from kerasac.cli.plot import plot
from kerasac.cli.predict import predict
from kerasac.cli.resume import resume
from kerasac.cli.score import score
from kerasac.cli.shift import shift
from kerasac.cli.status import status
from kerasac.cli.stop import stop
from kerasac.cli.summarize import summarize as summarize_runs
from kerasac.cli.tune import tune
from kerasac.cli.variants import variants
from kerasac.cli.windows import windows
from kerasac.errors import KerasacError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train, cross-validate, score and track Keras models of chromatin accessibility and TF binding.",
)


@app.command()
def cv(
    experiment: ExperimentFile = None,
    folds: Annotated[int | None, typer.Option(help="Number of folds; sets folds.n.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder, or its URL (s3://…); default: runs/<experiment name>.")
    ] = None,
    stop_after: StopAfter = None,
    overrides: Overrides = [],  # noqa: B006
    data: DataFolder = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Train, predict and score every fold and seed.

    Run it again to go on where it stopped: finished folds are kept, an interrupted one goes on at its last epoch.
    Ctrl-C, SIGTERM, Slurm's SIGUSR1 and `kerasac-ray stop` end it at the end of an epoch; Ctrl-C twice ends it at once.
    """
    console = open_console(quiet=quiet)
    set_volume(verbose, quiet=quiet)
    settings = (*overrides, *([f"folds.n={folds}"] if folds is not None else []))
    from kerasac.runs.crossval import cross_validate
    from kerasac.runs.stopping import parse_duration

    limit = parse_duration(stop_after) if stop_after is not None else None
    loaded = read_experiment(experiment, settings, data, console)
    result = cross_validate(loaded, out or Path("runs") / loaded.name, console=console, stop_after_s=limit)
    from kerasac.cli.show import show_cross_validation

    show_cross_validation(result, Console())
    raise typer.Exit(result.exit_status)


@app.command()
def ui(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the newest in runs/.")] = None,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on; others than 127.0.0.1 are open to the network.")] = (
        "127.0.0.1"
    ),
) -> None:
    """Open MLflow's pages of a run folder on localhost."""
    from kerasac.runs.tracking import newest_run, serve_ui

    folder = run or newest_run(Path("runs"))
    typer.echo(f"MLflow of {folder}: http://{host}:{port} (Ctrl-C ends it)", err=True)
    raise typer.Exit(serve_ui(folder, host=host, port=port))


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Run folder.")]) -> None:
    """Write the summary and report of a run folder anew.

    Figures that finished units lack are drawn from their predictions, some seconds a unit.
    """
    from kerasac.steps.report import renew_report

    typer.echo(renew_report(run, lambda message: typer.echo(message, err=True)))


app.command()(tune)
app.command()(status)
app.command()(stop)
app.command()(resume)
app.command()(check)
app.command()(init)
app.command()(ingest)
app.command()(shift)
app.command()(labels)
app.command()(negatives)
app.command()(windows)
app.command()(models)
app.command()(calibrate)
app.command()(curves)
app.command()(predict)
app.command()(interpret)
app.command()(variants)
app.command()(marginal)
app.command()(ablate)
app.command()(bigwig)
app.command()(convert)
app.command()(migrate)
app.command()(export)
app.command()(score)
app.command("summarize")(summarize_runs)
app.command("import-run")(import_run)
app.add_typer(folds_app, name="folds")
app.add_typer(launch_app, name="launch")
app.command("loss-weights")(loss_weights)
app.command()(plot)
app.command()(motifs)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"kerasac-ray {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command; mistakes of the input, and a full disk, end with one message and exit status 2."""
    try:
        app()
    except KerasacError as error:
        _end(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" for {error.filename}" if error.filename else ""
        _end(f"no space left on the disk{where}; free some and run the same command again: what is finished is kept")


def _end(message: str) -> NoReturn:
    Console(stderr=True).print(f"error: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)
