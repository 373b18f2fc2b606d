"""Bins of chr1: number k of 21 starts at 400 + 50 k and has 200 bases. chr2 has the numbers 21 … 41."""

from __future__ import annotations

import gzip
import itertools
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasac.errors import GenomeError, StoreError
from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.store.labels.approaches import TaskBins, find_bins
from kerasac.store.labels.bins import BinGrid
from kerasac.store.labels.spec import Approach, BinShape, LabelSpec
from kerasac.store.labels.tasks import LabelTask

GENOME = Assembly(("chr1", "chr2", "chr3"), (2000, 2000, 2000))
GRID = BinGrid(Assembly(("chr1", "chr2"), (2000, 2000)), BinShape())
SUMMIT, OVERLAP = Approach.SUMMIT_CLASSIFICATION, Approach.OVERLAP_CLASSIFICATION

Peak = tuple[str, int, int, int]  # chromosome, start, end, summit's offset


def narrowpeak(peaks: list[Peak]) -> str:
    return "".join(f"{chrom}\t{start}\t{end}\t.\t0\t.\t0\t0\t0\t{summit}\n" for chrom, start, end, summit in peaks)


def found(
    folder: Path, peaks: str | list[Peak], spec: LabelSpec, *, ambiguous: str | None = None, grid: BinGrid = GRID
) -> TaskBins:
    (folder / "peaks").write_text(peaks if isinstance(peaks, str) else narrowpeak(peaks))
    (folder / "ambig").write_text(ambiguous or "")
    task = LabelTask("one", folder / "peaks", None, folder / "ambig" if ambiguous else None)
    return find_bins(task, spec, grid, GENOME)


def numbers(bins: Spans) -> list[int]:
    return [n for low, high in zip(bins.starts, bins.ends, strict=True) for n in range(low, high)]


@pytest.mark.parametrize(
    ("peak", "expected"),
    [
        (("chr1", 900, 1200, 100), [8, 9, 10, 11, 12]),  # 1000: bins that start at 800 … 1000
        (("chr1", 900, 1200, 110), [9, 10, 11, 12]),  # 1010: at 850 … 1000
        (("chr1", 900, 1200, -1), [9, 10, 11, 12, 13]),  # none called: the middle, 1050
        (("chr1", 300, 500, 150), [0, 1]),  # 450, in the first bin; the peak starts before it
        (("chr1", 1450, 1610, 150), [20]),  # 1600, right behind the last bin
        (("chr1", 100, 200, 50), []),
        (("chr2", 300, 500, 150), [21, 22]),
        (("chr3", 300, 500, 150), []),  # a chromosome that is not labelled
    ],
)
def test_summit_marks_bins_that_hold_it_or_end_before_it(tmp_path: Path, peak: Peak, expected: list[int]) -> None:
    assert numbers(found(tmp_path, [peak], LabelSpec(SUMMIT)).marked) == expected


@pytest.mark.parametrize(
    ("bed", "overlap", "expected"),
    [
        ("chr1\t900\t1500", 0.5, range(8, 21)),  # 100 bases of the bin: starts 800 … 1400
        ("chr1\t900\t1500", 1.0, range(10, 19)),  # all of the bin: 900 … 1300
        ("chr1\t1000\t1060", 0.5, range(9, 13)),  # 30 bases of the shorter peak: 830 … 1030
        ("chr1\t1000\t1001", 0.5, range(9, 13)),  # half a base is rounded to 0, but 1 it has to be: 801 … 1000
        ("chr1\t380\t450", 0.5, [0]),  # 35 bases: up to 415; the peak starts before the first bin
        ("chr1\t1550\t1700", 0.5, []),  # 75 bases: from 1425, where no bin starts any more
    ],
)
def test_overlap_marks_bins_that_share_enough_bases(
    tmp_path: Path, bed: str, overlap: float, expected: list[int]
) -> None:
    assert numbers(found(tmp_path, f"{bed}\n", LabelSpec(OVERLAP, overlap=overlap)).marked) == list(expected)


def test_bins_beside_positive_ones_are_ambiguous(tmp_path: Path) -> None:
    bins = found(tmp_path, [("chr1", 900, 1200, 110)], LabelSpec(SUMMIT, ambiguous=True))
    assert numbers(bins.ambiguous) == [8, 13]


