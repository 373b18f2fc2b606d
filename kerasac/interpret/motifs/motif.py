"""Join a pattern, what trimming leaves of it, and the known motifs that it resembles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kerasac.interpret.motifs.databases import Database
from kerasac.interpret.motifs.matching import Q_LIMIT, Match, match
from kerasac.interpret.motifs.patterns import Pattern
from kerasac.interpret.motifs.trim import Core, Trim, trimmed


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
    """Trim patterns and compare what is left with a database's motifs."""
    cores = [trimmed(pattern, trim) for pattern in patterns]
    matches = match([core.probabilities for core in cores], database, n_best=n_matches)
    together = zip(patterns, cores, matches, strict=True)
    return tuple(Motif(pattern, core, tuple(nearest)) for pattern, core, nearest in together)
