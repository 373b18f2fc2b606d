"""The errors a user can meet; each message names the thing, the value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 20  # names that one message lists; draft genomes have thousands


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


class CacheError(KerasacError):
    """The cache has no room for what is decoded once a machine, or cannot be written."""


class RemoteError(KerasacError):
    """What a URL names cannot be read: it is not there, not ours to read, or out of reach."""


class SamplingError(KerasacError):
    """No windows, or too few, can be drawn as asked."""


class ModelError(KerasacError):
    """A model cannot be built or loaded as asked."""


class ScoreError(KerasacError):
    """Predictions cannot be scored as asked."""


class InterpretError(KerasacError):
    """Contributions, motifs or effects of variants cannot be worked out or drawn as asked."""


class RunError(KerasacError):
    """A run cannot start, go on or be found."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or the first of the known names."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    more = f", … ({len(known):,} in all)" if len(known) > _LISTED else ""
    return f"; known: {', '.join(known[:_LISTED])}{more}" if known else ""
