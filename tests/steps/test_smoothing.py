from __future__ import annotations

import numpy as np
import pytest

from kerasac.errors import ScoreError
from kerasac.steps.smoothing import Smoothing, read_smoothing


@pytest.mark.parametrize("width", [3, 81])
def test_counts_at_the_ends_of_a_window_stay_in_it(width: int) -> None:
    profile = np.zeros((1, 50, 2), np.float32)
    profile[0, 0, 0], profile[0, -2, 1] = 5, 3
    smoothed = Smoothing(7.0, width).smooth(profile)
    np.testing.assert_allclose(smoothed.sum(axis=1), [[5, 3]], rtol=1e-5)


def test_a_count_is_spread_as_far_as_the_kernel_is_wide() -> None:
    profile = np.zeros((1, 50, 1), np.float32)
    profile[0, 20] = 1
    smoothed = Smoothing(2.0, 5).smooth(profile)[0, :, 0]
    weights = np.exp(-(np.arange(-2, 3) ** 2) / 8)
    np.testing.assert_allclose(smoothed[18:23], weights / weights.sum(), rtol=1e-6)
    assert np.count_nonzero(smoothed) == 5


def test_what_a_user_types_is_read() -> None:
    assert read_smoothing("7,81") == Smoothing(7.0, 81)
    assert str(read_smoothing("2.5,9")) == "Gaussian, σ 2.5, 9 bases wide"


@pytest.mark.parametrize("text", ["7", "7,80", "0,81", "a,81", "7,81,3", "7,1", "nan,81"])
def test_what_is_no_smoothing_is_refused(text: str) -> None:
    with pytest.raises(ScoreError, match=f"'{text}'"):
        read_smoothing(text)
