"""A window whose sequence is in another group is found, whatever its strand; random ones are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kerasac.errors import GenomeError
from kerasac.genome import leakage
from kerasac.genome.assembly import Assembly, read_chrom_sizes
from kerasac.genome.fold_files import read_folds
from kerasac.genome.folds import Fold, rotated_folds
from kerasac.genome.intervals import Spans, read_bed
from kerasac.genome.kmers import shared_kmers
from kerasac.genome.leakage import find_leaks, fold_leaks
from kerasac.genome.sequence import N, TokenArray, reverse_complement, token_genome

WIDTH = 1000


def random_dna(n_bp: int, seed: int = 0) -> TokenArray:
    return np.random.default_rng(seed).integers(0, 4, n_bp, dtype=np.uint8)


def mutated(tokens: TokenArray, rate: float, seed: int = 0) -> TokenArray:
    rng = np.random.default_rng(seed)
    changed = rng.random(len(tokens)) < rate
    return np.where(changed, (tokens + rng.integers(1, 4, len(tokens))) % 4, tokens).astype(np.uint8)


def genome_of(n_windows: int, width: int = WIDTH, seed: int = 0) -> tuple[TokenArray, NDArray[np.int64]]:
    """Random DNA, and the centres of windows side by side in it."""
    return random_dna(n_windows * width, seed), np.arange(n_windows) * width + width // 2


def place(tokens: TokenArray, window: int, sequence: TokenArray, at: int = 0, width: int = WIDTH) -> None:
    tokens[window * width + at : window * width + at + len(sequence)] = sequence


def family(n_windows: int, copies: int, rate: float) -> tuple[TokenArray, NDArray[np.int64]]:
    """The first windows are one sequence, each with changes of its own."""
    tokens, centers = genome_of(n_windows)
    for window in range(copies):
        place(tokens, window, mutated(random_dna(WIDTH, 9), rate, window))
    return tokens, centers


@pytest.mark.parametrize("both", [np.copy, reverse_complement])
def test_copy_on_either_strand_is_found_in_both_directions(both: Callable[[TokenArray], TokenArray]) -> None:
    tokens, centers = genome_of(8)
    place(tokens, 6, both(tokens[WIDTH : 2 * WIDTH]))
    leaks = find_leaks(tokens, centers, np.array([0, 0, 0, 0, 1, 1, 1, 1]), width_bp=WIDTH)
    expected = np.zeros((8, 2))
    expected[1, 1] = expected[6, 0] = 1
    assert (leaks.shared == expected).all()
    assert (leaks.partner[1, 1], leaks.partner[6, 0]) == (6, 1)
    assert not leaks.undecided.any()


def test_copies_that_repeat_themselves_share_everything() -> None:
    """All of a window's k-mers must be shared, so each counts once, and none of its neighbours' counts."""
    tokens, centers = genome_of(8)
    unit = random_dna(WIDTH // 2, 7)
    for window in (1, 6):
        place(tokens, window, np.concatenate([unit, unit]))
    leaks = find_leaks(tokens, centers, np.array([0, 0, 0, 0, 1, 1, 1, 1]), width_bp=WIDTH, min_shared=1)
    assert np.argwhere(leaks.shared == 1).tolist() == [[1, 1], [6, 0]]


def test_copies_within_a_group_are_no_leak() -> None:
    tokens, centers = genome_of(6)
    place(tokens, 2, tokens[:WIDTH].copy())
    leaks = find_leaks(tokens, centers, np.array([0, 1, 0, 1, 0, 1]), width_bp=WIDTH)
    assert not leaks.shared.any()
    assert (leaks.partner == -1).all()


def test_only_the_groups_that_are_to_be_compared_are() -> None:
    tokens, centers = genome_of(3)
    for window in (1, 2):
        place(tokens, window, tokens[:WIDTH].copy())
    compared = np.array([[False, True, False], [False, False, False], [True, False, False]])
    leaks = find_leaks(tokens, centers, np.arange(3), width_bp=WIDTH, compared=compared)
    assert (leaks.shared > 0).tolist() == compared.tolist()


@pytest.mark.parametrize(
    ("copied_bp", "rate", "shared"),
    [(1000, 0.0, 1.0), (600, 0.0, 580 / 980), (300, 0.0, 0.0), (1000, 0.02, 0.98**21), (1000, 0.15, 0.0)],
)
def test_shared_part_follows_length_and_identity(copied_bp: int, rate: float, shared: float) -> None:
    """A copy of n bases has n − 20 of the 980 21-mers; of those, identity ** 21 survive."""
    tokens, centers = genome_of(2)
    place(tokens, 1, mutated(tokens[:copied_bp], rate))
    leaks = find_leaks(tokens, centers, np.arange(2), width_bp=WIDTH)
    assert leaks.shared[0, 1] == pytest.approx(shared, abs=0.1 if rate else 1e-6)


def test_of_two_partners_the_more_alike_one_is_named() -> None:
    tokens, centers = genome_of(4)
    for window, rate in ((1, 0.02), (2, 0.001), (3, 0.01)):
        place(tokens, window, mutated(tokens[:WIDTH], rate))
    leaks = find_leaks(tokens, centers, np.array([0, 1, 1, 1]), width_bp=WIDTH)
    assert leaks.partner[0, 1] == 2


@pytest.mark.parametrize("setting", [{}, {"_WINDOWS": 3}, {"_PRODUCTS": 7}])
def test_all_that_share_enough_are_found_as_by_brute_force(
    setting: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    width, n = 120, 60  # so short that every k-mer is in the sketch
    tokens, centers = genome_of(n, width)
    rng = np.random.default_rng(5)
    for window in rng.choice(n, 30, replace=False).tolist():
        copied = mutated(random_dna(width, int(rng.integers(3))), float(rng.choice([0.0, 0.005, 0.02])), window)
        place(tokens, window, copied[: rng.integers(70, width)], width=width)
    groups = rng.integers(0, 4, n)
    for name, value in setting.items():
        monkeypatch.setattr(leakage, name, value)
    leaks = find_leaks(tokens, centers, groups, width_bp=width)
    starts = centers - width // 2
    every = np.array([shared_kmers(tokens, np.full(n, start), starts, width) for start in starts])
    for group in range(4):
        best = np.where(groups == group, every, 0).max(axis=1)
        best[groups == group] = 0
        enough = best >= leakage.MIN_SHARED
        np.testing.assert_array_equal(leaks.shared[:, group] >= leakage.MIN_SHARED, enough)
        np.testing.assert_allclose(leaks.shared[enough, group], best[enough])
    assert 10 < np.count_nonzero(leaks.shared.max(axis=1) >= leakage.MIN_SHARED) < 60


def test_no_leak_in_a_large_family_is_missed_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, centers = family(60, 40, 0.012)
    groups = np.arange(60) % 2
    truth = find_leaks(tokens, centers, groups, width_bp=WIDTH)
    assert not truth.undecided.any()
    monkeypatch.setattr(leakage, "_LISTED", 2)
    cut = find_leaks(tokens, centers, groups, width_bp=WIDTH)
    leaking = truth.shared >= leakage.MIN_SHARED
    assert leaking.any()
    assert (leaking <= ((cut.shared >= leakage.MIN_SHARED) | cut.undecided)).all()
    assert cut.undecided.any()
    assert (cut.shared[cut.undecided] < leakage.MIN_SHARED).all()
    assert not cut.undecided[40:].any()


def test_unknown_bases_are_alike_to_nothing() -> None:
    tokens, centers = genome_of(4)
    tokens[:] = N
    assert not find_leaks(tokens, centers, np.arange(4), width_bp=WIDTH).shared.any()


def test_short_repeats_make_no_leak() -> None:
    """A window of CACACA… and its like have two 21-mers of some hundreds."""
    tokens, centers = genome_of(2)
    for window in range(2):
        place(tokens, window, np.tile(np.array([1, 0], np.uint8), 240))
    assert not find_leaks(tokens, centers, np.arange(2), width_bp=WIDTH).shared.any()


def test_no_windows_no_leaks() -> None:
    nothing = np.empty(0, np.int64)
    leaks = find_leaks(random_dna(100), nothing, nothing, width_bp=50, compared=np.ones((2, 2), bool))
    assert leaks.shared.shape == (0, 2)


@pytest.mark.parametrize(
    ("center", "width", "message"),
    [(10, 1000, "1 windows of 1,000 bases leave the genome"), (500, 20, "windows of 20 bases cannot be compared")],
)
def test_windows_that_cannot_be_are_refused(center: int, width: int, message: str) -> None:
    with pytest.raises(GenomeError, match=message):
        find_leaks(random_dna(1_000), np.array([center]), np.array([0]), width_bp=width)


def test_folds_name_held_out_windows_with_a_copy_in_train() -> None:
    """The first windows of a and of b are the same: a leak where one of them is held out and the other trained on."""
    assembly = Assembly(("a", "b", "c", "d", "unused"), (2 * WIDTH,) * 5)
    tokens, centers = genome_of(10)
    for window in (2, 8):
        place(tokens, window, tokens[:WIDTH].copy())
    folds = (
        *rotated_folds([["a"], ["b"], ["c", "d"]]),
        Fold(3, ("c", "b"), ("d",), ("a",)),
    )
    found = fold_leaks(tokens, centers, assembly, folds, width_bp=WIDTH)
    assert [(leaks.fold, leaks.split) for leaks in found] == [
        (f, split) for f in range(4) for split in ("valid", "test")
    ]
    assert [leaks.windows[leaks.leaking(0.5)].tolist() for leaks in found] == [
        [], [],  # a is tested, b is in validation
        [], [2],  # b is tested, a is in train
        [0], [],  # c and d are tested, a is in validation, b in train
        [], [0],
    ]  # fmt: skip
    assert found[3].partner[found[3].leaking(0.5)].tolist() == [0]
    assert found[7].partner[found[7].leaking(0.5)].tolist() == [2]
    assert [leaks.windows.tolist() for leaks in found[:2]] == [[2, 3], [0, 1]]


def test_windows_of_a_single_fold_are_compared_with_its_train() -> None:
    assembly = Assembly(("a", "b", "c"), (WIDTH,) * 3)
    tokens, centers = genome_of(3)
    place(tokens, 1, tokens[:WIDTH].copy())
    valid, test = fold_leaks(tokens, centers, assembly, [Fold(0, ("a",), ("c",), ("b",))], width_bp=WIDTH)
    assert (valid.shared.tolist(), valid.partner.tolist()) == ([0], [-1])
    assert (test.shared.tolist(), test.partner.tolist()) == ([1], [0])


@pytest.mark.shared
def test_yeasts_blacklist_holds_what_would_leak(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "yeast-atac"
    assembly = read_chrom_sizes(folder / "sacCer3.chrom.sizes")
    tokens = token_genome(folder / "sacCer3.fa.gz", assembly).open()
    centers = np.concatenate(
        [
            np.arange(500, size - 500, 500) + offset
            for size, offset in zip(assembly.sizes, assembly.offsets, strict=True)
        ]
    )
    found = fold_leaks(tokens, centers, assembly, read_folds([folder / "folds.json"]), width_bp=WIDTH)
    blacklist = Spans.from_intervals(read_bed(folder / "blacklist.bed"), assembly)
    for leaks in found:
        rows = centers[leaks.windows]
        leaking = np.isin(np.arange(len(rows)), leaks.leaking(0.5))
        listed = blacklist.contains(rows)
        assert leaking[listed].mean() > 0.6
        assert leaking[~listed].mean() < 0.01
