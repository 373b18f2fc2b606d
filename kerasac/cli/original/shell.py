"""Split a shell script into simple commands, and put variables into their words, without running anything."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasac.errors import ConfigError

_PARENTHESES = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_UNQUOTED = rf"""(?:\${_PARENTHESES}|`[^`]*`|\$\{{[^}}]*\}}|[^\s;&|<>()'"`\\])"""
_PIECE = rf"""\\.|'[^']*'|"(?>\\.|\${_PARENTHESES}|[^"\\])*+"|{_UNQUOTED}+"""
FUNCTION = re.compile(r"[\w.-]+[ \t]*\([ \t]*\)")
_TOKEN = re.compile(
    r"(?P<blank>[ \t]+|\\[ \t]*\n)|(?P<comment>#[^\n]*)|(?P<arithmetic>\(\(.*?\)\))|"
    rf"(?P<function>{FUNCTION.pattern})|"
    r"(?P<redirection>(?:\d+|&)?(?:<<<|<<-?|>>|>\||<>|[<>]&?)(?!\())"
    rf"|(?P<word>(?:{_PIECE}|[<>]{_PARENTHESES}|(?<==){_PARENTHESES})+)|(?P<end>\n|;;|&&|\|\||\|&|[;&|()])|(?P<open>.)",
    re.DOTALL,
)
_PIECES = re.compile(rf"{_PIECE}|.", re.DOTALL)
EXPANSION = re.compile(
    r'\\(?P<escaped>["\\$`\n])|\$(?P<plain>\w+|[@*])|\$\{(?P<braced>\w+(?:\[[@*]\])?)(?::?[-=](?P<default>[^}]*))?\}'
    rf"|\$(?!\(\()(?P<called>{_PARENTHESES})|`(?P<quoted>[^`]*)`"
)
_BRACES = re.compile(r"""([^"'$]*?)\{(?:(-?\d+)\.\.(-?\d+)|([^{}"'$]*,[^{}"'$]*))\}(.*)""", re.DOTALL)
_ALONE = {"if", "then", "else", "elif", "fi", "while", "until", "do", "done", "esac", "{", "}", "!", "time"}
MOST_NUMBERS = 1000  # of a range
_GAP = "\0"


@dataclass(frozen=True)
class Simple:
    """A simple command, or a word of the shell by itself (``do``); ``condition`` follows && or ||."""

    line: int
    words: tuple[str, ...]
    condition: bool


def simple_commands(text: str, path: Path, names: Collection[str]) -> list[Simple]:
    """Split a script where the shell does; redirections, comments and here-documents are left out.

    Raises
    ------
    ConfigError
        When a quote is not closed in a command of these names.
    """
    text = text.replace("\r\n", "\n") + "\n"
    commands: list[Simple] = []
    words: list[str] = []
    documents: list[str] = []  # the words that end the here-documents begun on this line
    at, line, before, redirection = 0, 1, "\n", ""
    while (token := _TOKEN.match(text, at)) is not None:
        kind, found, at = token.lastgroup, token[0], token.end()
        if kind in ("word", "function", "arithmetic"):
            if redirection:
                documents += [re.sub(r"[\"'\\]", "", found)] if redirection in ("<<", "<<-") else []
                redirection = ""
                continue
            line = line if words else text.count("\n", 0, token.start()) + 1
            words.append(found)
        elif kind == "redirection":
            redirection = found
        elif kind == "open" and any(Path(word).name in names for word in words):
            raise ConfigError(f"{path}, line {line}: No closing quotation")
        heads_loop = kind == "arithmetic" and words[0] == "for"
        if kind in ("end", "function") or heads_loop or (len(words) == 1 and words[0] in _ALONE):
            if words:
                commands.append(Simple(line, tuple(words), before in ("&&", "||")))
            words, redirection, before = [], "", found
        if found == "\n":
            for ending in documents:
                closing = re.compile(rf"^\t*{re.escape(ending)}$", re.MULTILINE).search(text, at)
                at = len(text) if closing is None else closing.end()
            documents = []
    return commands


def words_in(text: str) -> list[str]:
    """Return the words of a text, such as the values of an array."""
    return [token[0] for token in _TOKEN.finditer(text) if token.lastgroup == "word"]


def joined(text: str, values: Mapping[str, str]) -> str:
    """Return a word as an assignment has it: variables put in, quotes taken away, never split."""
    return _filled(text, values, " ")


def split_word(word: str, values: Mapping[str, str]) -> list[str]:
    """Return the words that one becomes when variables are put in: several where one of several words is not quoted."""
    parts = _filled(word, values, _GAP).split(_GAP)
    return parts if word[:1] in "\"'" else [part for part in parts if part]


def expand_braces(word: str) -> list[str]:
    """Return what ``{0..4}`` or ``{a,b}`` in a word stands for."""
    found = _BRACES.fullmatch(word)
    if found is None:
        return [word]
    before, first, last, listed, after = found.groups()
    parts = listed.split(",") if listed else _numbers([first, "1" if int(first) <= int(last) else "-1", last])
    return [f"{before}{part}{more}" for part in parts for more in expand_braces(after)] if parts else [word]


def _numbers(words: Sequence[str]) -> list[str]:
    """Return what ``seq`` prints: of a last, a first and a last, or a step between them; nothing for other words."""
    if not 1 <= len(words) <= 3 or not all(re.fullmatch(r"-?\d+", word) for word in words):
        return []
    first, step, last = {1: ("1", "1", words[0]), 2: (words[0], "1", words[-1])}.get(len(words), tuple(words))
    up = 1 if int(step) > 0 else -1
    numbers = range(int(first), int(last) + up, int(step)) if int(step) else range(0)
    return [str(number) for number in numbers] if len(numbers) <= MOST_NUMBERS else []


def _filled(text: str, values: Mapping[str, str], gap: str) -> str:
    """Put variables in; ``gap`` stands between the words of one that is not quoted."""

    def value(found: re.Match[str], *, quoted: bool) -> str:
        if found["escaped"]:
            return found["escaped"].strip("\n")
        name, called = found["plain"] or found["braced"], (found["called"] or "")[1:-1] or found["quoted"]
        if name:
            name = name.replace("[*]", "[@]")
            one = values.get(name)
            if not one and found["default"] is not None:
                one = joined(found["default"], values)
            if one is None:
                return found[0]
        else:
            program, *rest = joined(called or "", values).split() or [""]
            one = " ".join(_numbers(rest)) if program == "seq" else ""
            if not one:
                return f"$({called})"
        whole = "$(" in one or (quoted and not (name or "").endswith(("@", "[@]")))
        return one if whole else gap.join(one.split())

    parts = []
    for piece in _PIECES.findall(text):
        if piece[0] == "'":
            parts.append(piece[1:-1])
        elif piece[0] == "\\":
            parts.append(piece[1:].strip("\n"))
        elif piece[0] == '"':
            parts.append(EXPANSION.sub(lambda found: value(found, quoted=True), piece[1:-1]))
        else:
            parts.append(EXPANSION.sub(lambda found: value(found, quoted=False), piece))
    return "".join(parts)
