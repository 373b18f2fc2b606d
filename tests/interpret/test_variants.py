"""Both alleles of a variant lie in the genome's sequence; what has no such window is left out and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasac.genome.assembly import Assembly
from kerasac.genome.sequence import encode
from kerasac.interpret import variant_checks as checks
from kerasac.interpret.variant_checks import Window, checked, write_left_out
from kerasac.interpret.variant_sequences import allele_sequences, shuffled_alleles
from kerasac.interpret.variants import Change, GivenVariant, changed

ASSEMBLY = Assembly(("chr1", "chr2"), (300, 200))
LETTERS = "".join(np.random.default_rng(1).choice(list("ACGT"), ASSEMBLY.total_bp))
CHROM2 = LETTERS[300:]
GENOME = encode(LETTERS)
FLANK = 30
WINDOW = Window(FLANK, FLANK)
BASES = st.text("ACGT", min_size=1, max_size=8)


def given_at(position: int, n_ref: int, alt: str, chrom: str = "chr2") -> GivenVariant:
    """A variant whose reference allele is the genome's; ``position`` is 0-based."""
    sequence = CHROM2 if chrom == "chr2" else LETTERS[:300]
    return GivenVariant(".", chrom, position + 1, sequence[position : position + n_ref], alt)


@pytest.mark.parametrize(
    ("ref", "alt", "change"),
    [
        ("A", "C", (0, "A", "C")),
        ("GA", "G", (1, "A", "")),
        ("G", "GTT", (1, "", "TT")),
        ("GAA", "GA", (1, "A", "")),
        ("ACGT", "ATGT", (1, "C", "T")),
        ("A", "A", (0, "", "")),
    ],
)
def test_what_two_alleles_share_is_not_changed(ref: str, alt: str, change: tuple[int, str, str]) -> None:
    found = changed(ref, alt)
    assert (found.ref, found.alt) == change[1:]
    assert ref[: found.skipped] + found.alt + ref[found.skipped + len(found.ref) :] == alt


@settings(deadline=None, max_examples=200)
@given(position=st.integers(40, 150), n_ref=st.integers(1, 8), alt=BASES)
def test_the_alternate_window_is_that_of_the_edited_chromosome(position: int, n_ref: int, alt: str) -> None:
    one = given_at(position, n_ref, alt)
    if one.ref == alt:
        return
    found = checked([one], ASSEMBLY, GENOME, WINDOW)
    sequences = allele_sequences(found.variants, ASSEMBLY, GENOME, FLANK)
    center = position + changed(one.ref, alt).skipped
    edited = CHROM2[:position] + alt + CHROM2[position + n_ref :]
    for tokens, chrom in zip(sequences.tokens[0], (CHROM2, edited), strict=True):
        assert np.array_equal(tokens, encode(chrom[center - FLANK : center + FLANK]))


def test_a_substitution_changes_the_middle_base_alone() -> None:
    alt = "C" if CHROM2[100] != "C" else "G"
    found = checked([given_at(100, 1, alt)], ASSEMBLY, GENOME, WINDOW)
    (ref, after) = allele_sequences(found.variants, ASSEMBLY, GENOME, FLANK).tokens[0]
    assert np.flatnonzero(ref != after).tolist() == [FLANK]


def test_a_shuffle_keeps_the_alleles_and_follows_from_its_number_alone() -> None:
    given_ones = [
        given_at(100, 1, "ACGTACGT"),
        given_at(120, 5, "T"),
        given_at(90, 1, other_than(CHROM2[90])),
    ]
    variants = checked(given_ones, ASSEMBLY, GENOME, WINDOW).variants
    rows, numbers = np.array([0, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 1])
    found = shuffled_alleles(variants.take(rows), numbers, ASSEMBLY, GENOME, FLANK, seed=3)
    for both, change in zip(found.tokens, variants.take(rows).changes(), strict=True):
        assert np.array_equal(both[0, :FLANK], both[1, :FLANK])
        for tokens, letters in zip(both, (change.ref, change.alt), strict=True):
            assert np.array_equal(tokens[FLANK : FLANK + len(letters)], encode(letters))
    assert not np.array_equal(found.tokens[0], found.tokens[3])
    alone = shuffled_alleles(variants.take(rows[3:4]), numbers[3:4], ASSEMBLY, GENOME, FLANK, seed=3)
    assert np.array_equal(alone.tokens[0], found.tokens[3])


