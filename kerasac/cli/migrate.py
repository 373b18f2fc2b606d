"""kerasac-ray migrate: the experiment that a script of kerasAC means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerasac.errors import ConfigError


def migrate(
    script: Annotated[Path, typer.Argument(help="Shell script that calls kerasAC_train or kerasAC_cross_validate.")],
    number: Annotated[int | None, typer.Option(help="Which of several trainings, from 1.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write, with what it names beside; default: print.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> None:
    """Print the experiment file that a training of kerasAC means.

    Nothing of the script is run: variables that it sets are put in, loops over folds and seeds are folds and seeds of
    the experiment. The windows are the same as the command's own.
    """
    from kerasac.cache import write_whole
    from kerasac.cli.original.migration import migrate as migrate_script

    made = migrate_script(script, number=number)
    if out is None:
        typer.echo(made.text, nl=False)
        return
    files = {out: made.text, **{out.with_name(name): text for name, text in made.beside.items()}}
    there = [path for path in files if path.exists()]
    if there and not overwrite:
        raise ConfigError(f"{there[0]} is there already; name another file with --out, or --overwrite")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
        typer.echo(f"wrote {path}")
