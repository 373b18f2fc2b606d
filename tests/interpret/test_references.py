"""References keep what they have to keep of a window, and are its own whatever else is explained."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from kerasac.genome.sequence import encode, one_hot
from kerasac.interpret.references import dinucleotide_shuffles, references_of, window_rng
from kerasac.interpret.settings import ReferenceKind


def dinucleotides(tokens: np.ndarray) -> Counter[tuple[int, int]]:
    return Counter(itertools.pairwise(tokens.tolist()))


@pytest.mark.parametrize("seed", range(5))
def test_shuffles_keep_the_counts_of_dinucleotides_and_where_n_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens = rng.choice(5, 400, p=[0.4, 0.2, 0.1, 0.28, 0.02]).astype(np.uint8)
    shuffles = dinucleotide_shuffles(tokens, 6, rng)
    assert shuffles.shape == (6, 400)
    assert shuffles.dtype == np.uint8
    for shuffle in shuffles:
        assert dinucleotides(shuffle) == dinucleotides(tokens)
        assert np.array_equal(shuffle == 4, tokens == 4)
    assert len({shuffle.tobytes() for shuffle in shuffles} | {tokens.tobytes()}) == 7


def test_every_sequence_with_the_counts_is_as_likely_as_any_other() -> None:
    tokens = encode("AACAGACATA")
    first, counts = tokens[0], dinucleotides(tokens)
    arrangements = {
        row
        for middle in set(itertools.permutations(tokens[1:].tolist()))
        if dinucleotides(np.array(row := (int(first), *middle))) == counts
    }
    n = 200 * len(arrangements)
    found = Counter(tuple(row) for row in dinucleotide_shuffles(tokens, n, np.random.default_rng(1)).tolist())
    assert set(found) == arrangements
    chi_square = sum((count - 200) ** 2 / 200 for count in found.values())
    freedom = len(arrangements) - 1
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("sequence", ["", "A", "AC", "ACG", "NNNN", "AAAAAA", "NACGTN", "ACNNGT"])
def test_short_and_uniform_sequences_have_one_order(sequence: str) -> None:
    tokens = encode(sequence)
    assert np.array_equal(dinucleotide_shuffles(tokens, 3, np.random.default_rng(0)), np.tile(tokens, (3, 1)))


def test_a_window_has_its_own_random_numbers() -> None:
    tokens = np.random.default_rng(0).integers(0, 4, 100).astype(np.uint8)

    def drawn(n: int, *key: object) -> bytes:
        return dinucleotide_shuffles(tokens, n, window_rng(*key)).tobytes()  # type: ignore[arg-type]

    assert drawn(5, 0, "chr1", 500) == drawn(5, 0, "chr1", 500)
    others = [drawn(5, 1, "chr1", 500), drawn(5, 0, "chr2", 500), drawn(5, 0, "chr1", 501)]
    assert drawn(5, 0, "chr1", 500) not in others
    assert drawn(9, 0, "chr1", 500).startswith(drawn(5, 0, "chr1", 500))


def test_gc_and_zero_references_say_nothing_of_the_order() -> None:
    tokens = encode("GGCATNGC")
    (gc,) = references_of(ReferenceKind.GC, tokens, 20, np.random.default_rng(0))
    (zero,) = references_of(ReferenceKind.ZERO, tokens, 20, np.random.default_rng(0))
    np.testing.assert_allclose(gc[0], np.array([2, 5, 5, 2]) / 14, rtol=1e-6)
    np.testing.assert_allclose(gc.sum(axis=1), (tokens < 4).astype(float))
    assert not zero.any()
    shuffled = references_of(ReferenceKind.SHUFFLED, tokens, 3, np.random.default_rng(0))
    assert shuffled.shape == (3, 8, 4)
    assert np.array_equal(shuffled.sum(axis=(0, 1)), 3 * one_hot(tokens).sum(axis=0))
