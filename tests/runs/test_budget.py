"""A budget is read from words, and is over when it is spent."""

from __future__ import annotations

import time

import pytest

from kerasac.errors import ConfigError
from kerasac.runs.budget import Budget, Spent, parse_budget


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("30 trials", Budget(trials=30)),
        ("1trial", Budget(trials=1)),
        ("12h", Budget(seconds=43200.0)),
        ("1h30m", Budget(seconds=5400.0)),
        ("40 gpu-hours", Budget(device_seconds=144000.0, device="gpu")),
        ("0.5 CPU-h", Budget(device_seconds=1800.0, device="cpu")),
    ],
)
def test_a_budget_is_read(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "12", "0 trials", "0 gpu-hours", "-3h", "12 hours of sleep", "3 tpu-hours"])
def test_what_is_no_budget_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--budget"):
        parse_budget(text)


def test_devices_are_counted_over_all_units_and_the_clock_from_the_start() -> None:
    spent = Spent(parse_budget("1 gpu-hours"), per_unit=0.5)
    spent.add(3600)
    assert not spent.is_over()
    spent.add(3600)
    assert spent.is_over()
    assert not Spent(Budget()).is_over()
    assert not Spent(Budget(seconds=60)).is_over()
    assert Spent(Budget(seconds=60), began=time.monotonic() - 61).is_over()
