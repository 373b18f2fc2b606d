"""Say which flag sets a key of the experiment that a message names."""

from __future__ import annotations

import re

from kerasac.cli.original.flags import Flag, Given

_KEY = re.compile(r"\w+(\.\w+)+")


def with_flags(message: str, given: Given) -> str:
    """Add to a message the flags of the keys that it names; of several flags of a key those that were given."""
    said = {}
    for key in dict.fromkeys(flag.here for flag in given.flags if _KEY.fullmatch(flag.here)):
        if re.search(rf"(?<![\w.]){re.escape(key)}(?!\.?\w)", message):
            flags = [flag for flag in given.flags if flag.here == key]
            said[key] = _either([flag for flag in flags if given.has(flag.name)] or flags)
    if len(said) == 1:
        return f"{message} (set by {next(iter(said.values()))})"
    listed = ", ".join(f"{key} by {flags}" for key, flags in said.items())
    return f"{message} (set: {listed})" if said else message


def _either(flags: list[Flag]) -> str:
    return " or ".join(f"--{flag.name}" for flag in flags)
