"""Say how a unit of work stands, from its files alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from kerasac.runs.unit import PAUSED, TUNED, Unit, read_marker
from kerasac.steps.history import read_history
from kerasac.steps.unit_names import unit_name

State = Literal["waiting", "running", "interrupted", "paused", "done", "failed"]
_STATES: dict[str, State] = {"done": "done", TUNED: "done", PAUSED: "paused"}
_ERROR = "error.txt"


@dataclass(frozen=True)
class UnitStatus:
    """How a unit stands: its state, epochs trained and asked for, its best loss, and what went wrong."""

    name: str
    state: State
    epoch: int
    epochs: int | None
    best_loss: float | None
    message: str = ""

    @property
    def how_far(self) -> str:
        """Return in words where it stands."""
        if self.state == "waiting":
            return "not started"
        of = f"/{self.epochs}" if self.epochs else ""
        at = f" after epoch {self.epoch}{of}" if self.epoch else ""
        return f"{self.state}{at}" + (f": {self.message}" if self.message else "")

    def as_dict(self) -> dict[str, Any]:
        """Return all of it but the name."""
        facts = asdict(self)
        del facts["name"]
        return facts


class Expected(NamedTuple):
    """A unit that is there or to come: its folder, its name, and the epochs of its experiment."""

    folder: Path
    name: str
    epochs: int | None


def expected_units(run_folder: Path) -> list[Expected]:
    """Return the units of a run: each fold with each seed, and what else is there."""
    folds = json.loads(_text(run_folder / "folds.json") or "{}")
    seeds = _experiment(run_folder).get("seeds") or []
    listed = [run_folder / f"fold-{fold}" / f"seed-{seed}" for seed in seeds for fold in folds]
    return _named(run_folder, {*listed, *run_folder.glob("fold-*/seed-*")}, prefix="")


def started_units(run_folder: Path, *, prefix: str) -> list[Expected]:
    """Return the units of a configuration that are there: its study decides what else is going to be trained."""
    return _named(run_folder, set(run_folder.glob("fold-*/seed-*")), prefix=prefix)


def _named(run_folder: Path, folders: set[Path], *, prefix: str) -> list[Expected]:
    epochs = (_experiment(run_folder).get("training") or {}).get("epochs")
    in_order = sorted(folders, key=lambda path: (_number(path.parent.name), _number(path.name)))
    return [Expected(path, f"{prefix}{unit_name(path)}", epochs) for path in in_order]


def _experiment(run_folder: Path) -> dict[str, Any]:
    return yaml.load(_text(run_folder / "experiment.yaml"), Loader=_LOADER) or {}


def read_unit(folder: Path, name: str, epochs: int | None, *, is_running: bool) -> UnitStatus:
    """Read how a unit stands; its driver says whether it is running."""
    marker = read_marker(folder)
    history = read_history(folder / "history.csv")
    losses = [row["val_loss"] for row in history if "val_loss" in row]
    state, message = _state(folder, marker, is_running)
    return UnitStatus(name, state, len(history), epochs, min(losses, default=None), message)


def how_far(unit: Unit) -> str:
    """Say in words where a unit stands that is not running."""
    return read_unit(unit.folder, unit.name, None, is_running=False).how_far


def _state(folder: Path, marker: dict[str, Any], is_running: bool) -> tuple[State, str]:
    if marker.get("state") in ("done", TUNED):
        return "done", ""
    if is_running:
        return "running", ""
    error = _text(folder / _ERROR).strip()
    if error:
        return "failed", _last_message(error)
    return _STATES.get(marker.get("state", ""), "interrupted") if marker else "waiting", ""


def _last_message(traceback: str) -> str:
    """Return the message at the end of a traceback, without the name of our own kinds of error."""
    line = traceback.splitlines()[-1]
    kind, colon, message = line.partition(": ")
    return message if colon and kind.startswith("kerasac.errors.") else line


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _number(name: str) -> tuple[int, str]:
    """Return what sorts seed-2 before seed-10."""
    number = name.rpartition("-")[2]
    return (int(number), "") if number.isdigit() else (-1, name)


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
