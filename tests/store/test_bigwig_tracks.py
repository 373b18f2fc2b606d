from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly
from kerasac.store import bigwig_tracks
from kerasac.store.bigwig_tracks import nearest_bounds, write_bigwigs

ASSEMBLY = Assembly(("chr1", "chr2"), (400, 200))


@dataclass
class Tracks:
    """Windows whose value at a base is 1000 times their number and the base's place in them."""

    chrom: Any
    start: Any
    width_bp: int = 10
    names: tuple[str, ...] = ("value",)
    reads: list[slice] = field(default_factory=list)

    @property
    def row_bytes(self) -> int:
        return 4 * self.width_bp

    def values(self, rows: slice) -> dict[str, Any]:
        self.reads.append(rows)
        numbers = np.arange(len(self.start))[rows]
        return {"value": 1000.0 * numbers[:, None] + np.arange(self.width_bp)}


def tracks(*places: tuple[str, int]) -> Tracks:
    return Tracks(np.array([chrom for chrom, _ in places]), np.array([start for _, start in places], dtype=np.int64))


def expected(windows: Tracks, chrom: str, size: int) -> np.ndarray:
    """Give each base the value of the window with the nearest centre, one base at a time."""
    values = np.full(size, np.nan)
    for base in range(size):
        best: tuple[float, int] | None = None
        for i, (name, start) in enumerate(zip(windows.chrom, windows.start, strict=True)):
            if name != chrom or not start <= base < start + windows.width_bp:
                continue
            distance = abs(base + 0.5 - (start + windows.width_bp / 2))
            # Half way between two, the right one's; at one place the first of the file.
            if best is None or distance < best[0] or (distance == best[0] and start > windows.start[best[1]]):
                best = (distance, i)
        if best is not None:
            values[base] = 1000 * best[1] + base - windows.start[best[1]]
    return values


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.sampled_from([8, 9, 10]))
def test_every_covered_base_belongs_to_the_window_with_the_nearest_centre(starts: list[int], width: int) -> None:
    ordered = np.array(sorted(starts), dtype=np.int64)
    low, high = nearest_bounds(ordered, width)
    windows = Tracks(np.full(len(starts), "chr1"), ordered, width)
    found = np.full(80, np.nan)
    for i in range(len(starts)):
        assert np.isnan(found[low[i] : high[i]]).all()
        found[low[i] : high[i]] = 1000 * i + np.arange(low[i], high[i]) - ordered[i]
    assert np.array_equal(found, expected(windows, "chr1", 80), equal_nan=True)


@pytest.mark.parametrize(
    "places",
    [
        [("chr1", 0), ("chr1", 4), ("chr1", 30), ("chr2", 190)],
        [("chr2", 50), ("chr1", 30), ("chr1", 4), ("chr2", 45), ("chr1", 0), ("chr1", 4)],
        [("chr1", 390), ("chr1", 380)],
    ],
)
def test_files_hold_the_nearest_value_of_each_base_in_any_order_of_windows(
    tmp_path: Path, places: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigwig_tracks, "_BLOCK_BYTES", 80)  # two windows at a time
    windows = tracks(*places)
    (written,) = write_bigwigs(windows, {"value": tmp_path / "a.bw"}, ASSEMBLY)
    with pyBigWig.open(str(tmp_path / "a.bw")) as file:
        assert file.chroms() == ASSEMBLY.as_dict()
        values = {chrom: np.array(file.values(chrom, 0, size)) for chrom, size in ASSEMBLY.as_dict().items()}
    for chrom, found in values.items():
        assert np.array_equal(found, expected(windows, chrom, len(found)), equal_nan=True)
    everything = np.concatenate(list(values.values()))
    assert written.n_bases == np.isfinite(everything).sum()
    assert written.total == pytest.approx(np.nansum(everything))
    assert (written.least, written.greatest) == (np.nanmin(everything), np.nanmax(everything))


def test_each_part_of_an_unordered_file_is_read_once_a_chromosome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigwig_tracks, "_BLOCK_BYTES", 80)
    windows = tracks(("chr1", 60), ("chr1", 0), ("chr1", 30), ("chr1", 90))
    write_bigwigs(windows, {"value": tmp_path / "a.bw"}, ASSEMBLY)
    assert [(rows.start, rows.stop) for rows in windows.reads] == [(0, 2), (2, 4)]


@pytest.mark.parametrize(("chrom", "start"), [("chr1", 395), ("chr2", -3)])
def test_windows_off_their_chromosome_are_refused(tmp_path: Path, chrom: str, start: int) -> None:
    with pytest.raises(GenomeError, match=f"{chrom}:{start}-.* leaves the chromosome"):
        write_bigwigs(tracks((chrom, start)), {"value": tmp_path / "a.bw"}, ASSEMBLY)
    assert not list(tmp_path.iterdir())
