"""Find the commands of kerasAC in a shell script, with the variables and loops that the script sets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from kerasac.cli.original.commands import BY_NAME, Command
from kerasac.cli.original.shell import (
    EXPANSION,
    FUNCTION,
    MOST_NUMBERS,
    Simple,
    expand_braces,
    joined,
    simple_commands,
    split_word,
    words_in,
)
from kerasac.errors import ConfigError

_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)(?P<more>\+?)=(?P<value>.*)", re.DOTALL)
_COUNTED = re.compile(r"\(\((\w+)=(\d+);\1<(=?)(\d+);(?:\1\+\+|\+\+\1|\1\+=1)\)\)")
_CHANGED = re.compile(r"(\w+)\s*(?:\+\+|--|[-+*/%]?=(?!=))|(?:\+\+|--)(\w+)")
_CLOSED_BY = {"if": "fi", "case": "esac"}
_DECLARES = {"export", "local", "declare", "typeset", "readonly"}
_STARTERS = re.compile(
    r"nohup|env|eval|exec|sudo|nice|ionice|setsid|stdbuf|timeout|time|taskset|numactl|srun|sbatch|bsub|mpirun|xargs"
    r"|parallel|conda|mamba|micromamba|docker|podman|singularity|apptainer|python3?|uv|poetry"
)


@dataclass(frozen=True)
class Word:
    """A word of a command line as it stands in the script, and with the variables that are set put in."""

    written: str
    value: str

    @property
    def variable(self) -> str | None:
        """The variable that it is, when it is nothing else."""
        found = EXPANSION.fullmatch(re.sub("[\"']", "", self.written))
        return None if found is None else found["plain"] or found["braced"]


@dataclass(frozen=True)
class FoundCommand:
    """A command line of a script with what it has in one turn of the loops around it.

    ``values`` are the script's variables there; ``unknown`` are those whose values only running the script tells, with
    what sets them; ``conditional`` are those that a condition sets.
    """

    line: int
    command: Command
    name: str
    words: tuple[Word, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    conditional: frozenset[str] = frozenset()

    @property
    def arguments(self) -> list[str]:
        """The words after the command, with variables put in."""
        return [word.value for word in self.words]

    def given(self, flag: str) -> Word | None:
        """Return the word after a flag, the last one when it is given twice."""
        places = [i for i, word in enumerate(self.words[:-1]) if word.value == f"--{flag}"]
        return self.words[places[-1] + 1] if places else None

    def without(self, word: Word, names: Sequence[str]) -> str:
        """Return a word's value with nothing in the place of some variables."""
        return joined(word.written, {**self.values, **dict.fromkeys(names, "")})


