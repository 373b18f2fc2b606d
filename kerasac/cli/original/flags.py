"""Declare flags as kerasAC's commands have them, and read a command line by such a declaration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from kerasac.errors import ConfigError, suggest


class Kind(StrEnum):
    """What the values of a flag are."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    SWITCH = "switch"


@dataclass(frozen=True)
class Flag:
    """A flag of the original, by its name without dashes; ``short`` is what one dash begins (``-m``).

    ``here`` says what it is in ``kerasac-ray``; ``idle`` why it has no meaning here: it is accepted, and a line says
    so; ``refused`` what to do instead: giving it is an error. ``also`` are names that other versions gave it. ``reads``
    marks those that name a file or folder which must be there. With
    ``many`` it takes several values, with ``repeated`` (a list of them) each time it is given. A switch may be followed
    by True or False, as some scripts have it; by any word with ``any_word``, where the original reads one.
    """

    name: str
    kind: Kind = Kind.TEXT
    here: str = ""
    many: bool = False
    default: Any = None
    also: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    repeated: bool = False
    idle: str = ""
    refused: str = ""
    short: str = ""
    reads: bool = False
    any_word: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All its names, this version's first."""
        return (self.name, *self.also)

    @property
    def meaning(self) -> str:
        """One line for a person."""
        if self.idle:
            return f"without meaning here: {self.idle}"
        return f"not offered: {self.refused}" if self.refused else self.here


def text(name: str, here: str = "", **more: Any) -> Flag:
    """Declare a flag of text."""
    return Flag(name, Kind.TEXT, here, **more)


def file(name: str, here: str = "", **more: Any) -> Flag:
    """Declare a flag of files or folders that must be there."""
    return Flag(name, Kind.TEXT, here, reads=True, **more)


def whole(name: str, here: str = "", **more: Any) -> Flag:
    """Declare a flag of whole numbers."""
    return Flag(name, Kind.WHOLE, here, **more)


def number(name: str, here: str = "", **more: Any) -> Flag:
    """Declare a flag of numbers."""
    return Flag(name, Kind.NUMBER, here, **more)


def switch(name: str, here: str = "", **more: Any) -> Flag:
    """Declare a flag that is there or not."""
    return Flag(name, Kind.SWITCH, here, default=False, **more)


