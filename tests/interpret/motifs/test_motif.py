from __future__ import annotations

import numpy as np
import pytest
from modisco_made import padded

from kerasac.interpret.motifs.choices import Group
from kerasac.interpret.motifs.databases import Database, jaspar
from kerasac.interpret.motifs.motif import named_motifs
from kerasac.interpret.motifs.patterns import Pattern
from kerasac.interpret.motifs.trim import Trim

pytest.importorskip("memelite")
pytest.importorskip("pyjaspar")


@pytest.fixture(scope="module")
def fungi() -> Database:
    return jaspar(Group.FUNGI)


def pattern(probabilities: np.ndarray) -> Pattern:
    """Contributions are equally high everywhere, so that they trim nothing."""
    return Pattern("pos_patterns.pattern_0", probabilities, np.ones_like(probabilities), 30)


def test_ends_without_information_are_kept_and_not_compared(fungi: Database) -> None:
    """Reb1's motif between ten positions of no information is at the tenth, and no less alike."""
    matrix = fungi.motifs["MA0363.3 REB1"]
    bare, wide = named_motifs([pattern(matrix), pattern(padded(matrix, 10, 10))], Trim(), fungi)
    assert wide.core.end - wide.core.start == len(matrix) + 20
    assert bare.known is not None
    assert wide.known is not None
    assert wide.known.name == bare.known.name == "MA0363.3 REB1"
    assert wide.known.q == bare.known.q
    assert wide.known.offset == bare.known.offset + 10


def test_a_motif_is_not_called_after_one_that_has_nothing_where_it_has_nothing(fungi: Database) -> None:
    """A short GCGCG in flat surroundings is like the flat middle of GAL4's CGGN11CCG, but for its letters."""
    rng = np.random.default_rng(0)
    core = 0.65 * np.eye(4)[[2, 1, 2, 1, 2]] + 0.35 / 4
    flat = rng.dirichlet([60] * 4, 34)
    (motif,) = named_motifs([pattern(np.concatenate([flat[:17], core, flat[17:]]))], Trim(), fungi)
    assert motif.known is None or "GAL4" not in motif.known.name
