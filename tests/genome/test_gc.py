from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasac.genome import gc
from kerasac.genome.gc import count_bases
from kerasac.genome.sequence import encode


def test_windows_are_counted_in_the_order_asked_for() -> None:
    bases = count_bases(encode("GGATNCcA"), np.array([5, 0, 3]), 3)
    np.testing.assert_array_equal(bases.gc, [2, 2, 1])  # CcA, GGA, TNC
    np.testing.assert_array_equal(bases.unknown, [0, 0, 1])


def test_gc_content_is_of_the_known_bases() -> None:
    bases = count_bases(encode("GNNNACNNNN"), np.array([0, 2, 6]), 4)
    np.testing.assert_array_equal(bases.gc_content, [1.0, 0.5, np.nan])


def test_no_window_is_no_count() -> None:
    assert len(count_bases(encode("ACGT"), np.empty(0, np.int64), 2).gc_content) == 0


@given(data=st.data(), text=st.text("ACGTN", min_size=1, max_size=60), block_bp=st.integers(1, 20))
def test_blocks_do_not_change_the_counts(data: st.DataObject, text: str, block_bp: int) -> None:
    width = data.draw(st.integers(1, len(text)))
    starts = data.draw(st.lists(st.integers(0, len(text) - width), max_size=20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "_BLOCK_BP", block_bp)
        bases = count_bases(encode(text), np.array(starts, dtype=np.int64), width)
    windows = [text[start : start + width] for start in starts]
    assert bases.gc.tolist() == [window.count("G") + window.count("C") for window in windows]
    assert bases.unknown.tolist() == [window.count("N") for window in windows]