def other_than(letter: str) -> str:
    return next(base for base in "ACGT" if base != letter)


LEFT_OUT = {
    checks.UNKNOWN_CHROM: GivenVariant(".", "chr9", 100, "A", "C"),
    checks.BEYOND: given_at(10, 1, other_than(CHROM2[10])),
    checks.MISMATCH: GivenVariant(".", "chr2", 101, *[base for base in "ACGT" if base != CHROM2[100]][:2]),
    checks.MISMATCH_SWAPPED: GivenVariant(".", "chr2", 101, other_than(CHROM2[100]), CHROM2[100]),
    checks.LETTERS: given_at(100, 1, "<DEL>"),
    checks.SAME: given_at(100, 1, CHROM2[100]),
    checks.LONG: given_at(100, 1, CHROM2[100] + "A" * 31),
}


@pytest.mark.parametrize("reason", LEFT_OUT)
def test_what_cannot_be_scored_is_left_out_with_the_reason(reason: str) -> None:
    found = checked([LEFT_OUT[reason], given_at(100, 1, other_than(CHROM2[100]))], ASSEMBLY, GENOME, WINDOW)
    assert found.reasons == {reason: 1}
    assert len(found.variants) == 1


@pytest.mark.parametrize("swap", [False, True])
def test_a_wrong_deletion_is_no_swapped_insertion(swap: bool) -> None:
    wrong = GivenVariant(".", "chr2", 101, other_than(CHROM2[100]) * 3, "")
    found = checked([wrong, given_at(100, 3, "")], ASSEMBLY, GENOME, WINDOW, swap=swap)
    assert found.reasons == {checks.MISMATCH: 1}
    assert found.n_swapped == 0


def test_a_window_with_n_is_left_out() -> None:
    genome = GENOME.copy()
    genome[300 + 110] = 4
    found = checked([given_at(100, 1, other_than(CHROM2[100]))], ASSEMBLY, genome, WINDOW)
    assert found.reasons == {checks.UNKNOWN_BASES: 1}


def test_a_deletion_needs_its_window_s_last_bases_further_on() -> None:
    ends_with = 200 - FLANK  # the last place with a window
    assert len(checked([given_at(ends_with, 1, other_than(CHROM2[ends_with]))], ASSEMBLY, GENOME, WINDOW).variants) == 1
    found = checked([given_at(ends_with - 1, 2, CHROM2[ends_with - 1])], ASSEMBLY, GENOME, WINDOW)
    assert found.reasons == {checks.BEYOND: 1}


def test_alleles_are_swapped_on_request_alone() -> None:
    found = checked([LEFT_OUT[checks.MISMATCH_SWAPPED]], ASSEMBLY, GENOME, WINDOW, swap=True)
    assert found.n_swapped == 1
    assert found.variants.ref == (CHROM2[100],)
    assert not found.left_out


def test_the_list_of_those_left_out_says_why(tmp_path: Path) -> None:
    found = checked(LEFT_OUT.values(), ASSEMBLY, GENOME, WINDOW)
    write_left_out(tmp_path / "l.tsv", found.left_out)
    header, *lines = (tmp_path / "l.tsv").read_text().splitlines()
    assert header.split("\t") == ["id", "chrom", "pos", "ref", "alt", "reason"]
    assert [line.split("\t")[-1] for line in lines] == list(LEFT_OUT)


def test_lower_case_is_upper_case() -> None:
    one = given_at(100, 1, other_than(CHROM2[100]))
    found = checked([one._replace(ref=one.ref.lower(), alt=one.alt.lower())], ASSEMBLY, GENOME, WINDOW)
    assert found.variants.ref == (one.ref,)
    assert found.variants.changes() == [Change(0, one.ref, one.alt)]


@pytest.mark.parametrize(("n_wrong", "doubted"), [(0, False), (2, False), (3, True)])
def test_a_file_whose_reference_alleles_are_mostly_others_is_doubted(n_wrong: int, doubted: bool) -> None:
    right = [given_at(100 + i, 1, other_than(CHROM2[100 + i])) for i in range(4 - n_wrong)]
    wrong = [
        one._replace(ref=other_than(one.ref), alt=one.ref)
        for one in (given_at(110 + i, 1, other_than(CHROM2[110 + i])) for i in range(n_wrong))
    ]
    found = checked([*right, *wrong], ASSEMBLY, GENOME, WINDOW)
    assert len(found.left_out) == n_wrong
    assert (found.doubt is not None) == doubted
