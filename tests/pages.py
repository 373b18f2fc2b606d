"""Read the words of a page, for tests."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def page_text(path: Path) -> str:
    """Return the text of a page, its white space as single blanks."""
    parser = _Text()
    parser.feed(path.read_text())
    return re.sub(r"\s+", " ", " ".join(parser.parts))
