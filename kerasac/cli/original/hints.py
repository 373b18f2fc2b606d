"""Write command lines of kerasac-ray, to show what a command of the original is."""

from __future__ import annotations

import shlex
from pathlib import Path


def hint(command: str, *positional: object, **options: object) -> str:
    """Return a command line; options that are None, False or empty are left out, True is a switch.

    Underscores in names are dashes on the command line; a tuple is an option that is given several times.
    """
    words = ["kerasac-ray", command, *(str(word) for word in positional)]
    for name, value in options.items():
        option = f"--{name.strip('_').replace('_', '-')}"
        if value is True:
            words.append(option)
        elif isinstance(value, tuple):
            words += [word for one in value for word in (option, str(one))]
        elif value not in (None, False, ""):
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def shortest(path: Path) -> Path:
    """Return a path relative to here, when that is shorter."""
    here = Path.cwd()
    absolute = path.absolute()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else path
