"""Find the commands of kerasAC in a shell script, with the variables that the script sets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kerasac.cli.original.commands import BY_NAME, Command
from kerasac.errors import ConfigError

_ASSIGNMENT = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")
_LOOP = re.compile(r"for\s+(?P<name>[A-Za-z_]\w*)\s+in\s+(?P<values>.*?)\s*;?\s*(?:do\b.*)?")
_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)\})")
_SEQUENCE = re.compile(r"(?:`|\$\()\s*seq\s+(?P<first>\d+)\s+(?P<last>\d+)\s*(?:`|\))|\{(?P<from>\d+)\.\.(?P<to>\d+)\}")
_ENDS = (";", "&", "&&", "|", "||", ">", ">>", "2>", "2>&1", "done", "do")


@dataclass(frozen=True)
class Word:
    """A word of a command line as it stands in the script, and with the variables that are set put in."""

    written: str
    value: str

    @property
    def variable(self) -> str | None:
        """The variable that it is, when it is nothing else."""
        found = _VARIABLE.fullmatch(self.written)
        return None if found is None else found["plain"] or found["braced"]


@dataclass(frozen=True)
class FoundCommand:
    """A command line of a script; ``loops`` are the values of the loop variables around it, whose first is put in."""

    line: int
    command: Command
    name: str
    words: tuple[Word, ...]
    loops: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """The words after the command, with variables put in."""
        return [word.value for word in self.words]

    def given(self, flag: str) -> Word | None:
        """Return the word after a flag, the last one when it is given twice."""
        places = [i for i, word in enumerate(self.words[:-1]) if word.value == f"--{flag}"]
        return self.words[places[-1] + 1] if places else None


def read_script(path: Path) -> list[FoundCommand]:
    """Read all commands of kerasAC and seqdataloader that a shell script calls.

    Assignments (``name=value``) and loops (``for fold in 0 1 2``, ``seq 0 4``, ``{0..4}``) are followed, one after the
    other as they stand; nothing is run. Variables that the script does not set, as ``$1``, stay as they are.

    Raises
    ------
    ConfigError
        When the script cannot be read, or a quote in it is not closed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path} ({error.__class__.__name__})") from None
    found: list[FoundCommand] = []
    values: dict[str, str] = {}
    loops: dict[str, tuple[str, ...]] = {}
    for number, line in _logical_lines(text):
        loop = _LOOP.fullmatch(line)
        if loop is not None:
            loops[loop["name"]] = _expanded(loop["values"], values)
            values[loop["name"]] = loops[loop["name"]][0] if loops[loop["name"]] else ""
            continue
        words = _words(line, path, number)
        if len(words) == 1 and (assignment := _ASSIGNMENT.fullmatch(line)) is not None:
            values[assignment["name"]] = _substituted(words[0].partition("=")[2], values)
            loops.pop(assignment["name"], None)
            continue
        found += _commands(number, words, values, loops)
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with those that a backslash continues, and the number of their first."""
    begun = 0
    parts: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not parts and line.lstrip().startswith("#"):
            continue
        begun = begun if parts else number
        parts.append(line.rstrip().removesuffix("\\"))
        if not line.rstrip().endswith("\\"):
            yield begun, " ".join(parts).strip()
            parts = []
    if parts:
        yield begun, " ".join(parts).strip()


def _words(line: str, path: Path, number: int) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        if not any(name in line for name in BY_NAME):
            return []  # a line that only a shell understands, and that calls nothing of kerasAC
        raise ConfigError(f"{path}, line {number}: {error}") from None


def _commands(
    line: int, words: Sequence[str], values: Mapping[str, str], loops: Mapping[str, tuple[str, ...]]
) -> Iterator[FoundCommand]:
    for place, word in enumerate(words):
        name = Path(word).name
        if name not in BY_NAME:
            continue
        rest = []
        for after in words[place + 1 :]:
            if after in _ENDS:
                break
            stripped = after.removesuffix(";")
            rest += _split(Word(stripped, _substituted(stripped, values)))
            if stripped != after:
                break
        yield FoundCommand(line, BY_NAME[name], name, tuple(rest), dict(loops))


def _split(word: Word) -> list[Word]:
    """Return the words that a shell makes of one whose variables have several."""
    parts = word.value.split()
    several = word.value != word.written and len(parts) > 1
    return [Word(part, part) for part in parts] if several else [word]


def _substituted(text: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return values.get(found["plain"] or found["braced"], found[0])

    return _VARIABLE.sub(value, text)


def _expanded(text: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words that a loop goes through; sequences of numbers are written out."""

    def numbers(found: re.Match[str]) -> str:
        first, last = (int(found[a] or found[b]) for a, b in (("first", "from"), ("last", "to")))
        return " ".join(map(str, range(first, last + 1)))

    return tuple(_substituted(_SEQUENCE.sub(numbers, text), values).split())
