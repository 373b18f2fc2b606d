"""Say how runs and studies stand, from their files alone: from any terminal, while they run and after."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kerasac.cache import shown, url_of
from kerasac.errors import RunError
from kerasac.runs.heartbeat import STATUS, Heartbeat, read_heartbeat
from kerasac.runs.lock import LOCK, Holder, lock_holder
from kerasac.runs.run_at_url import small_copy
from kerasac.runs.stopping import stop_reason
from kerasac.runs.unit_status import Expected, UnitStatus, expected_units, read_unit, started_units

Kind = Literal["run", "study"]
State = Literal["running", "stopping", "finished", "failed", "stopped", "interrupted", "not started"]
VERDICT = "study.json"
_DEPTH = 3  # folders below the given one that are looked into


@dataclass(frozen=True)
class RunStatus:
    """How a run or a study stands.

    ``units`` are those that are known; a study that decides as it goes may come to more, or has said how many
    (``total``). ``driver`` is the process that works on it now, None when none does.
    """

    folder: Path
    kind: Kind
    units: tuple[UnitStatus, ...]
    total: int | None
    driver: Holder | None
    heartbeat: Heartbeat | None
    stop_reason: str | None
    verdict: Mapping[str, Any]

    @property
    def state(self) -> State:
        """What it is doing, or how it ended."""
        if self.driver is not None:
            return "running" if self.stop_reason is None else "stopping"
        if self._is_complete():
            return "finished"
        if self.errors:
            return "failed"
        if self.stop_reason is not None:
            return "stopped"
        return "interrupted" if any(unit.state != "waiting" for unit in self.units) else "not started"

    def _is_complete(self) -> bool:
        ended = all(unit.state == "done" for unit in self.units)
        if self.kind == "run":
            return ended and bool(self.units)
        # A study leaves configurations behind on purpose; what counts is its verdict, if no later command began.
        verdict = self.verdict
        if not verdict or verdict.get("withdrawn") or verdict.get("stopped"):
            return False
        return bool(verdict.get("over_budget")) or not verdict.get("unfinished")

    @property
    def n_done(self) -> int:
        """How many units have ended well."""
        return sum(unit.state == "done" for unit in self.units)

    @property
    def epochs(self) -> int:
        """Epochs trained so far, of all units."""
        return sum(unit.epoch for unit in self.units)

    @property
    def planned_epochs(self) -> int | None:
        """Epochs in all, at most; None where that is not known."""
        if self.kind == "run":
            return sum(unit.epochs or 0 for unit in self.units) or None
        found = self._progress("epochs", "planned")
        return int(found) if found else None

    @property
    def errors(self) -> dict[str, str]:
        """What went wrong, by unit."""
        found = {unit.name: unit.message for unit in self.units if unit.state == "failed"}
        last = self._progress("last_error") or {}
        unfinished = {unit.name for unit in self.units if unit.state != "done"}
        if last.get("unit") in unfinished:  # a unit whose process died could not leave a message itself
            found.setdefault(last["unit"], last["message"])
        return found

    @property
    def best(self) -> str:
        """The best so far in words: of a study its best configuration, of a run the mean of its best losses."""
        if self.kind == "study":
            best, ranked = self._progress("best"), self.verdict.get("ranked") or []
            if best:
                return f"{best['name']}, {best['text']}"
            return str(ranked[0]["name"]) if ranked else ""
        losses = [unit.best_loss for unit in self.units if unit.best_loss is not None]
        return f"validation loss {sum(losses) / len(losses):.4g} (mean of {len(losses)})" if losses else ""

    @property
    def time_left_s(self) -> float | None:
        """Seconds until the end, from the speed that the driver measures; None when nothing runs."""
        left = self._progress("time_left_s")
        if self.driver is None or left is None or self.heartbeat is None:
            return None
        return max(0.0, float(left) - self.heartbeat.age_s)

    def _progress(self, *keys: str) -> Any:
        value: Any = self.heartbeat.progress if self.heartbeat is not None else {}
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for other programs."""
        beat = self.heartbeat
        return {
            "folder": str(self.folder),
            "kind": self.kind,
            "state": self.state,
            "units": {"done": self.n_done, "known": len(self.units), "total": self.total},
            "epochs": {"done": self.epochs, "planned": self.planned_epochs},
            "best": self.best or None,
            "time_left_s": self.time_left_s,
            "stop_reason": self.stop_reason,
            "driver": self.driver._asdict() if self.driver else None,
            "command": list(beat.command.argv) if beat else None,
            "cwd": beat.command.cwd if beat else None,
            "began": beat.began if beat else None,
            "updated": beat.updated if beat else None,
            "stops_in_s": beat.stops_in_s if beat and self.driver else None,
            "budget": self._progress("budget"),
            "usage": beat.usage if beat and self.driver else None,
            "errors": self.errors,
            "unit_states": {unit.name: unit.as_dict() for unit in self.units},
        }


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """Return the runs and studies among and below folders.

    Raises
    ------
    RunError
        When a folder is not there, or none of them holds any.
    """
    missing = [folder for folder in folders if url_of(folder) is None and not folder.is_dir()]
    if missing:
        raise RunError(f"{missing[0]} is no folder; name a run or study folder, or one that holds them")
    found = [path for folder in folders for path in _below(folder, _DEPTH)]
    if not found:
        named = ", ".join(map(str, folders))
        raise RunError(f"no run or study is in {named}; `kerasac-ray cv` and `tune` write to runs/, or to their --out")
    return list(dict.fromkeys(found))


