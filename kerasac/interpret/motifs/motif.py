"""Join a pattern, what trimming leaves of it, and the known motifs that it resembles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kerasac.interpret.motifs.databases import Database
from kerasac.interpret.motifs.matching import Q_LIMIT, Match, match
from kerasac.interpret.motifs.patterns import Pattern
from kerasac.interpret.motifs.trim import Core, Trim, kept_span, trimmed
from kerasac.interpret.plots.logo import information_heights

LEAST_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class Motif:
    """A pattern of modisco, trimmed and compared with known motifs, the nearest first."""

    pattern: Pattern
    core: Core
    matches: tuple[Match, ...] = ()

    @property
    def name(self) -> str:
        """The pattern's name in modisco's file."""
        return self.pattern.name

    @property
    def known(self) -> Match | None:
        """The nearest known motif, if it is near enough to be called one."""
        return self.matches[0] if self.matches and self.matches[0].q < Q_LIMIT else None


def named_motifs(
    patterns: Sequence[Pattern], trim: Trim, database: Database, *, n_matches: int = 3
) -> tuple[Motif, ...]:
    """Trim patterns and compare what is left with a database's motifs.

    Ends whose positions have less than :data:`LEAST_SHARE` of the highest one's information are left out of the
    comparison: Tomtom takes their likeness to such positions of known motifs for a match.
    """
    cores = [trimmed(pattern, trim) for pattern in patterns]
    spans = [kept_span(information_heights(core.probabilities).sum(axis=1), LEAST_SHARE) for core in cores]
    compared = [core.probabilities[start:end] for core, (start, end) in zip(cores, spans, strict=True)]
    matches = match(compared, database, n_best=n_matches)
    return tuple(
        Motif(pattern, core, tuple(one._replace(offset=one.offset + start) for one in nearest))
        for pattern, core, (start, _), nearest in zip(patterns, cores, spans, matches, strict=True)
    )
