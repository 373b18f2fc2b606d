"""Write the tables of flags of docs/migrating.md: ``python tests/flag_tables.py`` renews them."""

from __future__ import annotations

from pathlib import Path

from kerasac.cli.original.commands import COMMANDS, Command
from kerasac.cli.original.flags import Flag

DOCS = Path(__file__).parent.parent / "docs" / "migrating.md"
BEGIN, END = "<!-- flags: written by tests/flag_tables.py -->\n", "<!-- end of flags -->\n"


def flag_tables() -> str:
    """Return a table a command: its flags, and what each is here."""
    return "\n".join(_table(command) for command in COMMANDS)


def documented() -> str:
    """Return the tables as the page has them."""
    return DOCS.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def _table(command: Command) -> str:
    names = ", ".join(command.names)
    rows = [f"| {_names(flag)} | {_cell(flag)} |" for flag in command.flags]
    head = f"### {names}\n\n`kerasac-ray {command.instead}`\n\n| flag | here |\n|---|---|"
    return "\n".join([head, *rows]) + "\n"


def _names(flag: Flag) -> str:
    return ", ".join([f"`--{name}`" for name in flag.names] + ([f"`-{flag.short}`"] if flag.short else []))


def _cell(flag: Flag) -> str:
    return flag.meaning.replace("|", "\\|")


def _renew() -> None:
    before, begin, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOCS.write_text(before + begin + flag_tables() + END + after, encoding="utf-8")


if __name__ == "__main__":
    _renew()
