"""Speak to people beside the results, which go to stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def tell(console: Console, line: str) -> None:
    """Print a line for a person, as it is."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
