from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest

from kerasac.errors import StoreError
from kerasac.genome.intervals import Spans
from kerasac.store.labels.blocks import Block, label_block
from kerasac.store.labels.spec import Approach, BinShape, LabelSpec, Transform

SHAPE = BinShape(size=10, stride=10, left_flank=0, right_flank=0)


@pytest.fixture
def bigwig(tmp_path: Path) -> Path:
    """Bin k of 10 bases has the value k, but the last one −1."""
    path = tmp_path / "signal.bw"
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chr1", 60)])
        starts = list(range(0, 60, 10))
        file.addEntries(["chr1"] * 6, starts, ends=[x + 10 for x in starts], values=[0.0, 1.0, 2.0, 3.0, 4.0, -1.0])
    return path


def block(bigwig: Path | None, approach: Approach, marked: tuple[int, int], **options: Any) -> Block:
    ambiguous = Spans(np.array([2]), np.array([3]))
    spans = Spans(*(np.array([bound]) for bound in marked))
    return Block(LabelSpec(approach, SHAPE, **options), bigwig, "chr1", 0, 6, spans, ambiguous)


def test_classification_labels_marked_bins_1_and_ambiguous_ones_nan() -> None:
    labels = label_block(block(None, Approach.SUMMIT_CLASSIFICATION, (1, 4)))
    np.testing.assert_array_equal(labels, [0, 1, np.nan, 1, 0, 0])
    assert labels.dtype == np.float32


@pytest.mark.parametrize(
    ("transform", "of_0", "of_1", "of_3"),
    [
        (Transform.NONE, 0, 1, 3),
        (Transform.ASINH, 0, 0.881374, 1.818446),
        (Transform.LOG10, -3, 0.000434, 0.477266),
        (Transform.LOG, -6.907755, 0.001, 1.098946),
    ],
)
def test_signal_is_transformed_also_where_no_peak_is(
    bigwig: Path, transform: Transform, of_0: float, of_1: float, of_3: float
) -> None:
    """The last two bins have signal and no peak."""
    labels = label_block(block(bigwig, Approach.SUMMIT_REGRESSION, (1, 4), transform=transform))
    np.testing.assert_allclose(labels, [of_0, of_1, np.nan, of_3, of_0, of_0], atol=1e-6)


@pytest.mark.parametrize(
    ("marked", "pseudocount", "message"),
    [((0, 5), 0.0, r"is 0, and log of signal \+ 0 is"), ((0, 6), 0.5, r"is -1, and log of signal \+ 0\.5 is")],
)
def test_signal_without_a_logarithm_is_an_error(
    bigwig: Path, marked: tuple[int, int], pseudocount: float, message: str
) -> None:
    spec = {"transform": Transform.LOG, "pseudocount": pseudocount}
    with pytest.raises(StoreError, match=f"of a bin of chr1 .* {message} not a number; take a larger pseudocount"):
        label_block(block(bigwig, Approach.ALL_BINS_REGRESSION, marked, **spec))