@pytest.mark.parametrize(
    ("peak", "expected"),
    [
        (("chr1", 400, 500, 0), [1]),
        (("chr1", 1590, 1700, 10), [19]),
        (("chr2", 400, 500, 0), [22]),
        (("chr1", 1590, 1700, 20), [20]),  # 1610, in no bin, but in one beside the last
    ],
)
def test_bins_beside_positive_ones_are_of_the_same_chromosome(tmp_path: Path, peak: Peak, expected: list[int]) -> None:
    assert numbers(found(tmp_path, [peak], LabelSpec(SUMMIT, ambiguous=True)).ambiguous) == expected


def test_bins_on_either_side_of_a_peak_between_them_are_ambiguous(tmp_path: Path) -> None:
    """Bins of 100 every 100 bases, from 400 on; a peak that has to lie in one whole lies in two by halves."""
    shape = BinShape(size=100, stride=100)
    grid = BinGrid(Assembly(("chr1",), (2000,)), shape)
    spec = LabelSpec(OVERLAP, shape, overlap=1.0, ambiguous=True)
    bins = found(tmp_path, "chr1\t550\t650\n", spec, grid=grid)
    assert (numbers(bins.marked), numbers(bins.ambiguous)) == ([], [1, 2])


@pytest.mark.parametrize("approach", [SUMMIT, OVERLAP])
def test_bin_that_any_peak_marks_is_positive_in_every_order(tmp_path: Path, approach: Approach) -> None:
    """The second peak's neighbours are bins of the first."""
    peaks = [("chr1", 800, 1000, 100), ("chr1", 900, 1100, 110), ("chr1", 1000, 1200, 90)]
    for order in itertools.permutations(peaks):
        bins = found(tmp_path, list(order), LabelSpec(approach, ambiguous=True))
        marked = numbers(bins.marked)
        assert numbers(bins.ambiguous) == [marked[0] - 1, marked[-1] + 1]


def test_regression_gives_signal_to_bins_beside_positive_ones_too(tmp_path: Path) -> None:
    bins = found(tmp_path, [("chr1", 900, 1200, 110)], LabelSpec(Approach.SUMMIT_REGRESSION, ambiguous=True))
    assert numbers(bins.marked) == [8, 9, 10, 11, 12, 13]
    assert numbers(bins.ambiguous) == []


@pytest.mark.parametrize(
    ("approach", "ambiguous", "expected"),
    [
        (SUMMIT, "chr1\t1210\t1220\n", [13, 14, 15, 16]),  # no summit: every bin that it touches, 1011 … 1219
        (SUMMIT, narrowpeak([("chr1", 1100, 1300, 160)]), [14, 15, 16, 17]),  # summit 1260: 1060 … 1260
        (Approach.ALL_BINS_REGRESSION, "chr1\t1210\t1220\n", [13, 14, 15, 16]),
        (OVERLAP, "chr1\t1200\t1300\n", [13, 14, 15, 16, 17]),  # 50 bases: 1050 … 1250
    ],
)
def test_ambiguous_regions_mark_bins_by_the_rule_of_the_approach(
    tmp_path: Path, approach: Approach, ambiguous: str, expected: list[int]
) -> None:
    bins = found(tmp_path, [("chr3", 0, 10, 1)], LabelSpec(approach, ambiguous=True), ambiguous=ambiguous)
    assert numbers(bins.ambiguous) == expected


def test_ambiguous_regions_outdo_peaks(tmp_path: Path) -> None:
    spec = LabelSpec(SUMMIT, ambiguous=True)
    bins = found(tmp_path, [("chr1", 900, 1200, 110)], spec, ambiguous="chr1\t1049\t1060\n")
    assert numbers(bins.ambiguous) == [8, 9, 10, 11, 12, 13]


def test_ambiguous_bins_are_left_alone_unless_asked_for(tmp_path: Path) -> None:
    bins = found(tmp_path, [("chr1", 900, 1200, 110)], LabelSpec(SUMMIT), ambiguous="chr1\t1210\t1220\n")
    assert numbers(bins.ambiguous) == []