@dataclass(frozen=True)
class Given:
    """The flags of one command line, by their names in the declaration; what is not given has its default."""

    command: str
    flags: tuple[Flag, ...]
    values: dict[str, Any] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether a flag was given, with another value than None."""
        return self.values.get(name) is not None

    def text(self, name: str) -> str | None:
        """Return a text; None where there is none."""
        value = self._value(name)
        return None if value is None else str(value)

    def needed(self, name: str) -> str:
        """Return a text that the command cannot do without."""
        value = self.text(name)
        if value is None:
            raise ConfigError(f"{self.command} needs --{name}")
        return value

    def path(self, name: str) -> Path:
        """Return a path that the command cannot do without."""
        return Path(self.needed(name)).expanduser()

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of a flag that takes several."""
        return tuple(str(value) for value in self._value(name) or ())

    def whole(self, name: str) -> int | None:
        """Return a whole number; None where there is none."""
        value = self._value(name)
        return None if value is None else int(value)

    def number(self, name: str) -> float | None:
        """Return a number; None where there is none."""
        value = self._value(name)
        return None if value is None else float(value)

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return the numbers of a flag that takes several."""
        return tuple(float(value) for value in self._value(name) or ())

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        return bool(self._value(name))

    @property
    def remarks(self) -> list[str]:
        """One line for each flag that was given and has no meaning here."""
        return [
            f"--{flag.name}: no meaning here, {flag.idle}" for flag in self.flags if flag.idle and self.has(flag.name)
        ]

    def check_files(self) -> None:
        """Raise ConfigError for what a flag names and is not there; what URLs name is looked up when it is read."""
        for flag in self.flags:
            words = self.values.get(flag.name) if flag.reads and not flag.idle else None
            for word in words if isinstance(words, list) else [words]:
                if word is not None and "://" not in word and not Path(word).expanduser().exists():
                    raise ConfigError(f"--{flag.name} {word} does not exist; correct the path")

    def _value(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        return next((flag.default for flag in self.flags if flag.name == name), None)  # other commands have others


def read_flags(command: str, flags: Sequence[Flag], arguments: Sequence[str]) -> Given:
    """Read a command line; of a flag that is given twice the last one counts, as in kerasAC.

    ``--flag value`` and ``--flag=value`` are the same; the word None stands for no value. As in kerasAC, the beginning
    of a name that no other flag has stands for it, and a value may follow a short flag without a space.

    Raises
    ------
    ConfigError
        For an unknown flag, naming the nearest known one; for a beginning that several have; for values that are
        missing, too many or of another type; and for a flag that is not offered.
    """
    by_name = {name: flag for flag in flags for name in flag.names}
    shorts = {flag.short: flag for flag in flags if flag.short}
    values: dict[str, Any] = {}
    for begun, words in _grouped(command, [part for word in arguments for part in _lengthened(command, word, shorts)]):
        name = _whole_name(command, begun, by_name)
        flag = by_name[name]
        value = _read(flag, name, words)
        if flag.refused and value not in (None, False):
            raise ConfigError(f"--{name} is not offered: {flag.refused}")
        if flag.repeated:
            value = [*values.get(flag.name, []), value]
        values[flag.name] = value
    return Given(command, tuple(flags), values)


def help_text(command: str, summary: str, flags: Sequence[Flag]) -> str:
    """Return what ``--help`` prints."""
    lines = [f"{command}: {summary}", ""]
    for flag in flags:
        names = ", ".join([f"--{name}" for name in flag.names] + ([f"-{flag.short}"] if flag.short else []))
        takes = "" if flag.kind is Kind.SWITCH else f" {'|'.join(flag.choices) or flag.kind.upper().replace(' ', '-')}"
        several = " …" if flag.many else ""
        default = f" (default {_shown(flag.default)})" if flag.default not in (None, False) else ""
        lines += [f"  {names}{takes}{several}", f"      {flag.meaning}{default}"]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _lengthened(command: str, word: str, shorts: Mapping[str, Flag]) -> list[str]:
    """Return a short flag as its long one, and the value that follows it without a space."""
    if not shorts or not re.match(r"-[^-\d.]", word):
        return [word]
    begun, equals, value = word[1:].partition("=")
    fitting = [begun] if begun in shorts else [short for short in shorts if short.startswith(begun)]
    if word[1] in shorts and begun not in shorts:
        fitting.append(word[1])
        value, equals = (word[2:], "=") if len(fitting) == 1 else (value, equals)
    if len(fitting) > 1:
        raise ConfigError(f"{command}: {word} may be {_either(f'-{short}' for short in fitting)}; give it in full")
    return [f"--{shorts[fitting[0]].name}", *([value] if equals else [])] if fitting else [word]


def _whole_name(command: str, begun: str, by_name: Mapping[str, Flag]) -> str:
    """Return the name that is given, or the one that begins so; names of one flag are the same."""
    if begun in by_name:
        return begun
    fitting = {flag.name: name for name, flag in by_name.items() if name.startswith(begun)}
    if not fitting:
        raise ConfigError(
            f"{command} has no flag '--{begun}'{suggest(f'--{begun}', [f'--{name}' for name in by_name])}"
        )
    if len(fitting) > 1:
        several = _either(f"--{name}" for name in fitting.values())
        raise ConfigError(f"{command}: --{begun} may be {several}; give it in full")
    return next(iter(fitting.values()))


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}"


def _grouped(command: str, arguments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each flag's name with the words up to the next flag."""
    name, words = None, []
    for word in arguments:
        if word.startswith("--") and len(word) > 2:
            if name is not None:
                yield name, words
            name, equals, value = word[2:].partition("=")
            words = [value] if equals else []
        elif name is None:
            raise ConfigError(f"{command}: {word!r} is no flag; all of them begin with --")
        else:
            words.append(word)
    if name is not None:
        yield name, words


def _read(flag: Flag, name: str, words: Sequence[str]) -> Any:
    if flag.kind is Kind.SWITCH:
        return _read_switch(flag, name, words)
    if flag.many:
        return [_converted(flag, name, word) for word in words]
    if len(words) != 1:
        extra = f"; {words[1]!r} is too many" if len(words) > 1 else "; there is none"
        raise ConfigError(f"--{name} takes one value{extra}")
    return None if words[0] == "None" else _converted(flag, name, words[0])


def _read_switch(flag: Flag, name: str, words: Sequence[str]) -> bool:
    if not words:
        return True
    if len(words) > 1 or (words[0].lower() not in ("true", "false") and not flag.any_word):
        raise ConfigError(f"--{name} is a switch; {' '.join(words)!r} does not belong to it")
    return words[0].lower() not in ("false", "0", "none", "")


def _converted(flag: Flag, name: str, word: str) -> Any:
    if flag.choices and word not in flag.choices:
        raise ConfigError(f"--{name} is {word!r}{suggest(word, flag.choices)}")
    make: Any = {Kind.TEXT: str, Kind.WHOLE: int, Kind.NUMBER: float}[flag.kind]
    try:
        return make(word)
    except ValueError:
        raise ConfigError(f"--{name} is {word!r}; it takes a {flag.kind}") from None
