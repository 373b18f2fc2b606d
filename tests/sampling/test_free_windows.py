from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.sampling.free_windows import candidate_windows, free_centers

ASSEMBLY = Assembly(("chr1", "chr2", "chr3"), (40, 5, 30))
_spans = st.lists(st.tuples(st.integers(0, 74), st.integers(1, 12)), max_size=6).map(
    lambda bounds: Spans.from_bounds(
        np.array([start for start, _ in bounds], dtype=np.int64),
        np.array([min(start + length, 75) for start, length in bounds], dtype=np.int64),
    )
)


@given(blocked=_spans, width=st.integers(2, 45))
def test_free_windows_stay_on_their_chromosome_and_touch_nothing_blocked(blocked: Spans, width: int) -> None:
    taken = blocked.contains(np.arange(75))
    chrom = np.repeat([0, 1, 2], ASSEMBLY.sizes)
    expected = [
        start + width // 2
        for start in range(75 - width + 1)
        if chrom[start] == chrom[start + width - 1] and not taken[start : start + width].any()
    ]
    free = free_centers(ASSEMBLY, blocked, width)
    assert free.rows_at(np.arange(free.total_bp)).tolist() == expected


@given(
    lengths=st.lists(st.integers(1, 300), max_size=5),
    width=st.integers(2, 60),
    stride=st.integers(1, 60),
    seed=st.integers(0, 5),
)
def test_each_span_has_a_grid_of_its_own(lengths: list[int], width: int, stride: int, seed: int) -> None:
    starts = np.cumsum([1000, *(length + 60 for length in lengths[:-1])])[: len(lengths)]
    centers = Spans(starts, starts + np.array(lengths, dtype=np.int64))
    found = candidate_windows(centers, width, stride, np.random.default_rng(seed)).starts + width // 2
    for start, length in zip(starts.tolist(), lengths, strict=True):
        mine = found[(found >= start) & (found < start + length)]
        assert len(mine) == (length - 1) // stride + 1  # as many as can be
        assert (np.diff(mine) == stride).all()
    assert centers.contains(found).all()


@given(length=st.integers(1, 2000), width=st.integers(2, 100), stride=st.integers(1, 100), seed=st.integers(0, 5))
def test_windows_of_low_levels_are_far_apart(length: int, width: int, stride: int, seed: int) -> None:
    centers = Spans(np.array([500]), np.array([500 + length]))
    starts, level = candidate_windows(centers, width, stride, np.random.default_rng(seed))
    for up_to in (1, 2, 4):
        assert (np.diff(starts[level <= up_to]) >= width / up_to).all()
    assert (level == 1).any()


def test_half_of_the_windows_are_of_the_finest_level() -> None:
    starts, level = candidate_windows(Spans(np.array([0]), np.array([800])), 8, 1, np.random.default_rng(1))
    assert len(starts) == 800
    assert np.bincount(level)[[1, 2, 4, 8]].tolist() == [100, 100, 200, 400]


def test_windows_a_width_apart_have_one_level() -> None:
    starts, level = candidate_windows(Spans(np.array([0]), np.array([800])), 10, 10, np.random.default_rng(1))
    assert len(starts) == 80
    assert (level == 1).all()