def test_all_bins_are_marked_without_peaks(tmp_path: Path) -> None:
    bins = found(tmp_path, [], LabelSpec(Approach.ALL_BINS_REGRESSION))
    assert numbers(bins.marked) == list(range(GRID.total))


@pytest.mark.parametrize("approach", [SUMMIT, OVERLAP])
def test_task_without_peaks_marks_nothing(tmp_path: Path, approach: Approach) -> None:
    assert numbers(found(tmp_path, "", LabelSpec(approach)).marked) == []


def test_gzipped_file_with_windows_line_ends_is_read(tmp_path: Path) -> None:
    path = tmp_path / "peaks.narrowPeak.gz"
    path.write_bytes(gzip.compress(narrowpeak([("chr1", 900, 1200, 110)]).replace("\n", "\r\n").encode()))
    bins = find_bins(LabelTask("one", path, None, None), LabelSpec(SUMMIT), GRID, GENOME)
    assert numbers(bins.marked) == [9, 10, 11, 12]


def test_peaks_without_summits_are_an_error_that_names_the_other_approach(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"\(task one\) has no summit column; .* take one of the peak_percent_overlap"):
        found(tmp_path, "chr1\t900\t1200\n", LabelSpec(SUMMIT))


def test_peaks_of_another_naming_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(GenomeError, match="called 'chr1' there, '1' here"):
        found(tmp_path, "1\t900\t1200\n", LabelSpec(OVERLAP))


def test_peak_whose_summit_is_outside_it_is_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        bins = found(tmp_path, [("chr1", 900, 1000, 100), ("chr1", 900, 1200, 110)], LabelSpec(SUMMIT))
    assert numbers(bins.marked) == [9, 10, 11, 12]
    assert "1 intervals skipped, whose summits are outside them" in caplog.text


def naive(peaks: list[Peak], spec: LabelSpec, grid: BinGrid) -> tuple[list[int], list[int]]:
    """Label bin by bin and peak by peak: (positive, ambiguous)."""
    rows = list(zip(*(column.tolist() for column in grid.windows(0, grid.total)), strict=True))
    size, left, stride = grid.shape.size, grid.shape.left_flank, grid.shape.stride
    positive, beside = set(), set()
    for chrom, start, end, offset in peaks:
        for n, (c, window, _) in enumerate(rows):
            if grid.assembly.names[c] != chrom:
                continue

            def marks(bin_start: int, start: int = start, end: int = end, offset: int = offset) -> bool:
                if spec.approach.by_overlap:
                    needed = max(1, round(spec.overlap * min(size, end - start)))
                    return min(bin_start + size, end) - max(bin_start, start) >= needed
                return bin_start <= start + offset <= bin_start + size

            if marks(window + left):
                positive.add(n)
            elif marks(window + left - stride) or marks(window + left + stride):
                beside.add(n)
    return sorted(positive), sorted(beside - positive)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    peaks=st.lists(
        st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 330), st.integers(1, 70), st.floats(0, 0.99)),
        max_size=6,
    ),
    approach=st.sampled_from([SUMMIT, OVERLAP]),
    overlap=st.floats(0.05, 0.5),
    measures=st.tuples(st.integers(1, 50), st.integers(1, 50), st.integers(0, 60), st.integers(0, 60)),
)
def test_bins_are_those_of_a_naive_labelling(
    tmp_path: Path,
    peaks: list[tuple[str, int, int, float]],
    approach: Approach,
    overlap: float,
    measures: tuple[int, int, int, int],
) -> None:
    size, stride, *flanks = measures
    shape = BinShape(
        max(size, stride), stride, *flanks
    )  # bins without gaps, so that each peak marks a bin or passes all
    grid = BinGrid(Assembly(("chr1", "chr2"), (400, 300)), shape)
    rows = [
        (chrom, start, start + n, int(part * n)) for chrom, start, n, part in peaks if chrom == "chr1" or start < 200
    ]
    spec = LabelSpec(approach, shape, overlap=overlap, ambiguous=True)
    bins = found(tmp_path, rows, spec, grid=grid)
    assert (numbers(bins.marked), numbers(bins.ambiguous)) == naive(rows, spec, grid)
