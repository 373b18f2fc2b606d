"""Bound what a study may cost: configurations, hours on the clock, or hours of GPUs or CPUs."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from kerasac.errors import ConfigError
from kerasac.runs.stopping import duration_text, parse_duration

_HOURS = re.compile(r"(\d+(?:\.\d+)?)\s*(gpu|cpu)-?(?:h|hours?)$")


class Budget(NamedTuple):
    """What a study may cost; None = as much as it takes.

    ``trials`` configurations; ``seconds`` on the clock since the command began; ``device_seconds`` of ``device``
    (``gpu`` or ``cpu``) over all units, those of earlier commands included.
    """

    trials: int | None = None
    seconds: float | None = None
    device_seconds: float | None = None
    device: str = ""

    def __str__(self) -> str:
        if self.trials is not None:
            return f"{self.trials} trials"
        if self.device_seconds is not None:
            return f"{self.device_seconds / 3600:g} {self.device}-hours"
        return "none" if self.seconds is None else duration_text(self.seconds)


def parse_budget(text: str) -> Budget:
    """Return the budget of ``30 trials``, ``40 gpu-hours``, or ``12h`` (:func:`kerasac.runs.stopping.parse_duration`).

    Raises
    ------
    ConfigError
        For anything else.
    """
    given = text.strip().lower()
    if found := re.fullmatch(r"(\d+)\s*trials?", given):
        if int(found[1]) < 1:
            raise ConfigError(f"--budget {text}: a study of no trials finds nothing; give 1 at least")
        return Budget(trials=int(found[1]))
    if found := _HOURS.match(given):
        if float(found[1]) <= 0:
            raise ConfigError(f"--budget {text} is no time at all; give more than 0 hours")
        return Budget(device_seconds=float(found[1]) * 3600, device=found[2])
    try:
        return Budget(seconds=parse_duration(given))
    except ConfigError as error:
        raise ConfigError(f"--budget {text}: write 30 trials, 12h, 90m, 40 gpu-hours or 100 cpu-hours") from error


@dataclass
class Spent:
    """What a study has cost so far; ``per_unit`` devices of the budget's kind are what a unit holds."""

    budget: Budget
    per_unit: float = 1.0
    unit_seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def add(self, unit_seconds: float) -> None:
        """Note how long a unit took."""
        self.unit_seconds += unit_seconds

    def is_over(self) -> bool:
        """Whether nothing further may be begun."""
        seconds, device_seconds = self.budget.seconds, self.budget.device_seconds
        over_clock = seconds is not None and time.monotonic() - self.began >= seconds
        return over_clock or (device_seconds is not None and self.unit_seconds * self.per_unit >= device_seconds)
