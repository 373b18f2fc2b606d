"""Keep a unit's folder at the URL of its run: fetched before it starts, saved after every epoch and every part."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kerasac.cache import UnreachableError, lock
from kerasac.errors import RemoteError, RunError
from kerasac.runs.mirror import HISTORY, Mirror, patiently, working_folder
from kerasac.runs.stopping import ask_to_stop, raise_if_stopped, stop_reason
from kerasac.runs.unit import MARKER, Report, Unit, read_marker
from kerasac.steps.history import read_history

logger = logging.getLogger(__name__)

LOCK = ".lock"
_PAUSE_S = 30.0  # until a store that did not answer is tried again; each try takes seconds


def here(unit: Unit) -> Unit:
    """Return a unit with the folder of its run on this machine, which differs where the run is at a URL."""
    return unit if unit.url is None else replace(unit, run_folder=str(working_folder(unit.url)))


class UnitMirror:
    """What a unit's process does for its URL; nothing where it has none."""

    def __init__(self, unit: Unit, report: Report) -> None:
        self.unit, self.report = unit, report
        self._mirror = _mirror(unit)
        self._away_until: float | None = None  # on the clock of time.monotonic; None while the store answers

    def fetch(self) -> None:
        """Take what another machine did of the unit; raises RemoteError after a minute in which nothing answers."""
        if self._mirror is not None:
            mirror = self._mirror
            patiently(lambda: take_newer(mirror))

    def save(self) -> None:
        """Save what changed; a store that does not answer gets it with a later epoch, and is reported once.

        Raises
        ------
        RunError
            When the place cannot be written, now and later.
        """
        if self._mirror is None or (self._away_until is not None and time.monotonic() < self._away_until):
            return
        try:
            self._mirror.save()
            self._away_until = None
        except UnreachableError as error:
            if self._away_until is None:
                self.report({"event": "unsaved", "message": str(error).partition(";")[0]})
            self._away_until = time.monotonic() + _PAUSE_S
        except RemoteError as error:
            raise self._refused(error) from error

    def raise_if_stopped(self) -> None:
        """Raise StoppedError when the run was asked to stop: at its URL, or here while that does not answer."""
        raise_if_stopped(self.unit.stop_place if self._away_until is None else self.unit.stop_folder)

    def finish(self) -> None:
        """Save the last of it; raises RunError after a minute in which nothing answers."""
        if self._mirror is None:
            return
        try:
            patiently(self._mirror.save)
        except RemoteError as error:
            raise self._refused(error) from error

    def _refused(self, error: RemoteError) -> RunError:
        return RunError(f"it cannot be saved: {error}. All of it is in {self.unit.folder}; the same command goes on")


def bring(unit: Unit, event: str | None = None) -> None:
    """Take a unit's folder from its URL to the driver's machine, and why it stopped; nothing when it is here.

    What cannot be fetched is logged: it is fetched by the next command.
    """
    mirror = _mirror(unit)
    if mirror is None:
        return
    try:
        with _unheld(unit.folder) as is_free:
            if is_free and event == "failed":  # it may be for a store that is away
                take_newer(mirror)
            elif is_free:  # else it is being trained here
                patiently(lambda: take_newer(mirror))
    except (RemoteError, OSError) as error:
        logger.warning("%s cannot be fetched: %s", unit.title, error)
    reason = stop_reason(unit.stop_place) if event == "stopped" else None
    if reason is not None and stop_reason(unit.stop_folder) is None:
        ask_to_stop(unit.stop_folder, reason)


def sync_unit(folder: Path, url: str) -> None:
    """Bring a unit's folder and its URL to the state of the one that is further; one that is being trained is left."""
    mirror = Mirror(folder, url)
    with _unheld(folder) as is_free:
        if is_free:
            take_newer(mirror)
            mirror.save()


def take_newer(mirror: Mirror) -> None:
    """Take a unit as it is at its URL, when it was changed there and is not further here.

    A unit that was removed there on purpose is removed here.
    """
    if not mirror.has_changed_there():
        return
    if mirror.there():
        if _how_far_there(mirror) >= _how_far(mirror.folder):
            mirror.fetch(wholly=True)
    elif mirror.was_saved:
        mirror.fetch(wholly=True)


def _how_far(folder: Path) -> tuple[bool, int, int]:
    marker = read_marker(folder)
    epochs = sum(len(read_history(path)) for path in folder.rglob(HISTORY))  # of a bias model too
    return marker.get("state") == "done", epochs, len(marker.get("seconds", {}))


def _how_far_there(mirror: Mirror) -> tuple[bool, int, int]:
    with mirror.some_there(lambda name: Path(name).name in (MARKER, HISTORY)) as folder:
        return _how_far(folder)


def _mirror(unit: Unit) -> Mirror | None:
    return None if unit.url is None else Mirror(unit.folder, f"{unit.url}/{unit.name}")


@contextmanager
def _unheld(folder: Path) -> Iterator[bool]:
    """Hold a unit's folder, unless a process of this machine works on it: whether it does not."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as handle:
        try:
            lock(handle, folder / LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
