from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly
from kerasac.store.labels.bins import BinGrid
from kerasac.store.labels.spec import BinShape


def grid(*sizes: int, size: int = 200, stride: int = 50, left: int = 400, right: int = 400) -> BinGrid:
    names = tuple(f"chr{i + 1}" for i in range(len(sizes)))
    return BinGrid(Assembly(names, sizes), BinShape(size, stride, left, right))


@pytest.mark.parametrize(
    ("bp", "n"),
    [(999, 0), (1000, 1), (1049, 1), (1050, 2), (1100, 3)],
)
def test_bin_is_kept_when_its_window_lies_on_the_chromosome(bp: int, n: int) -> None:
    assert grid(bp, 5000).n_bins[0] == n


def test_windows_are_numbered_through_the_genome() -> None:
    bins = grid(1050, 10, 1100)
    chrom_index, start, end = bins.windows(1, 5)
    assert bins.total == 5
    assert bins.too_short == ["chr2"]
    assert chrom_index.tolist() == [0, 2, 2, 2]
    assert start.tolist() == [50, 0, 50, 100]
    assert end.tolist() == [1050, 1000, 1050, 1100]


def test_bins_start_after_the_left_flank_also_off_the_stride() -> None:
    bins = grid(300, size=100, left=30, right=0)  # bins at 30, 80, 130, 180: the next would end at 330
    assert bins.total == 4
    low, high = bins.starting_between(*(np.array([x]) for x in (0, 80, 180)))
    assert (low.tolist(), high.tolist()) == ([1], [4])


def test_genome_without_a_bin_is_an_error() -> None:
    with pytest.raises(StoreError, match=r"as long as one bin with its flanks \(1,000 bases\)"):
        grid(999, 3)


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ({"size": 0}, "the bin size is 0; give at least 1 base"),
        ({"stride": -5}, "the bin stride is -5"),
        ({"left_flank": -1}, "the left flank is -1"),
    ],
)
def test_impossible_measures_are_an_error(measures: dict[str, int], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        BinShape(**measures)


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=3),
    measures=st.tuples(st.integers(1, 40), st.integers(1, 60), st.integers(0, 30), st.integers(0, 30)),
    spans=st.lists(st.tuples(st.integers(0, 2), st.integers(-50, 450), st.integers(0, 80)), min_size=1, max_size=4),
    margin=st.integers(0, 2),
)
def test_bounds_are_those_of_the_bins_that_start_in_between(
    sizes: list[int], measures: tuple[int, int, int, int], spans: list[tuple[int, int, int]], margin: int
) -> None:
    size, stride, left, right = measures
    sizes[0] = max(sizes[0], size + left + right)
    bins = grid(*sizes, size=size, stride=stride, left=left, right=right)
    chrom, first, length = (np.array(column) for column in zip(*spans, strict=True))
    chrom = chrom % len(sizes)
    low, high = bins.starting_between(chrom, first, first + length, margin=margin)
    rows = list(zip(*(column.tolist() for column in bins.windows(0, bins.total)), strict=True))
    for i in range(len(spans)):
        far = margin * stride  # a margin of bins reaches so much further, from the grid's next points
        points = [left + k * stride for k in range(-60, 600) if first[i] <= left + k * stride <= first[i] + length[i]]
        if not points:
            continue
        reach = range(points[0] - far, points[-1] + far + 1)
        wanted = [n for n, (c, start, _) in enumerate(rows) if c == chrom[i] and start + left in reach]
        assert list(range(low[i], high[i])) == wanted
