"""Sum one metric up over the models of a run, folds first: a fold counts once, however many seeds it has."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STATISTICS: Mapping[str, str] = {
    "mean": "Mean over folds, of each fold's mean over its seeds.",
    "sd": "Standard deviation over models (fold and seed) with n − 1.",
    "se": "Standard error of the mean: standard deviation (n − 1) of the fold means, by the square root of their "
    "number. Seeds of one fold are averaged first and do not count as independent. Folds share training chromosomes, "
    "so it is rather too small.",
    "n": "Models in which the metric is defined.",
    "n_folds": "Folds among them.",
    "n_undefined": "Models in which it is not, which are left out.",
}


@dataclass(frozen=True)
class MetricSummary:
    """One metric over the units of a run; a unit is a fold and seed."""

    values: Mapping[str, float | None]
    """By unit (``fold-0/seed-1234``); None where the metric is not defined."""

    @property
    def defined(self) -> list[float]:
        """The values that are numbers."""
        return [value for value in self.values.values() if value is not None]

    @property
    def n_undefined(self) -> int:
        """Units in which the metric is not defined; they are left out of mean, sd and se."""
        return len(self.values) - len(self.defined)

    @property
    def fold_means(self) -> dict[str, float]:
        """By fold, the mean over its units (seeds); folds without a defined value are left out."""
        by_fold: dict[str, list[float]] = {}
        for unit, value in self.values.items():
            if value is not None:
                by_fold.setdefault(fold_of(unit), []).append(value)
        return {fold: math.fsum(values) / len(values) for fold, values in by_fold.items()}

    @property
    def mean(self) -> float | None:
        """Mean over folds of :attr:`fold_means`: each fold counts once, however many seeds it has."""
        folds = list(self.fold_means.values())
        return math.fsum(folds) / len(folds) if folds else None

    @property
    def sd(self) -> float | None:
        """Standard deviation over units with n − 1, folds and seeds alike; None for fewer than two."""
        return _sd(self.defined)

    @property
    def se(self) -> float | None:
        """Standard error of the mean: sd of the fold means by √folds; None for fewer than two folds.

        Seeds of a fold share its test windows: they are averaged first, and do not count as independent.
        """
        folds = list(self.fold_means.values())
        sd = _sd(folds)
        return None if sd is None else sd / math.sqrt(len(folds))

    def to_dict(self) -> dict[str, Any]:
        """What summary.json holds for the metric."""
        return {
            "mean": self.mean,
            "sd": self.sd,
            "se": self.se,
            "n": len(self.defined),
            "n_folds": len(self.fold_means),
            "n_undefined": self.n_undefined,
            "values": dict(self.values),
        }


def fold_of(unit: str) -> str:
    """``fold-0`` of ``fold-0/seed-1234``."""
    return unit.split("/")[0]


def seed_of(unit: str) -> str:
    """``seed-1234`` of ``fold-0/seed-1234``; empty for a unit that names no seed."""
    return unit.partition("/")[2]


def unit_order(unit: str) -> tuple[tuple[int, str], ...]:
    """Sort key of ``fold-10/seed-7``: numbers by value, so that fold 10 comes after fold 9."""
    return tuple((int(part) if part.isdigit() else -1, part) for part in re.split(r"[-/]", unit))


def _sd(values: Sequence[float]) -> float | None:
    """Standard deviation with n − 1; None for fewer than two values."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
