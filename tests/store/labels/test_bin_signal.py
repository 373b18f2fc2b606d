from __future__ import annotations

from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from kerasac.errors import StoreError
from kerasac.genome.intervals import Spans
from kerasac.store.labels import bin_signal as signal_room
from kerasac.store.labels.bin_signal import bin_signal, summarise
from kerasac.store.labels.spec import BinShape, Statistic

SIZE = 1000
SHAPE = BinShape(size=30, stride=10, left_flank=0, right_flank=0)
N_BINS = (SIZE - 30) // 10 + 1


@pytest.fixture
def values() -> np.ndarray:
    """Random values with holes: bins with all, some, one and none of their bases covered."""
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, SIZE).astype(np.float32)
    values[rng.random(SIZE) < 0.3] = np.nan
    values[200:300] = np.nan
    values[250] = 7
    return values


@pytest.fixture
def bigwig(tmp_path: Path, values: np.ndarray) -> Path:
    path = tmp_path / "signal.bw"
    covered = np.flatnonzero(~np.isnan(values))
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chr1", SIZE), ("chr2", SIZE)])
        file.addEntries("chr1", covered.tolist(), values=values[covered].astype(float).tolist(), span=1)
    return path


def spans(*bounds: tuple[int, int]) -> Spans:
    return Spans(*(np.array(column) for column in zip(*bounds, strict=True)))


def read(path: Path, bins: Spans, *, chrom: str = "chr1", first_bp: int = 0, gaps_are_zero: bool = False) -> np.ndarray:
    signal = np.full(N_BINS, -1.0)
    pieces = bin_signal(path, chrom, first_bp, bins, SHAPE, Statistic.MEAN, gaps_are_zero=gaps_are_zero)
    for low, piece in pieces:
        signal[low : low + len(piece)] = piece
    return signal


@pytest.mark.parametrize("statistic", list(Statistic))
def test_statistics_are_pybigwigs_and_0_without_a_value(bigwig: Path, values: np.ndarray, statistic: Statistic) -> None:
    with pyBigWig.open(str(bigwig)) as file:
        bins = [(start, start + 30) for start in range(0, SIZE - 29, 10)]
        expected = [file.stats("chr1", *bin_, type=statistic.value, exact=True)[0] or 0 for bin_ in bins]
    assert 0 in expected
    np.testing.assert_allclose(summarise(values, SHAPE, statistic), expected, rtol=1e-5, atol=1e-6)


def test_gaps_count_as_zero_when_they_are(bigwig: Path, values: np.ndarray) -> None:
    signal = read(bigwig, spans((0, N_BINS)), gaps_are_zero=True)
    expected = [np.nan_to_num(values[start : start + 30]).mean(dtype=np.float64) for start in range(0, SIZE - 29, 10)]
    np.testing.assert_allclose(signal, expected, rtol=1e-6)


@pytest.mark.parametrize("read_bp", [1, 40, 1000])
def test_only_bins_asked_for_are_read_however_they_are_cut(
    bigwig: Path, values: np.ndarray, read_bp: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal_room, "_READ_BP", read_bp)
    signal = read(bigwig, spans((0, 2), (5, 9)), first_bp=100)
    expected = np.full(N_BINS, -1.0)
    expected[: N_BINS - 10] = summarise(values[100:], SHAPE, Statistic.MEAN)
    expected[[2, 3, 4, *range(9, N_BINS)]] = -1
    np.testing.assert_array_equal(signal, expected)


def test_bin_without_signal_is_exactly_zero(values: np.ndarray) -> None:
    """Also after large values: no rounding error is taken for a positive label."""
    values[:150], values[150:] = 1e7 / 3, 0
    assert (summarise(values, SHAPE, Statistic.MEAN)[15:] == 0).all()


def test_signal_of_a_chromosome_that_the_file_lacks_is_nan(bigwig: Path) -> None:
    signal = read(bigwig, spans((3, 5)), chrom="chr3")
    assert np.isnan(signal[3:5]).all()


def test_infinite_value_is_an_error(tmp_path: Path) -> None:
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader([("chr1", SIZE)])
        file.addEntries("chr1", [5], values=[float("inf")], span=1)
    with pytest.raises(StoreError, match="infinite values on chr1"):
        read(tmp_path / "x.bw", spans((0, 3)))
