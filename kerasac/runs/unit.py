"""Say what a unit of work is: a fold and a seed, its folder, and what is known of it there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasac.genome.folds import Fold

MARKER = "unit.json"
DONE = "done"  # the state of a unit that is trained, predicted and scored on test
TUNED = "tuned"  # the state of a unit that is trained and scored on validation
PAUSED = "paused"  # that of one which is scored on validation, but may be trained further
VALID_SCORES = "valid_scores.json"  # of the validation windows, by which a study chooses
_RUNG = "valid_scores.epoch-{}.json"

Event = dict[str, Any]
Report = Callable[[Event], None]


@dataclass(frozen=True)
class Unit:
    """A fold and a seed, and the folder of the run that they belong to.

    ``configuration`` names the run among those of a study. ``tuning``: the unit ends with its scores on the validation
    chromosomes; the test chromosomes are left alone. ``url`` is where the run's folder is mirrored to, if anywhere:
    then each machine has a ``run_folder`` of its own (:func:`kerasac.runs.unit_mirror.here`).
    """

    fold: Fold
    seed: int
    run_folder: str
    configuration: str = ""
    tuning: bool = False
    url: str | None = None

    @property
    def title(self) -> str:
        """The unit's name, after that of its configuration in a study."""
        return f"{self.configuration}/{self.name}" if self.configuration else self.name

    @property
    def is_done(self) -> bool:
        """Whether all that is asked of the unit has been done.

        One that was trained and tested without having been scored on validation is not, for a study.
        """
        if not self.tuning:
            return is_done(self.folder)
        return read_marker(self.folder).get("state") in (TUNED, DONE) and (self.folder / VALID_SCORES).exists()

    @property
    def stop_folder(self) -> Path:
        """The folder whose stop file ends the unit after its epoch: the run's, or the study's."""
        return self._stopped_by(self.run_folder)

    @property
    def stop_place(self) -> Path:
        """Where every machine finds that file: at the URL, or in that folder."""
        return self._stopped_by(self.url or self.run_folder)

    @property
    def place(self) -> Path:
        """Where every machine finds small files of the unit: at its URL, or in its folder."""
        return Path(self.url or self.run_folder) / self.name

    def _stopped_by(self, run: str) -> Path:
        return Path(run).parent if self.configuration else Path(run)

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
    return read_marker(folder).get("state") == DONE


def rung_scores(folder: Path, epochs: int) -> Path:
    """Return where a unit's validation scores at an epoch are, at which its training was not at its end."""
    return folder / _RUNG.format(f"{epochs:04d}")


def rungs(folder: Path) -> dict[int, Path]:
    """Return where a unit's validation scores of all pauses are, by epoch, the first pause first."""
    return {int(path.stem[-4:]): path for path in sorted(folder.glob(_RUNG.format("*")))}


def rung_from(folder: Path, epochs: int) -> int | None:
    """Return the first epoch from this one on at which a unit was scored in a pause; None when there is none."""
    return next((epoch for epoch in rungs(folder) if epoch >= epochs), None)
