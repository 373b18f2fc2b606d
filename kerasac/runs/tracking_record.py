"""Remember in a run folder which MLflow run belongs to which unit, and what is logged of it."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerasac.cache import write_whole
from kerasac.runs.tracking_store import STORE, local_uri

RECORD = "mlflow.json"


@dataclass
class Record:
    """What ``mlflow.json`` says.

    ``key`` tags the parent run, and is written before the run is made: a run whose making was not answered is found
    again by it. ``units`` are run ids by unit, ``logged`` the states in which units were logged whole; ``closed``:
    the summary is logged too.
    """

    uri: str = ""
    experiment: str = ""
    parent: str | None = None
    key: str = field(default_factory=lambda: new_key())
    units: dict[str, str] = field(default_factory=dict)
    logged: dict[str, Any] = field(default_factory=dict)
    closed: bool = False

    def write(self, folder: Path) -> None:
        """Write the record to a run folder."""
        write_whole(folder / RECORD, json.dumps(asdict(self), indent=1) + "\n")

    def has(self, unit: str) -> bool:
        """Whether a unit has been logged whole."""
        return bool(self.logged.get(unit))


def new_key() -> str:
    """Return a key that no other run has."""
    return uuid.uuid4().hex


def read_record(folder: Path) -> Record:
    """Return what a run folder's record says, an empty one when there is none."""
    path = folder / RECORD
    return Record(**json.loads(path.read_text())) if path.exists() else Record()


def store_folder(run_folder: Path) -> Path:
    """Return the folder of a run's local store: its own, or that of the study that the run is a configuration of."""
    study = run_folder.resolve().parent
    shared = read_record(run_folder).uri == local_uri(study) and (study / STORE).exists()
    return study if shared else run_folder
