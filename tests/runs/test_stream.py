"""Ray Data samplers give the batches of one process, however many there are and wherever a stream begins."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_experiment

from kerasac.sampling import stream as stream_room
from kerasac.sampling.stream import stream_in_process, stream_through_ray
from kerasac.steps.prepare import PreparedWindows, prepare

pytestmark = pytest.mark.ray

BATCH = 10


@pytest.fixture(scope="module", params=["map", "blocks"])
def prepared(request: pytest.FixtureRequest, tiny_folder: Path) -> PreparedWindows:
    return prepare(tiny_experiment(tiny_folder, compute={"reader": request.param}))


@pytest.mark.parametrize(("samplers", "stretch"), [(1, 400), (2, 1), (4, 200)])
def test_any_number_of_samplers_gives_the_same_batches(
    ray_cluster: dict[str, float],
    prepared: PreparedWindows,
    samplers: int,
    stretch: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_room, "STRETCH_ROWS", stretch)  # epochs are of 144: one, two or all are planned at once
    monkeypatch.setattr(stream_room, "RAY_ROWS", 32)  # blocks that no batch fits
    monkeypatch.setattr(stream_room, "ARRAY_ROWS", 32)
    plan = prepared.plan(prepared.folds[0], seed=1)
    alone = list(stream_in_process(prepared.source, plan.train, range(3), BATCH))
    # As after a run that was stopped in the middle of its second epoch, which is then begun again.
    for first in (0, 1):
        expected = alone[first * len(alone) // 3 :]
        stream = stream_through_ray(prepared.source, plan.train, range(first, 3), BATCH, samplers=samplers)
        found = list(stream) if first else list(islice(stream, len(expected)))
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert one.keys() == other.keys()
            for name, values in one.items():
                assert values.dtype == other[name].dtype == prepared.source.signature()[name].dtype
                np.testing.assert_array_equal(values, other[name])
