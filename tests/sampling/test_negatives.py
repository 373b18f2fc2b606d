from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from kerasac.errors import SamplingError
from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.genome.sequence import encode
from kerasac.sampling.free_windows import free_centers
from kerasac.sampling.match_spec import MatchSpec
from kerasac.sampling.negatives import Negatives, match_negatives

WIDTH = 10
ON_BLOCKS = MatchSpec(width_bp=WIDTH, stride_bp=WIDTH, tolerance=0.05)


def block(gc: int) -> str:
    """A window of 10 bases with so many G."""
    return "G" * gc + "A" * (WIDTH - gc)


def match(chroms: dict[str, str], peaks: dict[str, list[int]], spec: MatchSpec = ON_BLOCKS) -> Negatives:
    """Match peaks, given by the numbers of their blocks on a chromosome, to the blocks that are no peaks."""
    assembly = Assembly(tuple(chroms), tuple(len(text) for text in chroms.values()))
    offsets = dict(zip(chroms, assembly.offsets.tolist(), strict=True))
    starts = np.array([offsets[chrom] + WIDTH * i for chrom, blocks in peaks.items() for i in blocks])
    allowed = free_centers(assembly, Spans.from_bounds(starts, starts + WIDTH), spec.width_bp)
    return match_negatives(encode("".join(chroms.values())), assembly, allowed, starts + WIDTH // 2, spec)


def simulate(seed: int, n_blocks: int = 300) -> tuple[np.ndarray, Assembly, np.ndarray]:
    """Two chromosomes whose GC content changes every 50 bases, and peaks where it is high."""
    rng = np.random.default_rng(seed)
    gc = rng.uniform(0.2, 0.7, n_blocks)
    strong = rng.random(n_blocks * 50) < np.repeat(gc, 50)
    tokens = np.where(strong, 1, 0).astype(np.uint8)
    assembly = Assembly(("chr1", "chr2"), (n_blocks * 30, n_blocks * 20))
    peaks = np.flatnonzero(rng.random(n_blocks) < 0.3 * gc) * 50 + 25
    return tokens, assembly, peaks


def test_each_peak_gets_the_background_window_of_its_gc() -> None:
    text = "".join(block(gc) for gc in (1, 3, 9, 7, 5, 3, 7, 1, 5))
    found = match({"chr1": text}, {"chr1": [3, 1]})  # GC 0.7 and 0.3
    assert (found.centers - WIDTH // 2).tolist() == [50, 60]
    np.testing.assert_allclose(found.gc, [0.3, 0.7])
    np.testing.assert_allclose(found.peak_gc, [0.7, 0.3])
    assert (found.n_wanted, found.n_missing, found.n_overlapping) == (2, 0, 0)


def test_what_has_no_match_is_missing_and_counted_where_it_is() -> None:
    text = "".join(block(gc) for gc in (8, 8, 8, 2, 8, 2, 2))
    found = match({"chr1": text}, {"chr1": [0, 1, 2, 3]})
    assert (found.centers - WIDTH // 2).tolist()[0] == 40
    assert len(found.centers) == 2
    assert (found.n_wanted, found.n_missing) == (4, 2)
    missing = np.flatnonzero(found.by_gc.missing) * ON_BLOCKS.bin_width
    np.testing.assert_allclose(missing, [0.8], atol=ON_BLOCKS.bin_width)
    assert found.by_gc.candidates.sum() == 3
    (row,) = found.chroms
    assert row[:5] == ("chr1", 4, 3, 4, 2)
    assert row.gc_peaks == pytest.approx(0.65)


@pytest.mark.parametrize(("tolerance", "n_found"), [(0.05, 0), (0.15, 1)])
def test_the_tolerance_is_kept(tolerance: float, n_found: int) -> None:
    found = match({"chr1": block(5) + block(6)}, {"chr1": [0]}, replace(ON_BLOCKS, tolerance=tolerance))
    assert len(found.centers) == n_found


def test_peaks_are_matched_on_their_own_chromosome() -> None:
    chroms = {"chr1": block(5) * 3, "chr2": block(5) * 20}
    found = match(chroms, {"chr1": [0, 1], "chr2": [0]})
    assert [(row.chrom, row.n_wanted, row.n_found) for row in found.chroms] == [("chr1", 2, 1), ("chr2", 1, 1)]
    assert found.n_missing == 1


def test_across_chromosomes_they_are_pooled() -> None:
    chroms = {"chr1": block(5) * 3, "chr2": block(5) * 20, "chr3": block(1) * 9}
    found = match(chroms, {"chr1": [0, 1, 2]}, replace(ON_BLOCKS, across_chromosomes=True))
    assert [(row.chrom, row.n_wanted, row.n_found) for row in found.chroms] == [("chr1", 3, 0), ("chr2", 0, 3)]
    assert found.n_missing == 0
    assert np.isnan(found.chroms[1].gc_peaks)


@pytest.mark.parametrize(("ratio", "n_expected"), [(0.1, 2), (0.5, 10), (1, 20), (1.25, 25), (3, 60)])
def test_any_ratio_gives_as_many_negatives(ratio: float, n_expected: int) -> None:
    found = match({"chr1": block(5) * 120}, {"chr1": list(range(20))}, replace(ON_BLOCKS, ratio=ratio))
    assert len(found.centers) == len(set(found.centers.tolist())) == n_expected


def test_a_fractional_ratio_keeps_the_distribution() -> None:
    text = "".join(block(gc) for gc in range(10)) * 12
    found = match({"chr1": text}, {"chr1": list(range(40))}, replace(ON_BLOCKS, ratio=0.25))  # 4 peaks of each GC
    np.testing.assert_allclose(np.sort(found.gc), np.arange(10) / 10)


def test_windows_with_n_are_candidates_only_where_allowed() -> None:
    text = block(5) + "N" + "GGGGG" + "AAAA"  # 5 of 9 known bases
    for max_unknown, n_found in ((0.0, 0), (0.1, 1)):
        found = match({"chr1": text}, {"chr1": [0]}, replace(ON_BLOCKS, tolerance=0.2, max_unknown=max_unknown))
        assert len(found.centers) == n_found


def test_peaks_without_a_window_or_a_known_base_are_counted() -> None:
    tokens = encode("N" * WIDTH + block(5) * 3)
    assembly = Assembly(("chr1", "chr2"), (30, 10))
    centers = np.array([4, 5, 15, 26, 35])  # off the start, all N, fine, off the end, fine
    found = match_negatives(tokens, assembly, Spans(np.array([25]), np.array([26])), centers, ON_BLOCKS)
    assert (found.n_off_chromosome, found.n_unknown, len(found.peak_gc)) == (2, 1, 2)


def test_windows_overlap_only_when_there_is_no_other() -> None:
    spec = replace(ON_BLOCKS, stride_bp=1)
    for n_peaks, overlap in ((12, False), (30, True)):
        found = match({"chr1": block(5) * 60}, {"chr1": list(range(n_peaks))}, spec)
        assert len(found.centers) == n_peaks
        assert (found.n_overlapping > 0) is overlap


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 50), ratio=st.sampled_from([0.3, 1.0, 2.0]), tolerance=st.sampled_from([0.02, 0.1]))
def test_negatives_fit_distinct_peaks_and_touch_none(seed: int, ratio: float, tolerance: float) -> None:
    tokens, assembly, peaks = simulate(seed)
    spec = MatchSpec(width_bp=40, ratio=ratio, tolerance=tolerance)
    blocked = Spans.from_bounds(peaks - 30, peaks + 30)
    allowed = free_centers(assembly, blocked, spec.width_bp)
    found = match_negatives(tokens, assembly, allowed, peaks, spec)
    starts = found.centers - 20
    assert not blocked.overlaps(starts, starts + 40).any()
    assert (np.diff(starts) >= spec.stride).all()
    np.testing.assert_allclose(found.gc, [(tokens[start : start + 40] == 1).mean() for start in starts])
    assert found.n_wanted == len(found.centers) + found.n_missing
    slots = np.repeat(np.arange(len(found.peak_gc)), int(np.ceil(ratio)))
    fits = np.abs(np.subtract.outer(found.gc, found.peak_gc[slots])) < tolerance + 1e-9
    assert (maximum_bipartite_matching(csr_array(fits), perm_type="column") >= 0).all()


def test_where_background_abounds_the_distributions_are_alike() -> None:
    tokens, assembly, peaks = simulate(3, n_blocks=4000)
    peaks = peaks[::10]
    allowed = free_centers(assembly, Spans.from_bounds(peaks - 30, peaks + 30), 40)
    found = match_negatives(tokens, assembly, allowed, peaks, MatchSpec(width_bp=40))
    assert found.n_missing == 0
    np.testing.assert_allclose(np.sort(found.gc), np.sort(found.peak_gc), atol=0.025)
    assert abs(found.gc.mean() - found.peak_gc.mean()) < 0.001


def test_the_seed_and_nothing_else_decides() -> None:
    tokens, assembly, peaks = simulate(1)
    allowed = free_centers(assembly, Spans.from_bounds(peaks - 30, peaks + 30), 40)
    spec = MatchSpec(width_bp=40, stride_bp=1)
    first, again, other = (
        match_negatives(tokens, assembly, allowed, order, replace(spec, seed=seed)).centers.tolist()
        for order, seed in ((peaks, 1), (peaks[::-1], 1), (peaks, 2))
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width_bp": 1}, "windows of 1 bases"),
        ({"ratio": 0.0}, "ratio 0; .* more than 0"),
        ({"ratio": float("nan")}, "ratio nan"),
        ({"tolerance": 2.0}, "tolerance 2; .* 0.02 for 2 %"),
        ({"stride_bp": 0}, "stride of 0 bases"),
        ({"max_unknown": 1.0}, "at most 1 of N"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_numbers_out_of_range_are_named(change: dict[str, float], message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        replace(ON_BLOCKS, **change)


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        ("N" * WIDTH + block(5), ON_BLOCKS, "none of 1 peaks has a window of 10 bases"),
        (block(5) * 2, replace(ON_BLOCKS, ratio=0.1), "0.1 negatives for each of 1 peaks is none"),
    ],
)
def test_nothing_to_match_is_an_error(text: str, spec: MatchSpec, message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        match({"chr1": text}, {"chr1": [0]}, spec)
