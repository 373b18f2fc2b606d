from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly
from kerasac.genome.window_bed import check_output, is_narrowpeak, write_windows

ASSEMBLY = Assembly(("chr1", "chr2"), (100, 50))
STARTS = np.array([103, 7])  # chr2:3, chr1:7


def test_narrowpeak_has_dots_and_the_middle_as_summit(tmp_path: Path) -> None:
    write_windows(tmp_path / "w.narrowPeak", ASSEMBLY, STARTS, 5, summits=True)
    lines = (tmp_path / "w.narrowPeak").read_text().splitlines()
    assert lines == ["chr2\t3\t8\t.\t.\t.\t.\t.\t.\t2", "chr1\t7\t12\t.\t.\t.\t.\t.\t.\t2"]


def test_bed_has_three_columns(tmp_path: Path) -> None:
    write_windows(tmp_path / "w.bed", ASSEMBLY, STARTS, 5, summits=False)
    assert (tmp_path / "w.bed").read_text() == "chr2\t3\t8\nchr1\t7\t12\n"


def test_equal_windows_are_equal_gzip_files(tmp_path: Path) -> None:
    for name in ("a.bed.gz", "b.bed.gz"):
        write_windows(tmp_path / name, ASSEMBLY, STARTS, 5, summits=False)
    content = (tmp_path / "a.bed.gz").read_bytes()
    assert content == (tmp_path / "b.bed.gz").read_bytes()
    assert gzip.decompress(content) == b"chr2\t3\t8\nchr1\t7\t12\n"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.narrowPeak", True), ("a.narrowPeak.gz", True), ("a.bed", False), ("narrowPeak.bed.gz", False)],
)
def test_the_name_says_whether_it_is_narrowpeak(name: str, expected: bool) -> None:
    assert is_narrowpeak(Path("folder") / name) is expected


def test_a_file_is_replaced_only_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "w.bed"
    check_output(path, overwrite=False)
    path.touch()
    with pytest.raises(ConfigError, match=r"w\.bed already exists; .* --overwrite"):
        check_output(path, overwrite=False)
    check_output(path, overwrite=True)
    with pytest.raises(ConfigError, match="is a folder"):
        check_output(tmp_path, overwrite=True)
