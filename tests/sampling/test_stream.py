"""Batches are cuts of one stream: neither their size nor where it is resumed changes what is in it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_experiment

from kerasac.sampling import stream as stream_room
from kerasac.sampling.batches import Source
from kerasac.sampling.plan import SamplingPlan, Windows
from kerasac.sampling.stream import Sampler, stream_in_process, stream_through_ray
from kerasac.steps.prepare import PreparedWindows, prepare


@pytest.fixture(scope="module")
def prepared(tiny_folder: Path) -> PreparedWindows:
    return prepare(tiny_experiment(tiny_folder, training={"batch_size": 10}))


@pytest.fixture
def plan(prepared: PreparedWindows) -> SamplingPlan:
    return prepared.plan(prepared.folds[0], seed=1)


def joined(batches: Iterator[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("batch_size", [1, 7, 144, 1_000])
def test_batch_size_does_not_change_the_windows(prepared: PreparedWindows, plan: SamplingPlan, batch_size: int) -> None:
    found = joined(stream_in_process(prepared.source, plan.train, [0], batch_size))
    assert_same(found, prepared.source.read(plan.train(0)))


def test_no_batch_spans_two_epochs(prepared: PreparedWindows, plan: SamplingPlan) -> None:
    sizes = [len(batch["sequence"]) for batch in stream_in_process(prepared.source, plan.train, [0, 1], 100)]
    assert sizes == [100, 44, 100, 44]


def test_resumed_stream_is_the_rest_of_the_whole(prepared: PreparedWindows, plan: SamplingPlan) -> None:
    whole = list(stream_in_process(prepared.source, plan.train, range(3), 50))
    rest = list(stream_in_process(prepared.source, plan.train, [1, 2], 50))
    assert len(rest) == 2 * len(whole) // 3
    assert_same(joined(iter(whole[len(whole) // 3 :])), joined(iter(rest)))


def test_no_epochs_are_no_batches(prepared: PreparedWindows, plan: SamplingPlan) -> None:
    assert list(stream_in_process(prepared.source, plan.train, [], 10)) == []


def test_windows_are_read_when_they_are_asked_for(prepared: PreparedWindows, plan: SamplingPlan) -> None:
    asked = []
    stream = stream_in_process(prepared.source, lambda epoch: asked.append(epoch) or plan.train(epoch), range(9), 50)
    assert asked == []
    next(stream)
    assert asked == [0]


def test_sampler_reads_rows_of_a_plan(prepared: PreparedWindows, plan: SamplingPlan) -> None:
    windows = plan.train(0)
    rows = {"center": windows.center, "reverse": windows.reverse, "is_peak": windows.is_peak}
    assert_same(Sampler(prepared.source)(rows), prepared.source.read(windows))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What samplers do, in order, where this process reads for them: they start, and they stop."""
    told: list[str] = []

    def sampled(source: Source, windows: Windows, samplers: int) -> Generator[dict[str, np.ndarray], None, None]:
        told.append("start")
        try:
            for low in range(0, len(windows), 64):
                yield source.read(windows.take(slice(low, low + 64)))
        finally:
            told.append("stop")

    monkeypatch.setattr(stream_room, "_sampled_blocks", sampled)
    return told


@pytest.mark.parametrize(
    ("bounds", "stretches"),
    [
        ({}, [5]),  # planned within the bounds
        ({"STRETCH_S": 0}, [1, 1, 1, 1, 1]),
        ({"STRETCH_ROWS": 200}, [2, 2, 1]),
    ],
    ids=["all", "slow", "large"],
)
def test_epochs_for_samplers_are_planned_when_the_trainer_comes_to_them(
    prepared: PreparedWindows,
    plan: SamplingPlan,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    bounds: dict[str, int],
    stretches: list[int],
) -> None:
    for name, bound in bounds.items():
        monkeypatch.setattr(stream_room, name, bound)

    def train(epoch: int) -> Windows:
        told.append(f"plan {epoch}")
        return plan.train(epoch)

    found = list(stream_through_ray(prepared.source, train, range(2, 7), 100, samplers=2))
    expected, first = [], 2
    for n in stretches:
        expected += [*(f"plan {epoch}" for epoch in range(first, first + n)), "start", "stop"]
        first += n
    assert told == expected
    whole = list(stream_in_process(prepared.source, plan.train, range(2, 7), 100))
    assert [len(batch["sequence"]) for batch in found] == [len(batch["sequence"]) for batch in whole]
    assert_same(joined(iter(found)), joined(iter(whole)))


def test_epochs_that_the_trainer_never_reaches_are_not_planned(
    prepared: PreparedWindows, plan: SamplingPlan, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_room, "STRETCH_S", 0)
    planned = []
    stream = stream_through_ray(
        prepared.source, lambda epoch: planned.append(epoch) or plan.train(epoch), range(40), 144, samplers=2
    )
    next(stream)
    assert planned == [0]
    next(stream)
    assert planned == [0, 1]
    stream.close()
    assert told == ["start", "stop", "start", "stop"]


def test_no_epochs_start_no_samplers(prepared: PreparedWindows, plan: SamplingPlan, told: list[str]) -> None:
    assert list(stream_through_ray(prepared.source, plan.train, [], 10, samplers=2)) == []
    assert told == []
