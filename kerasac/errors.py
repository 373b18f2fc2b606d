"""The errors a user can meet; each message names the thing, the value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KerasacError(Exception):
    """Base of every error that is the input's fault, not the program's; the CLI prints it without a traceback."""


class ConfigError(KerasacError):
    """An experiment file or an option says something that cannot be meant."""


class GenomeError(KerasacError):
    """A FASTA, chromosome-sizes or interval file does not fit the others."""


class FoldError(KerasacError):
    """A fold table leaks between its splits or does not cover what is asked of it."""


class StoreError(KerasacError):
    """A TileDB array lacks what is asked of it, or an ingest cannot be done."""


class SamplingError(KerasacError):
    """No windows, or too few, can be drawn as asked."""


class ModelError(KerasacError):
    """A model cannot be built or loaded as asked."""


class ScoreError(KerasacError):
    """Predictions cannot be scored as asked."""


class RunError(KerasacError):
    """A run cannot start, go on or be found."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or the list of known names."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""
