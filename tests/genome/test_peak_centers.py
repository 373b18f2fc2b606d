from __future__ import annotations

from pathlib import Path

import pytest

from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly
from kerasac.genome.centering import Center
from kerasac.genome.peak_centers import read_peaks, read_spans

ASSEMBLY = Assembly(("chr1", "chr2"), (100, 50))
DOTS = "\t.\t0\t.\t0\t0\t0\t"


def write(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "peaks.narrowPeak"
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


@pytest.mark.parametrize(("center", "expected"), [(Center.SUMMIT, [13, 130]), (Center.CENTER, [15, 130])])
def test_a_peak_is_centred_where_it_is_asked_for(tmp_path: Path, center: Center, expected: list[int]) -> None:
    peaks = read_peaks(write(tmp_path, f"chr1\t10\t20{DOTS}3", f"chr2\t20\t41{DOTS}-1"), ASSEMBLY, center)
    assert peaks.centers.tolist() == expected  # -1: no summit, so the middle
    assert peaks.skipped == {}


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    rows = (f"chr1\t10\t20{DOTS}10", f"chr1\t30\t40{DOTS}9", f"chrUn\t0\t5{DOTS}1")
    peaks = read_peaks(write(tmp_path, *rows), ASSEMBLY)
    assert peaks.usable.tolist() == [False, True]
    assert peaks.skipped == {"on chromosomes that the genome lacks": 1, "with a summit outside": 1}
    assert peaks.n_read == 3


def test_a_margin_stays_on_the_chromosome(tmp_path: Path) -> None:
    peaks = read_peaks(write(tmp_path, f"chr1\t95\t99{DOTS}1", f"chr2\t30\t40{DOTS}1"), ASSEMBLY)
    margin = peaks.spans(8)
    assert list(zip(margin.starts.tolist(), margin.ends.tolist(), strict=True)) == [(87, 100), (122, 148)]


def test_bed_without_summits_asks_for_centers(tmp_path: Path) -> None:
    path = write(tmp_path, "chr1\t10\t20")
    with pytest.raises(GenomeError, match=r"has 3 columns and no summit; .* use the peaks' centers"):
        read_peaks(path, ASSEMBLY)
    assert read_peaks(path, ASSEMBLY, Center.CENTER).centers.tolist() == [15]


def test_an_empty_peak_file_is_an_error_an_empty_set_is_none(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(GenomeError, match="holds no interval"):
        read_peaks(path, ASSEMBLY)
    assert len(read_spans(path, ASSEMBLY)) == 0
