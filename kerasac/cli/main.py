"""The kerasac-ray command: parse, call one library function, print the result."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac import __version__
from kerasac.errors import KerasacError

if TYPE_CHECKING:
    from kerasac.config import Experiment

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train, cross-validate, score and track Keras models of chromatin accessibility and TF binding.",
)

ExperimentFile = Annotated[
    Path | None,
    typer.Argument(help="Experiment file (YAML). Without one: a small simulated genome with planted motifs."),
]
Overrides = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. model.filters=32; repeatable.")
]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder that relative paths are relative to; default: the file's own."),
]
Verbose = Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more; twice for debugging.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results only.")]


@app.command()
def cv(
    experiment: ExperimentFile = None,
    folds: Annotated[int | None, typer.Option(help="Number of folds; sets folds.n.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default: runs/<experiment name>.")] = None,
    overrides: Overrides = [],  # noqa: B006
    data: DataFolder = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Train, predict and score every fold and seed.

    Run it again to go on where it stopped: finished folds are kept, an interrupted one goes on at its last epoch.
    """
    console = _console(quiet=quiet)
    _set_volume(verbose, quiet=quiet)
    settings = (*overrides, *([f"folds.n={folds}"] if folds is not None else []))
    from kerasac.runs.crossval import cross_validate

    loaded = _load(experiment, settings, data, console)
    result = cross_validate(loaded, out or Path("runs") / loaded.name, console=console)
    from kerasac.cli.show import show_cross_validation

    show_cross_validation(result, Console())


@app.command()
def check(
    experiment: ExperimentFile = None,
    overrides: Overrides = [],  # noqa: B006
    data: DataFolder = None,
    verbose: Verbose = 0,
) -> None:
    """Find an experiment's mistakes, and say what it amounts to.

    Nothing is trained. The same checks come first in cv.
    """
    _set_volume(verbose, quiet=False)
    from kerasac.cli.show import show_facts
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.steps.prepare import describe, prepare

    loaded = _load(experiment, tuple(overrides), data, _console(quiet=False))
    with closing_ray(), node_shards() as shards:
        facts = describe(prepare(loaded, shards))
    show_facts(f"{loaded.name}: no mistakes found", facts, Console())


@app.command()
def init() -> None:
    """Print an experiment file to start from."""
    template = Path(__file__).parents[1] / "templates" / "experiment.yaml"
    sys.stdout.write(template.read_text())


@app.command()
def ingest(
    metadata: Annotated[Path, typer.Argument(help="TSV: 'dataset' and a column an attribute; cells are file paths.")],
    attributes: Annotated[str, typer.Option(help="TSV of attribute and type, or the name of a built-in set.")],
    chrom_sizes: Annotated[Path, typer.Option(help="Chromosome sizes (or a FASTA index).")],
    out: Annotated[Path, typer.Option(help="TileDB array to write.")],
    overwrite: Annotated[bool, typer.Option(help="Replace an array that is there.")] = False,
    workers: Annotated[int | None, typer.Option(help="Ray workers of this machine; default: by the work.")] = None,
    data: DataFolder = None,
    verbose: Verbose = 0,
) -> None:
    """Write bigWig and BED tracks into a TileDB array.

    The array has seqdataloader's schema. An interrupted ingest goes on when called again.
    """
    _set_volume(verbose, quiet=False)
    from kerasac.cli.show import ingest_progress, show_facts
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.store.ingest import ingest as write_array

    with closing_ray(), node_shards(workers) as shards, ingest_progress() as progress:
        layout = write_array(
            metadata,
            attributes,
            chrom_sizes,
            out,
            base=data,
            overwrite=overwrite,
            shards=shards,
            progress=progress,
        )
    facts = [("datasets", ", ".join(layout.datasets)), ("attributes", ", ".join(layout.attributes))]
    show_facts(f"wrote {out}", facts, Console())


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
    """Write the summary and report of a run folder anew."""
    from kerasac.steps.report import write_report
    from kerasac.steps.summary import summarize

    summarize(run)
    typer.echo(write_report(run))


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"kerasac-ray {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command; mistakes of the input end with one message and exit status 2."""
    try:
        app()
    except KerasacError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


def _load(path: Path | None, settings: tuple[str, ...], data: Path | None, console: Console) -> Experiment:
    if path is None:
        from kerasac.runs.embedded import embedded_experiment

        message = "No experiment file given: using the embedded default, a simulated genome with planted motifs."
        console.print(message, soft_wrap=True)
        return embedded_experiment(settings)
    from kerasac.config import load_experiment

    return load_experiment(path, overrides=settings, data_folder=data)


def _console(*, quiet: bool) -> Console:
    return Console(stderr=True, quiet=quiet)


def _set_volume(verbose: int, *, quiet: bool) -> None:
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # MLflow sets its loggers' level when it is imported
    logging.getLogger("alembic").setLevel(logging.ERROR)
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("kerasac").setLevel(level)
