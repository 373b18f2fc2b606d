"""A plan depends on seed, fold and epoch alone, and keeps the splits apart."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planned import ASSEMBLY, BACKGROUND, FOLD, FOLDS, PEAKS, POSITIONS, REGIONS, candidates, spans

from kerasac.config import SamplingSpec
from kerasac.errors import SamplingError
from kerasac.genome.folds import Fold
from kerasac.genome.intervals import Spans
from kerasac.sampling.plan import SamplingPlan, Windows, concatenate, positions_of, windows_at
from kerasac.sampling.regions import Centers

SETTINGS = [pytest.param(POSITIONS, id="positions"), pytest.param(REGIONS, id="regions")]


def plan(
    setting: dict[str, Any],
    *,
    seed: int = 7,
    fold: Fold = FOLD,
    accept: Callable[[Windows], np.ndarray] | None = None,
    ratio: float = 1.0,
    **changes: Any,
) -> SamplingPlan:
    spec = SamplingSpec.model_validate(setting)
    options = {} if accept is None else {"accept": accept}
    return SamplingPlan(candidates(setting, **changes), spec, fold, seed, background_ratio=ratio, **options)


def chroms(windows: Windows) -> set[str]:
    return set(windows.coordinates(ASSEMBLY)[0].tolist())


def with_jitter(jitter: int, **changes: Any) -> dict[str, Any]:
    return {"regions": {"bed": "r.bed", "jitter": jitter}, **changes}


def odd(windows: Windows) -> np.ndarray:
    """A filter that half of all positions pass."""
    passed: np.ndarray = windows.center % 2 == 1
    return passed


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("fold", FOLDS, ids=lambda fold: f"fold{fold.index}")
def test_every_window_lies_on_its_splits_chromosomes(setting: dict[str, Any], fold: Fold) -> None:
    made = plan(setting, fold=fold)
    assert chroms(made.train(0)) == set(fold.train)
    assert chroms(made.valid()) == set(fold.valid)
    assert chroms(made.test()) == set(fold.test)
    assert chroms(made.train_peaks(10_000)) == set(fold.train)


@pytest.mark.parametrize("setting", SETTINGS)
def test_plan_is_a_function_of_seed_fold_and_epoch(setting: dict[str, Any]) -> None:
    one, other = plan(setting), plan(setting)
    other.train(3)  # what was asked before does not matter
    for epoch in (2, 0):
        assert one.train(epoch).digest() == other.train(epoch).digest()
    assert one.digest(2) == other.digest(2)


@pytest.mark.parametrize("setting", SETTINGS)
def test_epochs_seeds_and_folds_differ(setting: dict[str, Any]) -> None:
    tables = [plan(setting).train(0), plan(setting).train(1), plan(setting, seed=8).train(0)]
    tables.append(plan(setting, fold=Fold(1, FOLD.train, FOLD.valid, FOLD.test)).train(0))
    assert len({table.digest() for table in tables}) == 4


@pytest.mark.parametrize("setting", SETTINGS)
def test_validation_and_test_are_the_same_for_every_seed(setting: dict[str, Any]) -> None:
    one, other = plan(setting, seed=1), plan(setting, seed=2)
    assert one.valid().digest() == other.valid().digest()
    assert one.test().digest() == other.test().digest()
    assert not one.valid().reverse.any()
    assert not one.test().reverse.any()


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_epoch_has_as_many_windows(setting: dict[str, Any]) -> None:
    assert len({len(plan(setting).train(epoch)) for epoch in range(4)}) == 1


def test_share_of_peaks_is_the_ratio() -> None:
    made = plan(POSITIONS)
    for windows, size in ((made.train(0), 400), (made.valid(), 100)):
        assert len(windows) == size
        assert windows.is_peak.sum() == 0.75 * size
        positions = candidates(POSITIONS).positions
        assert positions is not None
        np.testing.assert_array_equal(positions.contains(windows.center), windows.is_peak)
        np.testing.assert_array_equal(BACKGROUND.contains(windows.center), ~windows.is_peak)


def test_background_is_a_ratio_of_the_regions() -> None:
    windows = plan(REGIONS).train(0)
    assert (~windows.is_peak).sum() == round(0.5 * windows.is_peak.sum())
    assert BACKGROUND.contains(windows.center[~windows.is_peak]).all()


def test_no_negatives_mean_no_background() -> None:
    assert plan(with_jitter(0), background=Spans.empty(), ratio=0).train(0).is_peak.all()


def test_every_region_is_taken_once_an_epoch() -> None:
    windows = plan(with_jitter(0)).train(0)
    expected = candidates(REGIONS).on(FOLD.train).regions
    assert expected is not None
    assert sorted(windows.center.tolist()) == sorted(expected.middle.tolist())


@pytest.mark.parametrize("size", [5, 20, 50])
def test_size_takes_regions_without_repeats_until_all_are_used(size: int) -> None:
    windows = plan(with_jitter(0, train_size=size)).train(0)
    counts = np.unique(windows.center, return_counts=True)[1]
    n_regions = len(plan(with_jitter(0)).train(0))
    assert len(windows) == size
    assert len(counts) == min(size, n_regions)
    assert counts.max() - counts.min() <= 1


def test_jitter_moves_training_windows_within_its_bounds_only() -> None:
    made = plan(with_jitter(10))
    moved = np.concatenate([made.train(epoch).center for epoch in range(40)])
    shift = moved - PEAKS[np.abs(moved[:, None] - PEAKS).argmin(axis=1)]
    assert (shift.min(), shift.max()) == (-10, 10)
    for still in (made.valid(), made.test(), made.train_peaks(100)):
        assert np.isin(still.center[still.is_peak], PEAKS).all()


def test_random_centres_are_any_base_of_their_region() -> None:
    made = plan(with_jitter(0), regions=Centers(PEAKS - 3, PEAKS + 4))
    drawn = np.concatenate([made.train(epoch).center for epoch in range(40)])
    shift = drawn - PEAKS[np.abs(drawn[:, None] - PEAKS).argmin(axis=1)]
    assert set(shift.tolist()) == set(range(-3, 4))
    assert np.isin(made.valid().center, PEAKS).all()


def test_half_of_training_windows_are_reversed() -> None:
    share = plan({**POSITIONS, "train_size": 4_000}).train(0).reverse.mean()
    assert 0.45 < share < 0.55
    assert not plan({**POSITIONS, "reverse_complement": False}).train(0).reverse.any()


def test_peaks_and_background_are_mixed() -> None:
    is_peak = plan(POSITIONS).train(0).is_peak
    assert 0.6 < is_peak[:200].mean() < 0.9


def test_filtered_positions_are_not_planned() -> None:
    made = plan(POSITIONS, accept=odd)
    for windows in (made.train(0), made.valid()):
        assert (windows.center % 2 == 1).all()
    assert len(made.train(0)) == 400


def test_regions_are_filtered_where_they_stand_and_where_jitter_moves_them() -> None:
    at = Centers(np.arange(500, 28_000, 250), np.arange(501, 28_001, 250))  # even ones and odd ones
    at = Centers(at.low + np.arange(len(at)) % 2, at.high + np.arange(len(at)) % 2)
    made = plan(with_jitter(10), accept=odd, regions=at)
    for windows in (made.train(0), made.valid()):
        assert (windows.center[windows.is_peak] % 2 == 1).all()
    assert len(np.unique(made.train(0).center - made.train(1).center)) > 1


def test_region_that_cannot_be_moved_stays_at_its_middle() -> None:
    def summits_only(windows: Windows) -> np.ndarray:
        return np.isin(windows.center, PEAKS)

    windows = plan(with_jitter(200), accept=summits_only).train(0)
    assert np.isin(windows.center, PEAKS).all()


def test_jitter_does_not_move_a_centre_onto_excluded_bases() -> None:
    excluded = Spans.from_bounds(PEAKS + 1, PEAKS + 11)
    made = plan(with_jitter(10), excluded=excluded)
    centers = np.concatenate([made.train(epoch).center for epoch in range(5)])
    assert not excluded.contains(centers).any()


def test_scored_windows_are_not_filtered() -> None:
    assert plan(POSITIONS, accept=odd).test().digest() == plan(POSITIONS).test().digest()


def test_scored_validation_is_what_would_be_scored_were_it_the_test() -> None:
    """Listed negatives that no training window could be are scored, as they are in the test."""
    setting = {**REGIONS, "negatives": {"ratio": 0.5, "bed": "n.bed"}}
    at = positions_of(spans([(offset + 200, offset + 240) for offset in ASSEMBLY.offsets.tolist()]))
    changes = {"negatives": Centers(at, at + 1), "ratio": 2.0}

    def summits_and_odd(windows: Windows) -> np.ndarray:
        return np.isin(windows.center, PEAKS) | odd(windows)

    filtered, every = plan(setting, accept=summits_and_odd, **changes), plan(setting, **changes)
    assert filtered.scored_valid().digest() == every.scored_valid().digest()
    assert filtered.valid().digest() != every.valid().digest()


def test_test_has_every_peak_and_as_many_background_windows_as_asked() -> None:
    windows = plan(REGIONS, ratio=2).test()
    peaks = windows.center[windows.is_peak]
    assert peaks.tolist() == PEAKS[PEAKS < 10_000].tolist()
    assert (~windows.is_peak).sum() == 2 * len(peaks)
    assert plan(REGIONS, ratio=0, background=Spans.empty(), negatives=Centers(PEAKS, PEAKS + 1)).test().is_peak.all()


def test_negatives_of_a_file_are_drawn_without_repeats_while_they_last() -> None:
    at = positions_of(spans([(offset + 200, offset + 208) for offset in ASSEMBLY.offsets.tolist()]))
    few, many = ({**REGIONS, "negatives": {"ratio": ratio, "bed": "n.bed"}} for ratio in (0.5, 5))
    for setting, repeats in ((few, False), (many, True)):
        windows = plan(setting, negatives=Centers(at, at + 1), ratio=0).train(0)
        drawn = windows.center[~windows.is_peak]
        assert np.isin(drawn, at).all()
        assert (len(set(drawn.tolist())) < len(drawn)) == repeats


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("limit", [1, 7, 100_000])
def test_train_peaks_are_spread_evenly_within_the_limit(setting: dict[str, Any], limit: int) -> None:
    every, some = plan(setting).train_peaks(1_000_000), plan(setting).train_peaks(limit)
    assert len(some) <= limit
    assert np.isin(some.center, every.center).all()
    assert len(some) > min(limit, len(every)) / 2
    assert some.is_peak.all()


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("limit", [7, 150, 100_000])
def test_train_peaks_pass_the_filter_that_training_windows_pass(setting: dict[str, Any], limit: int) -> None:
    def few(windows: Windows) -> np.ndarray:
        """A filter that a position in eight passes, and every peak's summit."""
        passed: np.ndarray = windows.center % 8 == PEAKS[0] % 8
        return passed | np.isin(windows.center, PEAKS)

    made = plan(setting, accept=few)
    every, some = made.train_peaks(1_000_000), made.train_peaks(limit)
    assert few(some).all()
    assert np.isin(some.center, every.center).all()
    assert min(limit, len(every)) / 2 < len(some) <= limit
    assert (np.diff(some.center) > 0).all()
    assert chroms(some) == set(FOLD.train)


