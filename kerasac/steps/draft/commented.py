"""Change the values of a commented YAML text; its comments and the order of its keys stay.

A key is named by its way from the top, ``genome.fasta``; an item of a list by its ``name``, ``inputs.sequence.flank``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

_WIDEST = 110  # a longer list is broken into lines


def put(text: str, key: str, value: Any) -> str:
    """Replace a key's value, a scalar or a list in brackets; the comment behind it stays in its column if it can.

    Raises
    ------
    LookupError
        When the text has no such key.
    """
    node = _find(text, key)[1]
    low, high = node.start_mark.index, node.end_mark.index
    new = flow(value)
    rest, newline, below = text[high:].partition("\n")
    return text[:low] + new + _moved(rest, high - low - len(new)) + newline + below


def comment_out(text: str, key: str) -> str:
    """Make a comment of a key and its value."""
    name, value = _find(text, key)
    first, last = name.start_mark.line, max(leaf.end_mark.line for leaf in _leaves(value))
    column = name.start_mark.column
    lines = text.split("\n")
    for i in range(first, last + 1):
        lines[i] = f"{lines[i][:column]}# {_moved(lines[i][column:], -2)}"
    return "\n".join(lines)


def uncomment(text: str, name: str) -> str:
    """Make a key of the one comment line that holds ``name: value``.

    Raises
    ------
    LookupError
        When there is no such line, or more than one.
    """
    found = list(re.finditer(rf"^( *)# ({re.escape(name)}:.*)$", text, flags=re.MULTILINE))
    if len(found) != 1:
        raise LookupError(f"{len(found)} comment lines hold {name!r}")
    (line,) = found
    return text[: line.start()] + line[1] + _moved(line[2], 2) + text[line.end() :]


def remark(text: str, key: str, lines: Sequence[str]) -> str:
    """Write lines of comment above a key."""
    mark = _find(text, key)[0].start_mark
    start = mark.index - mark.column
    return text[:start] + "".join(f"{' ' * mark.column}# {line}\n" for line in lines) + text[start:]


def flow(value: Any) -> str:
    """Return a value as YAML writes it within brackets: quoted where it must be."""
    if isinstance(value, list | tuple):
        return _dumped(list(value), _WIDEST)
    return _dumped([value], 10**6)[1:-1]


def _dumped(value: list[Any], width: int) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=width).rstrip("\n")


def _find(text: str, key: str) -> tuple[yaml.Node, yaml.Node]:
    """Return the nodes of a key's name and of its value."""
    name = node = yaml.compose(text, Loader=yaml.SafeLoader)
    for part in key.split("."):
        found = [pair for pair in _children(node) if pair[0].value == part]
        if not found:
            raise LookupError(f"the text has no key {key!r}")
        name, node = found[0]
    assert name is not None, "a text that has keys has nodes"
    assert node is not None, "a text that has keys has nodes"
    return name, node


def _children(node: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Yield (name, value) of a mapping's keys, or of a list's items that have a ``name``."""
    if isinstance(node, yaml.MappingNode):
        yield from node.value
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from ((value, item) for key, value in _children(item) if key.value == "name")


def _leaves(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield what ends where its text does: scalars and what is in brackets, but no block, whose end is the next key."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        for item in node.value:
            yield from _leaves(item[1] if isinstance(item, tuple) else item)
    else:
        yield node


def _moved(line: str, by: int) -> str:
    """Give the comment at a line's end ``by`` more blanks before it, at least two."""
    return re.sub(r"(?:(?<=\S)|^) {2,}(?=#)", lambda blanks: " " * max(2, len(blanks.group()) + by), line, count=1)
