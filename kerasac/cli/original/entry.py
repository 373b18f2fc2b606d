"""Run a command of kerasAC or seqdataloader by the name of its script."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from kerasac.cli.options import set_volume
from kerasac.cli.original.commands import BY_NAME
from kerasac.cli.original.flags import help_text, read_flags
from kerasac.cli.original.set_by import with_flags
from kerasac.cli.original.telling import tell
from kerasac.errors import ConfigError, KerasacError


def main() -> None:
    """Run the command whose script this is; mistakes of the input end with one message and exit status 2."""
    console = Console(stderr=True)
    try:
        sys.exit(run(Path(sys.argv[0]).name, sys.argv[1:], console))
    except KerasacError as error:
        console.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


def run(name: str, arguments: Sequence[str], console: Console) -> int:
    """Run a command by its name, and return the exit status; results go to stdout, all else to the console."""
    command = BY_NAME[name]
    if not arguments or {"-h", "--help"} & set(arguments):
        typer.echo(help_text(name, command.summary, command.flags))
        return 0
    given = read_flags(name, command.flags, arguments)
    given.check_files()
    set_volume(0, quiet=False)
    for remark in given.remarks:
        tell(console, remark)
    try:
        done = command.run(given, console)
    except ConfigError as error:
        raise ConfigError(with_flags(str(error), given)) from error
    for line in done.printed:
        typer.echo(line)
    for path in done.written:
        tell(console, f"wrote {path}")
    tell(console, f"With kerasac-ray: {done.hint}")
    return done.exit_status
