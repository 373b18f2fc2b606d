from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kerasac.errors import GenomeError, SamplingError
from kerasac.genome.assembly import Assembly
from kerasac.genome.centering import Center
from kerasac.sampling.given_windows import joined, windows_along, windows_of_regions

ASSEMBLY = Assembly(("chr1", "chr2", "tiny"), (100, 60, 8))
PEAK = "chr1\t{start}\t{end}\t.\t0\t.\t0\t0\t0\t{summit}\n"


def narrowpeak(folder: Path, *rows: tuple[int, int, int]) -> Path:
    path = folder / "peaks.narrowPeak"
    path.write_text("".join(PEAK.format(start=start, end=end, summit=summit) for start, end, summit in rows))
    return path


def test_a_region_has_its_window_at_the_summit_in_the_order_of_the_file(tmp_path: Path) -> None:
    given = windows_of_regions(narrowpeak(tmp_path, (50, 70, 3), (20, 40, 5)), ASSEMBLY, 10)
    assert given.windows.center.tolist() == [53, 25]
    assert given.windows.is_peak.all()
    assert not given.windows.reverse.any()
    assert given.left_out == {}


def test_without_a_called_summit_or_with_center_the_middle_counts(tmp_path: Path) -> None:
    path = narrowpeak(tmp_path, (50, 70, -1), (20, 40, 5))
    assert windows_of_regions(path, ASSEMBLY, 10).windows.center.tolist() == [60, 25]
    given = windows_of_regions(path, ASSEMBLY, 10, center=Center.CENTER, is_peak=False)
    assert given.windows.center.tolist() == [60, 30]
    assert not given.windows.is_peak.any()


def test_centres_of_the_second_chromosome_are_genome_rows(tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_text("chr2\t20\t30\n")
    given = windows_of_regions(tmp_path / "a.bed", ASSEMBLY, 10, center=Center.CENTER)
    assert given.windows.center.tolist() == [125]


def test_regions_without_a_window_are_counted_by_reason_and_listed(tmp_path: Path) -> None:
    path = narrowpeak(tmp_path, (0, 18, 9), (0, 20, 10), (85, 100, 6), (40, 50, 60))
    with path.open("a") as file:
        file.write(PEAK.format(start=1, end=9, summit=2).replace("chr1", "chrUn"))
    given = windows_of_regions(path, ASSEMBLY, 10)
    assert given.windows.center.tolist() == [10]
    assert given.left_out == {
        "on chromosomes that the genome lacks": 1,
        "with a summit outside": 1,
        "whose window would leave its chromosome": 2,
    }
    assert given.dropped is not None
    assert given.dropped.start.tolist() == [0, 85, 40, 1]
    assert given.dropped.chrom.tolist() == ["chr1", "chr1", "chr1", "chrUn"]


def test_no_window_at_all_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(SamplingError, match=r"±80 bases \(1 whose window would leave its chromosome"):
        windows_of_regions(narrowpeak(tmp_path, (40, 60, 3)), ASSEMBLY, 80)
    (tmp_path / "empty.bed").write_text("")
    with pytest.raises(SamplingError, match="the file is empty"):
        windows_of_regions(tmp_path / "empty.bed", ASSEMBLY, 5, center=Center.CENTER)


@pytest.mark.parametrize(
    ("chroms", "flank", "stride", "centers"),
    [
        (["chr1"], 10, 30, [10, 40, 70, 90]),
        (["chr1"], 10, 40, [10, 50, 90]),
        (["chr2", "chr1"], 20, 30, [20, 50, 80, 120, 140]),
        (["chr1", "tiny"], 50, 1, [50]),
    ],
)
def test_windows_along_reach_from_the_first_place_to_the_last(
    chroms: list[str], flank: int, stride: int, centers: list[int]
) -> None:
    given = windows_along(ASSEMBLY, chroms, flank, stride)
    assert given.windows.center.tolist() == centers
    assert sum(given.left_out.values()) == ("tiny" in chroms)


def test_chromosomes_too_short_or_unknown_and_strides_of_none_are_refused() -> None:
    with pytest.raises(SamplingError, match="no chromosome has 20 bases"):
        windows_along(ASSEMBLY, ["tiny"], 10, 5)
    with pytest.raises(SamplingError, match="a stride of 0 bases"):
        windows_along(ASSEMBLY, ["chr1"], 10, 0)
    with pytest.raises(GenomeError, match=r"'1' is not in this genome.*'chr1'"):
        windows_along(ASSEMBLY, ["1"], 10, 5)


def test_regions_whose_window_is_not_taken_are_dropped_too(tmp_path: Path) -> None:
    given = windows_of_regions(narrowpeak(tmp_path, (50, 70, 3), (0, 5, 1), (60, 80, 4)), ASSEMBLY, 10)
    taken = given.take(np.array([False, True]), "of no use")
    assert taken.windows.center.tolist() == [64]
    assert taken.left_out == {"whose window would leave its chromosome": 1, "of no use": 1}
    assert taken.regions is not None
    assert taken.dropped is not None
    assert (taken.regions.start.tolist(), taken.dropped.start.tolist()) == ([60], [0, 50])
    along = windows_along(ASSEMBLY, ["chr1"], 10, 20)
    assert along.take(np.zeros(len(along.windows), dtype=bool), "of no use").dropped is None


def test_joined_keeps_the_order_and_adds_the_reasons(tmp_path: Path) -> None:
    peaks = windows_of_regions(narrowpeak(tmp_path, (50, 70, 3), (0, 5, 1)), ASSEMBLY, 10)
    both = joined([peaks, peaks])
    assert both.windows.center.tolist() == [53, 53]
    assert both.left_out == {"whose window would leave its chromosome": 2}
    assert both.dropped is not None
    assert np.array_equal(both.dropped.end, [5, 5])
