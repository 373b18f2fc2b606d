"""Write the tables of flags of docs/migrating.md: ``python tests/flag_tables.py`` renews them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from kerasac.cli.original.commands import COMMANDS, Command
from kerasac.cli.original.flags import Flag

DOCS = Path(__file__).parent.parent / "docs" / "migrating.md"
BEGIN, END = "<!-- flags: written by tests/flag_tables.py -->\n", "<!-- end of flags -->\n"


def flag_tables() -> str:
    """Return a table a command: its flags, and what each is here; rows that an earlier one has are named only."""
    first: dict[str, str] = {}  # the command whose table has a row
    tables = []
    for command in COMMANDS:
        tables.append(_table(command, first))
        for flag in command.flags:
            first.setdefault(_row(flag), command.name)
    return "\n".join(tables)


def documented() -> str:
    """Return the tables as the page has them."""
    return DOCS.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def _table(command: Command, first: Mapping[str, str]) -> str:
    earlier: dict[str, list[str]] = {}
    rows = []
    for flag in command.flags:
        row = _row(flag)
        if row in first:
            earlier.setdefault(first[row], []).append(_names(flag, " or "))
        else:
            rows.append(row)
    parts = [f"### {', '.join(command.names)}", f"`kerasac-ray {command.instead}`"]
    parts += [_wrapped(f"As for `{name}`: {', '.join(flags)}.") for name, flags in earlier.items()]
    parts += ["\n".join(["| flag | here |\n|---|---|", *rows])] if rows else []
    return "\n\n".join(parts) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, width=120, break_long_words=False, break_on_hyphens=False)


def _row(flag: Flag) -> str:
    return f"| {_names(flag, ', ')} | {_cell(flag)} |"


def _names(flag: Flag, between: str) -> str:
    return between.join([f"`--{name}`" for name in flag.names] + ([f"`-{flag.short}`"] if flag.short else []))


def _cell(flag: Flag) -> str:
    return flag.meaning.replace("|", "\\|")


def _renew() -> None:
    before, begin, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOCS.write_text(before + begin + flag_tables() + END + after, encoding="utf-8")


if __name__ == "__main__":
    _renew()
