from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest
from tiny import write_tracks

from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly
from kerasac.store.schema import read_layout
from kerasac.store.slabs import Track
from kerasac.store.window_tracks import BigWigTracks, StoredTracks, WindowTracks

ASSEMBLY = Assembly(("chr1", "chr2"), (60, 40))
CHROM = np.array(["chr2", "chr1", "chr1"])
CENTER = np.array([10, 5, 55])


def positions(chrom: str, sign: int = 1) -> np.ndarray:
    """Value p at base p of chr1, and 1000 + p on chr2."""
    return sign * (np.arange(ASSEMBLY.as_dict()[chrom]) + (1000 if chrom == "chr2" else 0)).astype(np.float32)


def write_bigwig(path: Path, sign: int, gap: slice = slice(0, 0)) -> Path:
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(ASSEMBLY.as_dict().items()))
        for chrom, size in ASSEMBLY.as_dict().items():
            at = np.setdiff1d(np.arange(size), np.arange(gap.start, gap.stop) if chrom == "chr1" else [])
            values = positions(chrom, sign)[at].astype(float)
            file.addEntries([chrom] * len(at), at.tolist(), ends=(at + 1).tolist(), values=values.tolist())
    return path


@pytest.fixture(params=["bigwigs", "array"])
def tracks(request: pytest.FixtureRequest, tmp_path: Path) -> WindowTracks:
    """Two tracks, the second with the opposite sign; the first bigWig has no value at bases 52 and 53 of chr1."""
    if request.param == "bigwigs":
        first = write_bigwig(tmp_path / "plus.bw", 1, slice(52, 54))
        return BigWigTracks((first, write_bigwig(tmp_path / "minus.bw", -1)))
    columns: dict[str, Any] = {
        name: np.concatenate([positions(chrom, sign) for chrom in ASSEMBLY.names])
        for name, sign in (("plus", 1), ("minus", -1))
    }
    columns["plus"][52:54] = np.nan
    write_tracks(tmp_path / "array.tdb", ASSEMBLY, {"d": columns})
    return StoredTracks(read_layout(str(tmp_path / "array.tdb")), (Track("d", "plus"), Track("d", "minus")))


def test_windows_hold_the_values_of_their_bases_and_0_where_there_is_none(tracks: WindowTracks) -> None:
    found = tracks.read(CHROM, CENTER, 10)
    starts = [1005, 0, 50]
    expected = np.array([np.arange(start, start + 10) for start in starts], dtype=np.float32)
    minus = -expected.copy()
    expected[2, 2:4] = 0
    np.testing.assert_array_equal(found[:, :, 0], expected)
    np.testing.assert_array_equal(found[:, :, 1], minus)
    assert found.dtype == np.float32


def test_a_window_of_odd_width_starts_half_of_it_rounded_down_before_its_centre(tracks: WindowTracks) -> None:
    assert tracks.read(CHROM[:1], CENTER[:1], 5)[0, :, 0].tolist() == [1008, 1009, 1010, 1011, 1012]


def test_tracks_travel_to_another_process_after_they_were_read(tracks: WindowTracks) -> None:
    found = tracks.read(CHROM, CENTER, 4)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(tracks)).read(CHROM, CENTER, 4), found)


@pytest.mark.parametrize(
    ("chrom", "center", "message"),
    [
        ("chr1", 4, r"the window chr1:-1-9 leaves its chromosome, which has 60 bases"),
        ("chr2", 36, r"the window chr2:31-41 leaves its chromosome, which has 40 bases"),
        ("2", 10, r"no chromosome '2': it is called 'chr2' there"),
    ],
)
def test_windows_that_are_not_there_are_named(tracks: WindowTracks, chrom: str, center: int, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        tracks.read(np.array([chrom]), np.array([center]), 10)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none.bw does not exist"):
        BigWigTracks((tmp_path / "none.bw",)).check()
    (tmp_path / "text.bw").write_text("no bigWig")
    with pytest.raises(StoreError, match=r"text.bw is not a whole bigWig"):
        BigWigTracks((tmp_path / "text.bw",)).check()