def read_script(path: Path) -> list[FoundCommand]:
    """Read all commands of kerasAC and seqdataloader that a shell script calls, once for each turn of a loop.

    Assignments, arrays, loops (``for fold in 0 1 2``, ``$(seq 0 4)``, ``{0..4}``) and functions are followed; nothing
    is run. Of a condition all branches are read. What the script does not set, as ``$1``, stays as it is. A name that
    does not begin a command (``echo kerasAC_train``) is none.

    Raises
    ------
    ConfigError
        When the script cannot be read, or a quote in a command of kerasAC is not closed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path} ({error.__class__.__name__})") from None
    reader = _Reader(simple_commands(text, path, BY_NAME))
    reader.read_all()
    return reader.found


class _Reader:
    """Go through a script's commands as the shell would, with variables alone."""

    def __init__(self, commands: Sequence[Simple]) -> None:
        self.commands = commands
        self.found: list[FoundCommand] = []
        self.values: dict[str, str] = {}
        self.unknown: dict[str, str] = {}
        self.conditional: set[str] = set()
        self.functions: dict[str, int] = {}
        self.called: set[str] = set()
        self.running: set[str] = set()
        self.conditions = 0

    def read_all(self) -> None:
        """Read the script, and functions that it does not call by name."""
        self._read(0, "")
        for name in [name for name in self.functions if name not in self.called]:
            self._call(name, [])

    def _read(self, at: int, closing: str) -> int:
        """Read from a place on, up to the word that closes; return the place after it."""
        while at < len(self.commands):
            one, at = self.commands[at], at + 1
            first = one.words[0]
            if first == closing:
                return at
            if first in ("for", "select"):
                at = self._loop(one, at)
            elif first in ("while", "until"):
                self._read(at, "done")
                at = self._read(at, "done")  # a second turn shows what changes in the loop
            elif first in ("if", "case"):
                self.conditions += 1
                at = self._read(at, _CLOSED_BY[first])
                self.conditions -= 1
            elif first == "{":
                at = self._read(at, "}")
            elif first == "function" or FUNCTION.fullmatch(first):
                at = self._define(one, at)
            else:
                self._follow(one)
        return at

    def _loop(self, one: Simple, at: int) -> int:
        """Read a loop's body once for each of its values; once, when they are not known."""
        counted = _COUNTED.fullmatch(re.sub(r"\s", "", joined(one.words[1], self.values))) if one.words[1:] else None
        if counted is not None:
            name = counted[1]
            turns = [str(i) for i in range(int(counted[2]), int(counted[4]) + len(counted[3]))]
        else:
            name, turns = one.words[1] if one.words[1:] else "", self._fields(one.words[3:])
        known = 0 < len(turns) <= MOST_NUMBERS and not any(set(turn) & set("$*?<") for turn in turns)
        end = at
        for turn in turns if known else [f"${name}"]:
            self.values[name] = turn
            self.unknown.pop(name, None)
            if not known:
                names = re.findall(r"\(\(\s*(\w+)", name) or [name]
                self.values.pop(name)
                self.unknown |= dict.fromkeys(names, " ".join(one.words))
            end = self._read(at, "done")
        return end

    def _define(self, one: Simple, at: int) -> int:
        """Keep where a function's body begins; return the place after it."""
        name = one.words[-1] if one.words[0] != "function" else one.words[1]
        begin = at if one.words[-1] == "{" else at + 1
        self.functions[name.rstrip("() \t")] = begin
        depth, at = 1, begin
        while depth and at < len(self.commands):
            words = self.commands[at].words
            depth += (words[-1] == "{") - (words[0] == "}")
            at += 1
        return at

    def _call(self, name: str, arguments: Sequence[str]) -> None:
        if name in self.running:
            return  # it calls itself
        self.called.add(name)
        self.running.add(name)
        outer = {key: value for key, value in self.values.items() if key.isdigit() or key == "@"}
        own = {str(i): value for i, value in enumerate(arguments, start=1)}
        self.values = {key: value for key, value in self.values.items() if key not in outer} | own
        if arguments:
            self.values["@"] = " ".join(arguments)
        self._read(self.functions[name], "}")
        self.running.remove(name)
        self.values = {key: value for key, value in self.values.items() if key not in {*own, "@"}} | outer

    def _follow(self, one: Simple) -> None:
        """Take what a simple command assigns, the function that it calls, or the command of kerasAC that it is."""
        words = one.words[1:] if one.words[0] in _DECLARES else one.words
        assigned = list(takewhile(lambda word: _ASSIGNMENT.fullmatch(word) or word in _DECLARES, words))
        rest = words[len(assigned) :]
        if one.words[0] in _DECLARES or not rest:
            for word in words:
                self._assign(word, condition=one.condition or self.conditions > 0)
            return
        if rest[0] in self.functions:
            self._call(rest[0], self._fields(rest[1:]))
        elif rest[0] in ("read", "let") or rest[0].startswith("(("):
            text = " ".join(rest)
            for name in rest[1:] if rest[0] == "read" else [a or b for a, b in _CHANGED.findall(text)]:
                self.values.pop(name, None)
                self.unknown[name] = text
        else:
            self._find(one.line, rest)

    def _assign(self, word: str, *, condition: bool) -> None:
        found = _ASSIGNMENT.fullmatch(word)
        if found is None:
            return
        name, written = found["name"], found["value"]
        if written.startswith("("):
            inner = words_in(written[1:-1])
            before = self.values.get(f"{name}[@]", "") if found["more"] else ""
            value = " ".join([*before.split(), *self._fields(inner)])
            self.values[f"{name}[@]"] = value
            value = value.split()[0] if value else ""
        else:
            value = (self.values.get(name, "") if found["more"] else "") + joined(written, self.values)
        used = {one["plain"] or one["braced"] for one in EXPANSION.finditer(written)}
        if condition or used & self.conditional:
            self.conditional.add(name)
        else:
            self.conditional.discard(name)
        # Of the branches of a condition, one that the script itself sets is taken: [ -z $1 ] && seed=1 || seed=$1
        if not (condition and "$" in value and "$" not in self.values.get(name, "$")):
            self.values[name] = value
        self.unknown.pop(name, None)
        for one in used & set(self.unknown):
            self.unknown[name] = self.unknown[one]

    def _find(self, line: int, words: Sequence[str]) -> None:
        """Keep a command of kerasAC that begins here, or that a starter such as nohup starts."""
        names = [Path(joined(word, self.values)).name for word in words]
        place = next((i for i, name in enumerate(names) if name in BY_NAME), None)
        if place is None or (place > 0 and _STARTERS.fullmatch(names[0]) is None):
            return
        given = tuple(part for word in words[place + 1 :] for part in self._words(word))
        one = FoundCommand(
            line,
            BY_NAME[names[place]],
            names[place],
            given,
            dict(self.values),
            dict(self.unknown),
            frozenset(self.conditional),
        )
        if not any((one.line, one.words) == (other.line, other.words) for other in self.found):
            self.found.append(one)

    def _words(self, written: str) -> list[Word]:
        """Return the words that a shell makes of one; ``--flag=value`` is two."""
        flag, equals, value = written.partition("=")
        if equals and re.fullmatch(r"[\"']?--\w+", flag):
            flag, value = (flag[1:], flag[0] + value) if flag[0] in "\"'" else (flag, value)
            return [Word(flag, flag), Word(value, joined(value, self.values))]
        fields = self._fields([written])
        return [Word(written if len(fields) == 1 else one, one) for one in fields]

    def _fields(self, words: Sequence[str]) -> list[str]:
        return [one for word in words for text in expand_braces(word) for one in split_word(text, self.values)]
