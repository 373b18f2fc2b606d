"""Find the known motifs that a motif resembles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import false_discovery_control

from kerasac.errors import InterpretError
from kerasac.interpret.motifs.databases import Database, jaspar
from kerasac.interpret.motifs.extra import need
from kerasac.interpret.motifs.patterns import Floats

LEAST_TARGETS = 50  # below which MEME's Tomtom warns that p-values are not accurate
Q_LIMIT = 0.05  # below which a match is one


class Match(NamedTuple):
    """A known motif that resembles another one.

    ``p`` is Tomtom's, of the best alignment on either strand; ``q`` is corrected for the motifs of the database.
    Position ``i`` of ``probabilities`` (L, 4), which are those of the strand that matches, lies at position
    ``offset + i`` of the motif it resembles.
    """

    name: str
    p: float
    q: float
    is_reverse: bool
    offset: int
    probabilities: Floats


def match(motifs: Sequence[Floats], database: Database, *, n_best: int = 3) -> list[list[Match]]:
    """Return for each motif, (L, 4), its ``n_best`` nearest motifs of a database, the best first.

    Similarity is Tomtom's with Euclidean distances and its complete score (Gupta et al. 2007; Tanaka et al. 2011), as
    memelite works it out; q is by Benjamini and Hochberg over the database, for each motif on its own, as in Tomtom.
    Tomtom's p-values rest on how alike columns of the database are by chance: to a database of fewer than
    50 motifs all of JASPAR CORE is added for that, and not reported.
    """
    if not motifs:
        return []
    if not database.motifs:
        raise InterpretError(f"{database.title} has no motif to compare with")
    need("memelite")
    from memelite import tomtom

    names, own = list(database.motifs), list(database.motifs.values())
    others = list(jaspar().motifs.values()) if len(own) < LEAST_TARGETS else []
    columns = [np.ascontiguousarray(matrix.T) for matrix in (*own, *others)]
    p, _, offsets, _, strands = (found[:, : len(own)] for found in tomtom([m.T for m in motifs], columns))
    best = []
    for row in range(len(motifs)):
        q = false_discovery_control(p[row], method="bh")
        nearest = np.argsort(p[row], kind="stable")[:n_best].tolist()
        best.append(
            [
                _match(names[i], own[i], p=p[row, i], q=q[i], offset=offsets[row, i], strand=strands[row, i])
                for i in nearest
            ]
        )
    return best


def _match(name: str, target: Floats, *, p: float, q: float, offset: float, strand: float) -> Match:
    """Turn memelite's answer for a query and a target into a match.

    Its ``offset`` is the query's first position in the target, as it lies on the strand that matches; 1 is the reverse.
    """
    seen = target[::-1, ::-1] if strand else target
    return Match(name, float(p), float(q), bool(strand), -int(offset), seen)
