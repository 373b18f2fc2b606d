"""K-mers are those of a plain reading of the letters, whichever strand is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasac.genome import kmers
from kerasac.genome.intervals import Spans
from kerasac.genome.kmers import NO_KMER, K, canonical_kmers, distinct, ranges, repeated, shared_kmers, sketch
from kerasac.genome.sequence import encode, reverse_complement

COMPLEMENT = str.maketrans("ACGT", "TGCA")
dna = st.text("ACGTN", min_size=K, max_size=4 * K) | st.text("AC", min_size=K, max_size=4 * K)


def naive_kmers(text: str) -> list[str | None]:
    """The canonical 21-mer at each base, None where it holds an N."""
    found: list[str | None] = []
    for start in range(len(text) - K + 1):
        kmer = text[start : start + K]
        found.append(None if "N" in kmer else min(kmer, kmer[::-1].translate(COMPLEMENT)))
    return found


def letters(kmer: int) -> str | None:
    return None if kmer == NO_KMER else "".join("ACGT"[int(kmer) >> 2 * place & 3] for place in reversed(range(K)))


@given(dna)
def test_kmers_are_those_of_the_letters(text: str) -> None:
    assert [letters(kmer) for kmer in canonical_kmers(encode(text))] == naive_kmers(text)


@given(dna)
def test_both_strands_have_the_same_kmers(text: str) -> None:
    tokens = encode(text)
    assert (canonical_kmers(reverse_complement(tokens)) == canonical_kmers(tokens)[::-1]).all()


def test_rows_of_a_matrix_are_read_one_by_one() -> None:
    tokens = np.random.default_rng(0).integers(0, 5, (3, 40), dtype=np.uint8)
    assert (canonical_kmers(tokens) == [canonical_kmers(row) for row in tokens]).all()


pieces = st.sampled_from(["A" * 15, "C" * 15, "AC" * 7 + "G", "GATTACAGATTACAG", "AAAAAAANAAAAAAA"])
windows_of_60 = st.lists(st.lists(pieces, min_size=4, max_size=4).map("".join), min_size=2, max_size=5)


@given(windows_of_60, st.integers(1, 3))
def test_shared_part_is_that_of_the_sets(windows: list[str], pairs_at_a_time: int) -> None:
    ours = np.arange(len(windows))
    theirs = np.roll(ours, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmers, "_PAIRS", pairs_at_a_time)
        found = shared_kmers(encode("".join(windows)), ours * 60, theirs * 60, 60)
    sets = [set(naive_kmers(window)) - {None} for window in windows]
    expected = [len(sets[i] & sets[j]) / len(sets[i]) if sets[i] else 0.0 for i, j in zip(ours, theirs, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


bounds = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 80)), max_size=6)


@settings(max_examples=50)
@given(bounds, st.integers(1, 70))
def test_sketch_of_scale_1_is_every_kmer_within_a_span(pieces: list[tuple[int, int]], block_bp: int) -> None:
    text = "".join(np.random.default_rng(1).choice(list("ACGTN"), 400, p=[0.245] * 4 + [0.02]))
    starts, lengths = np.array(pieces, np.int64).reshape(-1, 2).T
    spans = Spans.from_bounds(starts, starts + lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmers, "_BLOCK_BP", block_bp)
        found = sketch(encode(text), spans, 1)
    known = naive_kmers(text)
    expected = [
        row
        for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)
        for row in range(start, end - K + 1)
        if known[row] is not None
    ]
    assert found.rows.tolist() == expected


def test_sketch_takes_the_same_kmers_wherever_they_are() -> None:
    unit = np.random.default_rng(2).integers(0, 4, 4_000, dtype=np.uint8)
    tokens = np.concatenate([unit, reverse_complement(unit)])
    found = sketch(tokens, Spans.from_bounds(np.array([0]), np.array([8_000])), 8)
    first, second = (set(found.hashes[half].tolist()) for half in (found.rows < 3_980, found.rows >= 4_000))
    assert first == second
    assert len(first) == pytest.approx(3_980 / 8, rel=0.25)


def test_ranges_are_joined() -> None:
    assert ranges(np.array([5, 9, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]
    assert ranges(np.empty(0, np.int64), np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize(("ordered", "once", "again"), [([], [], []), ([1, 1, 1, 4], [1, 4], [1, 1]), ([2], [2], [])])
def test_distinct_and_repeated_numbers(ordered: list[int], once: list[int], again: list[int]) -> None:
    numbers = np.array(ordered, np.int64)
    assert distinct(numbers).tolist() == once
    assert repeated(numbers).tolist() == again