def read_status(folder: Path) -> RunStatus:
    """Read how a run or a study stands now; of a URL, its small files are fetched."""
    driver, beat = _driver(folder)
    running = _running(beat) if driver is not None else frozenset()
    with _files_of(folder) as files:
        kind = kind_of(files)
        if kind is None:
            raise RunError(
                f"{shown(folder)} holds no run and no study; name a folder that `kerasac-ray cv` or `tune` wrote"
            )
        units = tuple(read_unit(*unit, is_running=unit.name in running) for unit in _units(files, kind))
        verdict = _read_verdict(files)
    total = beat.progress.get("units", {}).get("total") if beat is not None else None
    return RunStatus(
        folder=folder,
        kind=kind,
        units=units,
        total=len(units) if kind == "run" else total,
        driver=driver,
        heartbeat=beat,
        stop_reason=stop_reason(folder),
        verdict=verdict,
    )


def kind_of(folder: Path) -> Kind | None:
    """Say whether a folder holds a run or a study, or neither."""
    if (folder / "experiment.yaml").exists() and (folder / "folds.json").exists():
        return "run"
    return "study" if any((folder / name).exists() for name in (VERDICT, STATUS, LOCK, "provenance.json")) else None


def _files_of(folder: Path) -> AbstractContextManager[Path]:
    url = url_of(folder)
    return nullcontext(folder) if url is None else small_copy(url)


def _units(folder: Path, kind: Kind) -> Iterator[Expected]:
    if kind == "run":
        yield from expected_units(folder)
        return
    for path in sorted(folder.glob("*/folds.json")):
        yield from started_units(path.parent, prefix=f"{path.parent.name}/")


def _below(folder: Path, depth: int) -> Iterator[Path]:
    if url_of(folder) is not None or kind_of(folder) is not None:
        yield folder
    elif depth:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.name.startswith("."):
                yield from _below(child, depth - 1)


def _driver(folder: Path) -> tuple[Holder | None, Heartbeat | None]:
    """Return who works on a folder, and what the last driver said.

    A file system may keep the locks of each machine to itself, and a URL has none; then the heartbeat tells.
    """
    try:
        beat = read_heartbeat(folder)
    except ValueError as error:
        raise RunError(f"{error}; remove it") from error
    holder = lock_holder(folder)
    if holder is None and beat is not None and beat.is_fresh:
        driver = Holder(beat.pid, beat.host)
        is_gone = driver.is_here and (url_of(folder) is None or not driver.is_alive)
        return (None if is_gone else driver), beat
    return holder, beat


def _running(beat: Heartbeat | None) -> frozenset[str]:
    return frozenset(unit["unit"] for unit in beat.progress.get("running", [])) if beat is not None else frozenset()


def _read_verdict(folder: Path) -> Mapping[str, Any]:
    path = folder / VERDICT
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


def wait_for_end(folder: Path, timeout_s: float, *, every_s: float = 0.5) -> bool:
    """Wait until no driver works on a folder; False when one still does after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while _driver(folder)[0] is not None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_s)
    return True
