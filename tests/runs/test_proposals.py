"""A search learns from what was tried before it, and proposes the same for the same past."""

from __future__ import annotations

import logging
import math
import statistics
from dataclasses import replace
from typing import Any

import pytest

from kerasac.config.space import Axis, Space
from kerasac.runs import proposals
from kerasac.runs.proposals import Judged, propose

SPACE = Space(
    (
        Axis("rate", "loguniform", (1e-4, 1.0)),
        Axis("momentum", "uniform", (0.0, 1.0), {"optimizer": ("sgd",)}),
        Axis("optimizer", "choice", ("adam", "sgd")),
        Axis("widths", "choice", ([1, 2], "auto", None)),
        Axis("filters", "logintegers", (4, 512)),
    ),
    search="tpe",
    trials=30,
)


def loss(values: dict[str, Any]) -> float:
    return abs(math.log10(values["rate"]) + 2) + (values["optimizer"] == "adam") + abs(values.get("momentum", 1) - 0.3)


def search(n: int) -> list[Judged]:
    tried = [Judged({}, 1.0)]  # the experiment as it is, which sets none of the keys
    for number in range(n):
        values = propose(SPACE, tried)
        tried.append(Judged(values, math.inf if number == 3 else loss(values)))
    return tried


def test_proposals_get_better_than_drawn_ones() -> None:
    scores = [one.score for one in search(40) if one.values and one.score is not None and math.isfinite(one.score)]
    assert statistics.median(scores[-15:]) < 0.7 * statistics.median(scores[:10])


def test_values_lie_in_the_space_and_conditional_keys_are_set_where_they_count() -> None:
    for values in (one.values for one in search(15)[1:]):
        assert list(values) == [axis.key for axis in SPACE.axes if axis.key in values]
        assert 1e-4 <= values["rate"] <= 1.0
        assert ("momentum" in values) == (values["optimizer"] == "sgd")
        assert values["widths"] in ([1, 2], "auto", None)
        assert isinstance(values["filters"], int)
        assert 4 <= values["filters"] <= 512


def test_the_same_past_gives_the_same_proposal_and_what_is_running_another() -> None:
    past = search(12)
    assert propose(SPACE, past) == propose(SPACE, past)
    assert propose(SPACE, [*past, Judged(propose(SPACE, past), None)]) != propose(SPACE, past)


NARROWER = {
    "a value taken out": (Axis("widths", "choice", ("auto", None)), lambda value: value != [1, 2]),
    "a range narrowed": (Axis("rate", "loguniform", (1e-3, 1e-2)), lambda value: 1e-3 <= value <= 1e-2),
    "whole numbers narrowed": (Axis("filters", "integers", (10, 60)), lambda value: 10 <= value <= 60),
    "a range for listed values": (Axis("optimizer", "uniform", (0.0, 1.0)), lambda value: False),
    "listed values for a range": (Axis("filters", "choice", (16, "auto")), lambda value: value == 16),
}


@pytest.mark.parametrize(("axis", "stays"), NARROWER.values(), ids=NARROWER.keys())
def test_what_a_narrower_space_has_no_more_is_left_out_and_counted_once(
    axis: Axis, stays: Any, caplog: pytest.LogCaptureFixture
) -> None:
    proposals._say_once.cache_clear()
    past = search(24)
    narrower = replace(SPACE, axes=tuple(axis if one.key == axis.key else one for one in SPACE.axes))
    kept = [one for one in past if not one.values or stays(one.values[axis.key])]
    n_left_out = len(past) - len(kept)
    assert n_left_out
    with caplog.at_level(logging.WARNING, "kerasac"):
        for _ in range(3):
            values = propose(narrower, past)
            assert axis.holds(values[axis.key])
            past.append(Judged(values, 1.0))
    assert [f"does not learn from {n_left_out} of" in one.message for one in caplog.records].count(True) == 1


def test_a_key_that_is_no_parameter_any_more_is_left_out() -> None:
    past = search(12)
    without = replace(SPACE, axes=tuple(one for one in SPACE.axes if one.key != "widths"))
    proposed = propose(without, past)
    assert "widths" not in proposed
    assert proposals._inside(without, past) == past[:1], "the experiment as it is"
    assert proposals._inside(SPACE, past) == past
