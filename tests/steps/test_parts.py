from __future__ import annotations

import numpy as np
import pytest

from kerasac.sampling.batches import batch_sizes
from kerasac.sampling.plan import windows_at
from kerasac.steps.parts import Part


@pytest.mark.parametrize("trainers", [1, 2, 3, 4])
@pytest.mark.parametrize("n_windows", [1, 11, 12, 24, 25, 26, 35, 47])
def test_parts_of_every_batch_are_the_batch(n_windows: int, trainers: int) -> None:
    """Batches of 12; a rest of fewer windows than trainers is left out, as its parts would be empty."""
    epoch = windows_at(np.arange(n_windows), is_peak=True)
    parts = [Part(12, None, rank, trainers) for rank in range(trainers)]
    steps = parts[0].steps(n_windows)
    read = []
    for part in parts:
        centers = part.take(epoch).center
        sizes = batch_sizes(len(centers), part.batch_size)
        assert len(sizes) == steps
        read.append(np.split(centers, np.cumsum(sizes)[:-1]) if sizes else [])
    whole = [np.concatenate([one[step] for one in read]) for step in range(steps)]
    rest = n_windows % 12
    kept = n_windows - (rest if rest < trainers else 0)
    expected = [np.arange(low, min(low + 12, kept)) for low in range(0, kept, 12)]
    assert len(whole) == len(expected)
    for batch, wanted in zip(whole, expected, strict=True):
        np.testing.assert_array_equal(batch, wanted)


@pytest.mark.parametrize(("most", "steps", "n_read"), [(None, 3, 25), (2, 2, 24), (5, 3, 25)])
def test_steps_per_epoch_cuts_an_epoch(most: int | None, steps: int, n_read: int) -> None:
    part, epoch = Part(12, most), windows_at(np.arange(25), is_peak=True)
    assert part.steps(25) == steps
    assert len(part.take(epoch)) == n_read
