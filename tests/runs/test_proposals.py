"""A search learns from what was tried before it, and proposes the same for the same past."""

from __future__ import annotations

import math
import statistics
from typing import Any

from kerasac.config.space import Axis, Space
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