@pytest.mark.parametrize("share", [0.9, 0.3, 0.02])
def test_train_peaks_are_found_among_few_that_pass_without_reading_many(share: float) -> None:
    passing = np.random.default_rng(0).random(ASSEMBLY.total_bp) < share
    n_read = 0

    def some_pass(windows: Windows) -> np.ndarray:
        nonlocal n_read
        n_read += len(windows)
        passed: np.ndarray = passing[windows.center]
        return passed

    found = plan(POSITIONS, accept=some_pass, positions=spans([(0, ASSEMBLY.total_bp)])).train_peaks(100)
    assert 50 <= len(found) <= 100
    assert passing[found.center].all()
    assert n_read < 4 * 100 / share


def without(chrom: str) -> dict[str, Any]:
    """The candidates that have nothing on one chromosome."""
    left = PEAKS[windows_at(PEAKS, is_peak=True).coordinates(ASSEMBLY)[0] != chrom]
    return {"regions": Centers(left, left + 1), "test_peaks": Centers(left, left + 1)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (without("chr2"), r"no peak in the valid split of fold 0 \(chr2\); check the peak file"),
        (without("chr1"), r"no peak in the test split of fold 0 \(chr1\)"),
        (
            {"test_peaks": Centers(PEAKS[:0], PEAKS[:0])},
            r"fold 0 has no peak to score on its test chromosomes \(chr1\)",
        ),
        ({"background": Spans.empty()}, r"no background in the train split of fold 0 \(chr3, chr4\)"),
        ({"accept": lambda windows: windows.center < 0}, "no peak in the train split of fold 0"),
        (
            {"negatives": Centers(PEAKS[-3:], PEAKS[-3:] + 1)},
            r"no region of sampling\.negatives\.bed in the valid split of fold 0",
        ),
    ],
)
def test_empty_split_is_named_when_the_plan_is_made(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(SamplingError, match=expected):
        plan(REGIONS, **changes)


@pytest.mark.parametrize("listed", [{"bed": "n.bed"}, {"gc_matched": True}])
def test_negatives_that_none_passes_are_said_to_be_filtered(listed: dict[str, Any]) -> None:
    setting = {**REGIONS, "negatives": {"ratio": 0.5, **listed}}
    said = "none of 18 background windows of train lies within the outputs' min and max; widen the range, or leave out"
    with pytest.raises(SamplingError, match=said):
        plan(setting, negatives=Centers(PEAKS + 150, PEAKS + 151), accept=lambda windows: windows.is_peak)


def test_split_without_matched_negatives_is_not_blamed_on_a_file() -> None:
    setting = {**REGIONS, "negatives": {"gc_matched": True}}
    with pytest.raises(SamplingError, match=r"no window in the valid split of fold 0 \(chr2\) was matched to the GC"):
        plan(setting, negatives=Centers(PEAKS[-3:], PEAKS[-3:] + 1))


def test_train_peaks_that_none_passes_are_said_to_be_filtered() -> None:
    made = plan(POSITIONS, accept=lambda windows: windows.center < 0)
    with pytest.raises(SamplingError, match="none of 360 peak windows of train lies within the outputs' min and max"):
        made.train_peaks(20)


def test_filter_that_nothing_passes_is_named() -> None:
    with pytest.raises(
        SamplingError, match="of 600,300 peak windows, 0 lie within the outputs' min and max, and 300 are asked for"
    ):
        plan(POSITIONS, accept=lambda windows: windows.center < 0).train(0)


def test_windows_give_chromosome_coordinates() -> None:
    chrom, center = windows_at(np.array([0, 9_999, 10_000, 27_999]), is_peak=True).coordinates(ASSEMBLY)
    assert chrom.tolist() == ["chr1", "chr1", "chr2", "chr4"]
    assert center.tolist() == [0, 9_999, 0, 3_999]


def test_tables_join_take_and_pickle() -> None:
    one, other = windows_at(np.array([1, 2]), is_peak=True), windows_at(np.array([3]), is_peak=False, reverse=True)
    both = concatenate([one, other])
    assert both.center.tolist() == [1, 2, 3]
    assert both.take(np.array([2, 0])).center.tolist() == [3, 1]
    assert both.take(both.reverse).is_peak.tolist() == [False]
    assert pickle.loads(pickle.dumps(both)).digest() == both.digest()


@pytest.mark.parametrize("column", ["center", "reverse", "is_peak"])
def test_digest_follows_every_column(column: str) -> None:
    table = windows_at(np.array([1, 2]), is_peak=True)
    changed = replace(
        table, **{column: getattr(table, column)[::-1] if column == "center" else np.array([True, False])}
    )
    assert changed.digest() != table.digest()


@pytest.mark.parametrize("share", [0.5, 0.05, 0.004])
def test_windows_that_few_positions_pass_for_are_found(share: float) -> None:
    """Each further draw is as large as the share that passed asks for."""

    def some_pass(windows: Windows) -> np.ndarray:
        return np.random.default_rng(len(windows)).random(len(windows)) < share

    spans = Spans.from_bounds(np.array([0]), np.array([100_000]))
    drawn = plan(POSITIONS)._draw_positions(spans, np.random.default_rng(0), 20_000, some_pass)
    assert len(drawn) == 20_000
