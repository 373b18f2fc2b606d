from __future__ import annotations

from pathlib import Path

import pytest

from kerasac.errors import ConfigError, GenomeError, SamplingError
from kerasac.genome.centering import Center
from kerasac.genome.intervals import read_bed
from kerasac.sampling.tiling_spec import Edges, Overlaps, TilingSpec
from kerasac.steps.tile import write_tiling

DOTS = "\t.\t0\t.\t0\t0\t0\t"
PEAKS = (f"chr2\t50\t80{DOTS}22", f"chr1\t20\t26{DOTS}3", f"chr1\t40\t44{DOTS}9", f"chr1\t0\t6{DOTS}2")


@pytest.fixture
def peaks(tmp_path: Path) -> Path:
    (tmp_path / "chrom.sizes").write_text("chr1\t100\nchr2\t200\n")
    (tmp_path / "peaks.narrowPeak").write_text("".join(f"{row}\n" for row in PEAKS))
    return tmp_path / "peaks.narrowPeak"


def test_windows_are_written_in_the_order_of_the_peaks(peaks: Path, tmp_path: Path) -> None:
    report = write_tiling(peaks, tmp_path / "chrom.sizes", tmp_path / "w.bed", TilingSpec(10))
    expected = ["chr2\t47\t57", "chr2\t57\t67", "chr2\t67\t77", "chr2\t77\t87", "chr1\t18\t28", "chr1\t0\t10"]
    assert (tmp_path / "w.bed").read_text().splitlines() == expected
    assert report.skipped == {"with a summit outside": 1}
    assert (report.n_read, report.tiling.n_shifted) == (4, 1)
    assert (report.peak_bp, report.covered_bp) == (46, 42)  # all but the peak without a summit


def test_narrowpeak_is_written_where_the_name_says_so(peaks: Path, tmp_path: Path) -> None:
    write_tiling(peaks, tmp_path / "chrom.sizes", tmp_path / "w.narrowPeak.gz", TilingSpec(10))
    rows = read_bed(tmp_path / "w.narrowPeak.gz", summits=True)
    assert (rows.summit - rows.start).tolist() == [5] * 6


def test_dropped_windows_and_overlaps_leave_bases_uncovered(peaks: Path, tmp_path: Path) -> None:
    spec = TilingSpec(10, center=Center.CENTER, edges=Edges.DROP, overlaps=Overlaps.NONE, one_a_peak=True)
    report = write_tiling(peaks, tmp_path / "chrom.sizes", tmp_path / "w.bed", spec)
    assert (report.tiling.n_dropped, len(report.tiling.starts)) == (1, 3)
    assert report.covered_bp == 10 + 6 + 4


def test_what_is_there_is_kept_and_no_window_is_an_error(peaks: Path, tmp_path: Path) -> None:
    out = tmp_path / "w.bed"
    with pytest.raises(SamplingError, match="none of 4 peaks has a window of 300 bases"):
        write_tiling(peaks, tmp_path / "chrom.sizes", out, TilingSpec(300))
    with pytest.raises(GenomeError, match=r"nowhere\.sizes does not exist"):
        write_tiling(peaks, tmp_path / "nowhere.sizes", out, TilingSpec(10))
    assert not out.exists()
    out.touch()
    with pytest.raises(ConfigError, match="already exists"):
        write_tiling(peaks, tmp_path / "chrom.sizes", out, TilingSpec(10))


@pytest.mark.shared
def test_real_peaks_are_covered(shared_dir: Path, tmp_path: Path) -> None:
    data = shared_dir / "data/yeast-atac"
    sizes = data / "sacCer3.chrom.sizes"
    for center in Center:
        spec = TilingSpec(300, center=center, overlaps=Overlaps.DISTINCT)
        report = write_tiling(data / "atac.peaks.narrowPeak.gz", sizes, tmp_path / f"{center}.bed", spec)
        assert report.covered_bp == report.peak_bp
        assert len(set(report.tiling.starts.tolist())) == len(report.tiling.starts)
