"""No chromosome is in two splits of a fold, and the published tables are what was published."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kerasac.errors import FoldError
from kerasac.genome.assembly import Assembly
from kerasac.genome.folds import (
    BUILT_IN,
    SPLITS,
    Fold,
    balanced_folds,
    built_in_folds,
    on_assembly,
    rotated_folds,
)

HUMAN = [f"chr{name}" for name in (*range(1, 23), "X", "Y")]
TABLE = (Fold(0, ("c",), ("b",), ("a",)), Fold(1, ("a",), ("c",), ("b",)), Fold(2, ("b",), ("a",), ("c",)))

weights = st.dictionaries(st.sampled_from(HUMAN), st.integers(0, 1_000), min_size=3)


def assert_disjoint(folds: tuple[Fold, ...]) -> None:
    for fold in folds:
        for one, other in itertools.combinations(SPLITS, 2):
            assert not set(fold.split(one)) & set(fold.split(other))


def chroms(fold: Fold) -> set[str]:
    return set(fold.train + fold.valid + fold.test)


def numbers(text: str) -> set[str]:
    return {f"chr{name}" for name in text.split(",")}


@pytest.mark.parametrize("scheme", BUILT_IN)
def test_built_in_folds_are_disjoint_and_cover_the_genome(scheme: str) -> None:
    folds = built_in_folds(scheme)
    assert_disjoint(folds)
    assert all(chroms(fold) == set(HUMAN) for fold in folds)
    assert set().union(*(fold.test for fold in folds)) == set(HUMAN)


def test_every_chromosome_is_tested_once_in_kerasac_10() -> None:
    assert sorted(chrom for fold in built_in_folds("kerasac-10") for chrom in fold.test) == sorted(HUMAN)


def test_kerasac_10_is_the_published_table() -> None:
    folds = built_in_folds("kerasac-10")
    tests = ["1", "2,19", "3,20", "6,13,22", "5,16,Y", "4,15,21", "7,14,18", "11,17,X", "9,12", "8,10"]
    assert [set(fold.test) for fold in folds] == [numbers(line) for line in tests]
    assert [fold.valid for fold in folds] == [folds[k - 1].test for k in range(10)]


def test_hg38_5_is_encodes_table() -> None:
    published = [
        ("1,3,6", "8,20"),
        ("2,8,9,16", "12,17"),
        ("4,11,12,15,Y", "7,22"),
        ("5,10,14,18,20,22", "6,21"),
        ("7,13,17,19,21,X", "10,18"),
    ]
    found = [(set(fold.test), set(fold.valid)) for fold in built_in_folds("hg38-5")]
    assert found == [(numbers(test), numbers(valid)) for test, valid in published]


def test_unknown_scheme_names_the_nearest() -> None:
    with pytest.raises(FoldError, match="unknown fold scheme 'hg38_5'; did you mean 'hg38-5'"):
        built_in_folds("hg38_5")


@given(weights, st.integers(3, 6))
def test_balanced_folds_are_disjoint_and_test_every_chromosome_with_peaks_once(
    by_chrom: dict[str, int], n: int
) -> None:
    useful = sorted(chrom for chrom, weight in by_chrom.items() if weight)
    assume(len(useful) >= n)
    folds = balanced_folds(by_chrom, n)
    assert len(folds) == n
    assert_disjoint(folds)
    assert sorted(chrom for fold in folds for chrom in fold.test) == useful
    assert all(chroms(fold) == set(useful) for fold in folds)


@given(weights, st.integers(3, 6))
def test_balanced_folds_are_as_even_as_the_heaviest_chromosome_allows(by_chrom: dict[str, int], n: int) -> None:
    assume(sum(weight > 0 for weight in by_chrom.values()) >= n)
    totals = [sum(by_chrom[chrom] for chrom in fold.test) for fold in balanced_folds(by_chrom, n)]
    assert max(totals) - min(totals) <= max(by_chrom.values())


@given(weights, st.randoms())
def test_balanced_folds_do_not_depend_on_the_order_of_chromosomes(by_chrom: dict[str, int], random: Any) -> None:
    assume(sum(weight > 0 for weight in by_chrom.values()) >= 3)
    shuffled = list(by_chrom.items())
    random.shuffle(shuffled)
    assert balanced_folds(dict(shuffled), 3) == balanced_folds(by_chrom, 3)


def test_too_few_chromosomes_are_counted() -> None:
    with pytest.raises(FoldError, match=r"4 folds .* need 4 chromosomes with peaks, but only 2 have any \(a, c\)"):
        balanced_folds({"a": 3, "b": 0, "c": 1}, 4)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_folds_leave_nothing_to_train_on(n: int) -> None:
    with pytest.raises(FoldError, match=f"the number of folds is {n}; training, validation and test need at least 3"):
        balanced_folds({"a": 3, "b": 1}, n)


def test_rotated_folds_validate_on_the_next_group() -> None:
    folds = rotated_folds([["a"], ["b"], ["c", "d"]])
    assert [(fold.test, fold.valid, fold.train) for fold in folds] == [
        (("a",), ("b",), ("c", "d")),
        (("b",), ("c", "d"), ("a",)),
        (("c", "d"), ("a",), ("b",)),
    ]


@pytest.mark.parametrize("shared", list(itertools.combinations(SPLITS, 2)))
def test_leak_is_named_with_its_splits(shared: tuple[str, str]) -> None:
    splits = {name: (name,) for name in SPLITS}
    for name in shared:
        splits[name] += ("chr7",)
    with pytest.raises(FoldError, match=f"chr7 in both {shared[0]} and {shared[1]} of fold 3"):
        Fold(3, **splits)


@pytest.mark.parametrize("empty", SPLITS)
def test_empty_split_is_named(empty: str) -> None:
    splits = {name: () if name == empty else (name,) for name in SPLITS}
    with pytest.raises(FoldError, match=f"fold 3 has no {empty} chromosome"):
        Fold(3, **splits)


def test_chromosomes_that_the_genome_lacks_are_dropped_and_said(caplog: pytest.LogCaptureFixture) -> None:
    mouse = Assembly(tuple(HUMAN[:19] + HUMAN[22:]), (1,) * 21)
    with caplog.at_level(logging.WARNING):
        folds = on_assembly(built_in_folds("kerasac-10"), mouse)
    assert all(chroms(fold) == set(mouse.names) for fold in folds)
    assert "chr20, chr21, chr22" in caplog.text


def test_other_naming_is_an_error() -> None:
    plain = Assembly(tuple(name.removeprefix("chr") for name in HUMAN), (1,) * 24)
    with pytest.raises(FoldError, match="'chr1' of the fold table is not in the genome: it is called '1' there"):
        on_assembly(built_in_folds("hg38-5"), plain)


def test_split_that_loses_all_its_chromosomes_is_an_error() -> None:
    with pytest.raises(FoldError, match="fold 0 has no test chromosome"):
        on_assembly(TABLE, Assembly(("b", "c"), (1, 1)))
