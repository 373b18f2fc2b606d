"""Cut patterns to the positions that matter, and name them in letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kerasac.errors import InterpretError
from kerasac.interpret.motifs.choices import TrimBy
from kerasac.interpret.motifs.patterns import Floats, Pattern
from kerasac.interpret.plots.logo import information_heights

# Cavener 1987: a base of more than half and twice the next, two bases of more than three quarters, else any.
_ONE_SHARE, _TWO_SHARE = 0.5, 0.75
_CODES = {"A": "A", "C": "C", "G": "G", "T": "T", "AG": "R", "CT": "Y", "CG": "S", "AT": "W", "GT": "K", "AC": "M"}


@dataclass(frozen=True)
class Trim:
    """Keep a pattern from the first to the last position with at least ``share`` of the highest one's.

    ``flank_bp`` further positions are kept on both sides, where they are there. A share of 0 keeps all.
    """

    share: float = 0.3
    flank_bp: int = 1
    by: TrimBy = TrimBy.CONTRIBUTIONS

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InterpretError(f"the share to trim at is {self.share:g}; give one from 0 (keep all) to 1")
        if self.flank_bp < 0:
            raise InterpretError(f"{self.flank_bp} bases to keep beside the trimmed pattern; give 0 or more")


class Core(NamedTuple):
    """The part of a pattern that is kept, ``start`` to ``end``, and its arrays there, (end - start, 4)."""

    start: int
    end: int
    probabilities: Floats
    contributions: Floats

    @property
    def consensus(self) -> str:
        """IUPAC letters, one or two bases each, else N (Cavener 1987)."""
        return consensus(self.probabilities)

    @property
    def letters(self) -> str:
        """The consensus without N at its ends; a single N where there is nothing else."""
        return self.consensus.strip("N") or "N"


def trimmed(pattern: Pattern, trim: Trim) -> Core:
    """Return what trimming leaves of a pattern.

    A position's weight is the sum over bases of absolute mean contributions, as in modisco's own reports, or its
    information in bits.
    """
    if trim.by is TrimBy.CONTRIBUTIONS:
        weight = np.abs(pattern.contributions).sum(axis=1)
    else:
        weight = information_heights(pattern.probabilities).sum(axis=1)
    start, end = kept_span(weight, trim.share)
    start, end = max(start - trim.flank_bp, 0), min(end + trim.flank_bp, len(weight))
    return Core(start, end, pattern.probabilities[start:end], pattern.contributions[start:end])


def kept_span(weight: Floats, share: float) -> tuple[int, int]:
    """Return from where to where positions have at least a share of the highest weight, half-open."""
    kept = np.flatnonzero(weight >= share * weight.max())
    return int(kept[0]), int(kept[-1]) + 1


def consensus(probabilities: Floats) -> str:
    """Return a motif (L, 4) in IUPAC letters."""
    return "".join(_code(row) for row in probabilities)


def _code(row: Floats) -> str:
    order = np.argsort(-row, kind="stable")
    if row[order[0]] > _ONE_SHARE and row[order[0]] > 2 * row[order[1]]:
        return "ACGT"[order[0]]
    if row[order[:2]].sum() > _TWO_SHARE:
        return _CODES["".join("ACGT"[base] for base in sorted(order[:2].tolist()))]
    return "N"
