"""Say what a unit of work is: a fold and a seed, its folder, and what is known of it there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasac.genome.folds import Fold

MARKER = "unit.json"

Event = dict[str, Any]
Report = Callable[[Event], None]


@dataclass(frozen=True)
class Unit:
    """A fold and a seed, and the folder of the run that they belong to."""

    fold: Fold
    seed: int
    run_folder: str

    @property
    def name(self) -> str:
        """``fold-0/seed-1234``: the unit's name in tables, and its folder within the run's."""
        return f"fold-{self.fold.index}/seed-{self.seed}"

    @property
    def folder(self) -> Path:
        """Where everything of the unit is written."""
        return Path(self.run_folder) / self.name


@dataclass(frozen=True)
class Share:
    """The share of a machine that one unit gets: CPU threads, Ray Data samplers, GPUs (may be a fraction)."""

    threads: int
    samplers: int
    gpus: float = 0.0


def read_marker(folder: Path) -> dict[str, Any]:
    """Return what a unit's folder says of itself; empty when it was never started."""
    path = folder / MARKER
    marker: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return marker


def is_done(folder: Path) -> bool:
    """Whether a unit has been trained, predicted and scored."""
    return read_marker(folder).get("state") == "done"
