"""Labels equal those of seqdataloader.

The numbers were printed by its program for the files written here: version 1.2, with edits that let it run on today's
pybedtools and its peak_summit_in_bin_regression end at all, and ``exact=True`` in its calls of pyBigWig's ``stats``.
Flanks are 0 in the regressions by peaks, whose signal the original takes from ``left_flank`` bases before the bin.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from kerasac.store.labels.build import write_labels
from kerasac.store.labels.outputs import OutputSpec
from kerasac.store.labels.read import BinLabels, read_labels
from kerasac.store.labels.spec import Approach, BinShape, LabelSpec, Transform

NAN = float("nan")
# Value p // 100 up to base 1200, none up to 1300, then 5.
STEPS = [float(i) for i in range(12)]
PEAKS = "chr1\t600\t800\ta\t0\t.\t0\t0\t0\t110\nchr1\t1100\t1300\tb\t0\t.\t0\t0\t0\t100\n"  # summits 710, 1200
AMBIGUOUS = "chr1\t1600\t1800\ta\t0\t.\t0\t0\t0\t20\n"  # summit 1620

SUMMIT_BINS = [0, 0, 0, 1, 1, 1, 1, *[0] * 5, 1, 1, 1, 1, 1, *[0] * 12]
SUMMIT_NAN = [0, 0, NAN, 1, 1, 1, 1, NAN, 0, 0, 0, NAN, 1, 1, 1, 1, 1, NAN, 0, 0, 0, NAN, NAN, NAN, NAN, 0, 0, 0, 0]
OVERLAP_BINS = [0, 0, 1, 1, 1, 1, 1, *[0] * 5, 1, 1, 1, 1, 1, *[0] * 12]
OVERLAP_NAN = [0, NAN, 1, 1, 1, 1, 1, NAN, 0, 0, 0, NAN, 1, 1, 1, 1, 1, NAN, *[0] * 4, *[NAN] * 5, 0, 0]
SUMMIT_SIGNAL = [*[0] * 11, 6, 6.5, 7, 7.5, *[0] * 5, 10.5, 10.6667, 11, 8, 5, *[0] * 20]
SUMMIT_SIGNAL_NAN = [
    *[*[0] * 10, 5.5, 6, 6.5, 7, 7.5, 8, 0, 0, 0, 10, 10.5, 10.6667, 11, 8, 5, 5, 0, 0, 0],
    *[NAN, NAN, NAN, NAN, *[0] * 12],
]
OVERLAP_SIGNAL = [*[0] * 10, 5.5, 6, 6.5, 7, 7.5, *[0] * 5, 10.5, 10.6667, 11, 8, 5, *[0] * 20]
OVERLAP_SIGNAL_NAN = [
    *[*[0] * 9, 5, 5.5, 6, 6.5, 7, 7.5, 8, 0, 0, 0, 10, 10.5, 10.6667, 11, 8, 5, 5, 0, 0, 0, 0],
    *[*[NAN] * 5, *[0] * 10],
]
ALL_SIGNAL = [*np.arange(0.5, 11, 0.5), 8, 5.5, 4, 2.5, 3.75, *[5] * 19]
ALL_SIGNAL_NAN = [*ALL_SIGNAL[:29], NAN, NAN, NAN, NAN, *ALL_SIGNAL[33:]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with pyBigWig.open(str(tmp_path / "signal.bw"), "w") as bigwig:
        bigwig.addHeader([("chr1", 2400)])
        bigwig.addEntries(
            ["chr1"] * 12, [i * 100 for i in range(12)], ends=[i * 100 + 100 for i in range(12)], values=STEPS
        )
        bigwig.addEntries(["chr1"], [1300], ends=[2400], values=[5.0])
    (tmp_path / "peaks.narrowPeak").write_text(PEAKS)
    (tmp_path / "ambig.narrowPeak").write_text(AMBIGUOUS)
    (tmp_path / "chrom.sizes").write_text("chr1\t2400\n")
    row = "one\tpeaks.narrowPeak\tsignal.bw\tambig.narrowPeak"
    (tmp_path / "tasks.tsv").write_text(f"task\tnarrowPeak\tbigwig\tambig\n{row}\n")
    return tmp_path


def labelled(folder: Path, spec: LabelSpec) -> BinLabels:
    out = folder / "labels.hdf5"
    write_labels(folder / "tasks.tsv", folder / "chrom.sizes", OutputSpec(out), spec)
    return read_labels(out)


@pytest.mark.parametrize(
    ("approach", "flank", "ambiguous", "expected"),
    [
        (Approach.SUMMIT_CLASSIFICATION, 400, False, SUMMIT_BINS),
        (Approach.SUMMIT_CLASSIFICATION, 400, True, SUMMIT_NAN),
        (Approach.OVERLAP_CLASSIFICATION, 400, False, OVERLAP_BINS),
        (Approach.OVERLAP_CLASSIFICATION, 400, True, OVERLAP_NAN),
        (Approach.SUMMIT_REGRESSION, 0, False, SUMMIT_SIGNAL),
        (Approach.SUMMIT_REGRESSION, 0, True, SUMMIT_SIGNAL_NAN),
        (Approach.OVERLAP_REGRESSION, 0, False, OVERLAP_SIGNAL),
        (Approach.OVERLAP_REGRESSION, 0, True, OVERLAP_SIGNAL_NAN),
        (Approach.ALL_BINS_REGRESSION, 0, False, ALL_SIGNAL),
        (Approach.ALL_BINS_REGRESSION, 0, True, ALL_SIGNAL_NAN),
        (Approach.ALL_BINS_REGRESSION, 400, False, ALL_SIGNAL[8:-8]),
    ],
)
def test_labels_equal_seqdataloaders(
    folder: Path, approach: Approach, flank: int, ambiguous: bool, expected: list[float]
) -> None:
    bins = BinShape(left_flank=flank, right_flank=flank)
    labels = labelled(folder, LabelSpec(approach, bins, ambiguous=ambiguous, transform=Transform.NONE))
    assert labels.start.tolist() == [50 * k for k in range(len(expected))]
    assert labels.window_bp == 200 + 2 * flank
    np.testing.assert_allclose(labels.values[:, 0], expected, atol=1e-4)


@pytest.mark.parametrize("approach", [Approach.SUMMIT_REGRESSION, Approach.OVERLAP_REGRESSION])
def test_signal_is_that_of_the_bin_between_its_flanks(folder: Path, approach: Approach) -> None:
    """Unlike the original's: the same bin has the same signal whatever its flanks."""
    plain = labelled(folder, LabelSpec(approach, BinShape(left_flank=0, right_flank=0)))
    (folder / "labels.hdf5").unlink()
    flanked = labelled(folder, LabelSpec(approach, BinShape(left_flank=400, right_flank=400)))
    assert (flanked.values > 0).any()
    np.testing.assert_array_equal(flanked.values, plain.values[8:-8])
