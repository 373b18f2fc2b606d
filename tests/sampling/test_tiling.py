from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasac.errors import SamplingError
from kerasac.genome.assembly import Assembly
from kerasac.genome.centering import Center
from kerasac.sampling.tiling import Tiling, tile_peaks
from kerasac.sampling.tiling_spec import Edges, Overlaps, TilingSpec

ASSEMBLY = Assembly(("chr1", "chr2", "chr3"), (200, 8, 100))
Peak = tuple[int, int, int]  # start, end, centre: genome rows


def tile(peaks: list[Peak], spec: TilingSpec) -> Tiling:
    starts, ends, centers = np.array(peaks, dtype=np.int64).reshape(-1, 3).T
    return tile_peaks(ASSEMBLY, starts, ends, centers, spec)


@st.composite
def peaks(draw: st.DrawFn, center: Center) -> list[Peak]:
    """Peaks on the chromosomes, with a summit or the middle as the centre."""
    chosen = []
    for _ in range(draw(st.integers(1, 12))):
        low, size = draw(st.sampled_from([(0, 200), (208, 100)]))
        start = draw(st.integers(0, size - 1))
        end = draw(st.integers(start + 1, min(size, start + 60)))
        middle = (start + end) // 2 if center is Center.CENTER else draw(st.integers(start, end - 1))
        chosen.append((low + start, low + end, low + middle))
    return chosen


@pytest.mark.parametrize(
    ("peak", "center", "stride", "expected"),
    [
        ((50, 56, 53), Center.CENTER, 10, [48]),  # shorter than a window: one, on the centre
        ((50, 60, 55), Center.CENTER, 10, [50]),
        ((50, 62, 56), Center.CENTER, 10, [46, 56]),  # 20 bases reach over both ends by 4
        ((50, 80, 65), Center.CENTER, 10, [50, 60, 70]),
        ((50, 63, 56), Center.CENTER, 5, [49, 54]),  # overlapping by half
        ((50, 56, 51), Center.SUMMIT, 10, [46]),  # 46 … 55 covers it: one, on the summit
        ((50, 58, 51), Center.SUMMIT, 10, [46, 56]),  # it does not
        ((50, 80, 72), Center.SUMMIT, 10, [47, 57, 67, 77]),
        ((50, 64, 60), Center.SUMMIT, 5, [50, 55]),
    ],
)
def test_a_peak_is_covered(peak: Peak, center: Center, stride: int, expected: list[int]) -> None:
    assert tile([peak], TilingSpec(10, stride, center)).starts.tolist() == expected


@pytest.mark.parametrize("center", list(Center))
def test_one_a_peak_is_the_centre_alone(center: Center) -> None:
    spec = TilingSpec(10, center=center, one_a_peak=True)
    assert tile([(50, 80, 72), (20, 26, 23)], spec).starts.tolist() == [67, 18]


@given(data=st.data(), center=st.sampled_from(Center), width=st.integers(1, 40))
def test_every_base_of_a_peak_is_in_a_window(data: st.DataObject, center: Center, width: int) -> None:
    chosen = data.draw(peaks(center))
    spec = TilingSpec(width, data.draw(st.integers(1, width)), center)
    covered = np.zeros(ASSEMBLY.total_bp + width, dtype=bool)
    for start in tile(chosen, spec).starts.tolist():
        covered[start : start + width] = True
    assert all(covered[start:end].all() for start, end, _ in chosen)


@given(data=st.data(), width=st.integers(1, 40))
def test_windows_about_the_centre_reach_over_both_ends_alike(data: st.DataObject, width: int) -> None:
    length = data.draw(st.integers(1, 60))
    stride = data.draw(st.integers(1, width))
    starts = tile([(70, 70 + length, 70 + length // 2)], TilingSpec(width, stride, Center.CENTER)).starts
    before, after = 70 - starts[0], starts[-1] + width - (70 + length)
    assert before - after in (-1, 0, 1)
    assert (len(starts) - 2) * stride + width < length or len(starts) == 1  # one fewer would not do
    assert (np.diff(starts) == stride).all()


@given(data=st.data(), edges=st.sampled_from(Edges), width=st.integers(1, 40))
def test_windows_lie_on_their_chromosome(data: st.DataObject, edges: Edges, width: int) -> None:
    chosen = data.draw(peaks(Center.SUMMIT))
    starts = tile(chosen, TilingSpec(width, edges=edges)).starts
    assert all((s >= 0 and s + width <= 200) or (s >= 208 and s + width <= 308) for s in starts.tolist())


@pytest.mark.parametrize(
    ("edges", "expected", "n_shifted", "n_dropped"),
    [(Edges.SHIFT, [0, 190, 100], 2, 1), (Edges.DROP, [100], 0, 3)],
)
def test_windows_off_the_chromosome_are_moved_or_dropped(
    edges: Edges, expected: list[int], n_shifted: int, n_dropped: int
) -> None:
    chosen = [(0, 4, 2), (196, 200, 198), (202, 206, 204), (102, 108, 105)]  # the third: chr2 is too short
    tiling = tile(chosen, TilingSpec(10, edges=edges))
    assert tiling == (pytest.approx(expected), n_shifted, n_dropped, 0)


def test_equal_windows_are_left_out_on_request() -> None:
    chosen = [(50, 60, 55), (20, 30, 25), (50, 60, 55), (52, 62, 57)]
    assert tile(chosen, TilingSpec(10)).starts.tolist() == [50, 20, 50, 52]
    tiling = tile(chosen, TilingSpec(10, overlaps=Overlaps.DISTINCT))
    assert tiling.starts.tolist() == [50, 20, 52]  # in the order of the peaks
    assert tiling.n_overlapping == 1


@given(data=st.data(), width=st.integers(1, 40))
def test_without_overlaps_the_next_free_window_is_kept(data: st.DataObject, width: int) -> None:
    chosen = data.draw(peaks(Center.SUMMIT))
    everything = tile(chosen, TilingSpec(width)).starts.tolist()
    expected, end = [], -1
    for start in sorted(everything):
        if start >= end:
            expected.append(start)
            end = start + width
    tiling = tile(chosen, TilingSpec(width, overlaps=Overlaps.NONE))
    assert sorted(tiling.starts.tolist()) == expected
    assert tiling.n_overlapping == len(everything) - len(expected)


def test_no_peak_has_no_window() -> None:
    for overlaps in Overlaps:
        assert len(tile([], TilingSpec(10, overlaps=overlaps)).starts) == 0


@pytest.mark.parametrize(
    ("width", "stride", "message"),
    [(0, None, "windows of 0 bases"), (10, 11, "stride of 11 bases; it must be 1 … 10"), (10, 0, "stride of 0")],
)
def test_a_stride_that_leaves_gaps_is_an_error(width: int, stride: int | None, message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        TilingSpec(width, stride)
