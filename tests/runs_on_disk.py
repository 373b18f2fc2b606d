"""Write run and study folders as their drivers leave them, without training anything."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

EPOCHS = 4


def write_run_folder(folder: Path, *, folds: int = 2, seeds: tuple[int, ...] = (1,)) -> Path:
    """Write a run of which nothing has been started."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.yaml").write_text(f"seeds: {list(seeds)}\ntraining: {{epochs: {EPOCHS}}}\n")
    (folder / "folds.json").write_text(json.dumps({str(fold): {} for fold in range(folds)}))
    return folder


def write_unit(run: Path, fold: int, state: str, *, seed: int = 1, epochs: int = 0, error: str = "") -> Path:
    """Write a unit in a state, after some epochs, whose losses fall from the number of epochs to 1."""
    unit = run / f"fold-{fold}" / f"seed-{seed}"
    unit.mkdir(parents=True)
    (unit / "unit.json").write_text(json.dumps({"state": state}))
    rows = [f"{n},{epochs - n + 1}" for n in range(1, epochs + 1)]
    if rows:
        (unit / "history.csv").write_text("\n".join(["epoch,val_loss", *rows]) + "\n")
    if error:
        (unit / "error.txt").write_text(error)
    return unit


def write_heartbeat(folder: Path, **changes: Any) -> None:
    """Write what a driver said a moment ago; it is this process, unless ``changes`` say otherwise."""
    facts: dict[str, Any] = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": {"argv": ["kerasac-ray", "cv", "my experiment.yaml"], "cwd": str(folder.parent)},
        "began": time.time() - 60,
        "updated": time.time(),
        "ended": None,
        "stops_in_s": None,
        "usage": "CPU 50% of 2",
        "progress": {},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "status.json").write_text(json.dumps(facts | changes))
