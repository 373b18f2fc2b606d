"""Options that several commands have, and what they do."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from kerasac.config import Experiment

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
StopAfter = Annotated[
    str | None,
    typer.Option(
        "--stop-after",
        metavar="TIME",
        help="Stop at the end of an epoch after this long, e.g. 11h, 90m or 2-12:00:00; the same command goes on.",
    ),
]
Sources = Annotated[
    list[Path], typer.Argument(help="A run's folder, units of it (<run>/fold-0/seed-1234), or .keras files.")
]
Corrected = Annotated[bool, typer.Option("--corrected", help="By the models without the enzyme's bias.")]
ModelExperiment = Annotated[
    Path | None, typer.Option("--experiment", help="For .keras files of no run: what goes in and out.")
]
OtherGenome = Annotated[
    Path | None, typer.Option("--fasta", help="Another genome than the experiment's; of models of sequence alone.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Ray workers; 1 = this process. Default: by GPUs and CPUs.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Verbose = Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more; twice for debugging.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results only.")]


def file_prefix(text: str) -> Path:
    """Read the beginning of the names of files; a folder alone is none."""
    if text.endswith("/") or Path(text).name in ("", ".", ".."):
        raise typer.BadParameter(
            f"{text!r} is a folder; give the beginning of file names in it, e.g. {text.rstrip('/')}/all"
        )
    return Path(text)


def read_experiment(path: Path | None, settings: tuple[str, ...], data: Path | None, console: Console) -> Experiment:
    """Read an experiment file and the keys set on the command line; without a file, take the embedded default."""
    if path is None:
        from kerasac.runs.embedded import embedded_experiment

        message = "No experiment file given: using the embedded default, a simulated genome with planted motifs."
        console.print(message, soft_wrap=True)
        return embedded_experiment(settings)
    from kerasac.config import load_experiment

    return load_experiment(path, overrides=settings, data_folder=data)


def open_console(*, quiet: bool) -> Console:
    """Return where people are spoken to: the results go to stdout, this does not."""
    return Console(stderr=True, quiet=quiet)


def set_volume(verbose: int, *, quiet: bool) -> None:
    """Let the library say as much as the options ask for."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # MLflow sets its loggers' level when it is imported
    logging.getLogger("alembic").setLevel(logging.ERROR)
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("kerasac").setLevel(level)
