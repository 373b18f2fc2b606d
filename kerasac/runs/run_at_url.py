"""Drive a run whose folder is at a URL: work in a mirror of it on this machine, as the only one who does."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kerasac.cache import UnreachableError, read_small, remove_small, shown, url_of, write_small
from kerasac.errors import RemoteError, RunError
from kerasac.runs.heartbeat import STATUS
from kerasac.runs.lock import Holder
from kerasac.runs.mirror import Mirror, list_files, patiently, working_folder
from kerasac.runs.stopping import ask_to_stop, clear_stop, stop_reason
from kerasac.runs.unit_mirror import sync_unit

logger = logging.getLogger(__name__)

DRIVER = ".driver.json"  # at the URL, who drives the run
_EVERY_S = 5.0  # seconds between two signs of life there
_LOOK_EVERY_S = 1.0  # for a request to stop on this machine
_SILENCE_S = 30.0  # after which a driver elsewhere counts as gone
_LONG_GONE_S = 600.0  # by whatever clock
_UNIT = re.compile(r"(?:.*/)?fold-[^/]+/seed-[^/]+(?=/|$)")
_SMALL = re.compile(
    r"(?:.*/)?(?:unit\.json|history\.csv|error\.txt|folds\.json|experiment\.yaml|study\.json|status\.json|"
    r"provenance\.json)"
)


@dataclass(frozen=True)
class RunPlace:
    """The folder of a run on this machine, and the URL that it is mirrored to, if any."""

    folder: Path
    url: str | None = None

    def save(self) -> None:
        """Save what is of the run and of none of its units."""
        if self.url is not None:
            patiently(_run_mirror(self.folder, self.url).save)


@contextmanager
def run_place(out: Path, say: Callable[[str], object]) -> Iterator[RunPlace]:
    """Yield the folder to work in for a run folder that may be a URL.

    Of a URL, what is there is fetched first, and saved at the end, also after an error; not after a second Ctrl-C.

    Raises
    ------
    RunError
        When the URL cannot be written, when another command writes there, or when what was done cannot be saved; it
        is kept then, and the same command saves it.
    """
    url = url_of(out)
    if url is None:
        yield RunPlace(out)
        return
    folder = working_folder(url)
    _make(folder)
    check_writable(url)
    say(f"{shown(url)} is mirrored to {folder}")
    with _driving(url, folder) as is_ours:
        patiently(lambda: _fetch(url, folder))
        try:
            yield RunPlace(folder, url)
        except KeyboardInterrupt:
            raise
        except BaseException:
            with _logged():
                _save(url, folder, is_ours())
            raise
        _save(url, folder, is_ours())


def check_writable(url: str) -> None:
    """Write a small file at a URL and remove it.

    Raises
    ------
    RunError
        Says why it cannot be written, and the way out.
    """
    probe = Path(url) / f".probe-{secrets.token_hex(8)}"
    try:
        write_small(probe, "")
        remove_small(probe)
    except RemoteError as error:
        bucket = url.partition("://")[2].partition("/")[0]
        reason = f"there is no bucket {bucket}; make it" if "does not exist" in str(error) else str(error)
        raise RunError(f"a run cannot be written to {shown(url)}: {reason}, or choose another --out") from error


@contextmanager
def small_copy(url: str) -> Iterator[Path]:
    """Give a folder with the small files of a run or a study at a URL, which say how it stands."""
    with Mirror(Path(), url).some_there(lambda name: _SMALL.fullmatch(name) is not None) as folder:
        yield folder


def fetched(path: Path) -> Path:
    """Return the folder of a run, or of a unit, on this machine; of a URL, what is there is fetched first."""
    url = url_of(path)
    if url is None:
        return path
    folder, unit = working_folder(url), re.fullmatch(r"(.*)/fold-[^/]+/seed-[^/]+", url)
    run = url if unit is None else unit[1]
    if not list_files(url):
        raise RunError(f"{shown(url)} holds no files; name the --out of a cross-validation, or one of its units")
    logger.info("fetching %s to %s", shown(run), working_folder(run))
    patiently(lambda: _fetch(run, working_folder(run)))
    return folder


def _run_mirror(folder: Path, url: str) -> Mirror:
    return Mirror(folder, url, leave=lambda name: _UNIT.match(name) is not None)


def _fetch(url: str, folder: Path) -> None:
    run = _run_mirror(folder, url)
    if run.was_saved and not run.there():
        raise RunError(
            f"{shown(url)} is empty, though {folder} was saved there. Remove that folder to begin anew, or copy it "
            f"there to go on from it, e.g. `aws s3 sync {folder} {shown(url)}`"
        )
    run.fetch()
    for unit in _units(url, folder):
        sync_unit(folder / unit, f"{url}/{unit}")


def _units(url: str, folder: Path) -> list[str]:
    """Return the names of all units, there and here."""
    here = [path.relative_to(folder).as_posix() for path in folder.rglob("fold-*/seed-*") if path.is_dir()]
    there = [found[0] for name in list_files(url) if (found := _UNIT.match(name)) is not None]
    return sorted({*here, *there})


def _save(url: str, folder: Path, is_ours: bool) -> None:
    if not is_ours:
        logger.warning("another command drives %s now; what this one did last is in %s", shown(url), folder)
        return
    try:
        for unit in _units(url, folder):
            patiently(lambda unit=unit: sync_unit(folder / unit, f"{url}/{unit}"))  # type: ignore[misc]
        patiently(_run_mirror(folder, url).save)
    except (RemoteError, OSError) as error:
        raise RunError(
            f"what was done cannot be saved: {error}. All of it is in {folder}; the same command saves it"
        ) from error


@contextmanager
def _logged() -> Iterator[None]:
    """Log what goes wrong, where another error is on its way."""
    try:
        yield
    except RunError as error:
        logger.warning("%s", error)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make {folder} ({error.strerror}); set KERASAC_CACHE to another folder") from error


class _Driver(NamedTuple):
    """Who drives a run, and when it last said so."""

    token: str
    pid: int
    host: str
    updated: float

    @property
    def holder(self) -> Holder:
        return Holder(self.pid, self.host)

    @property
    def is_gone(self) -> bool:
        if self.holder.is_here and not self.holder.is_alive:
            return True
        return time.time() - self.updated > _LONG_GONE_S


@contextmanager
def _driving(url: str, folder: Path) -> Iterator[Callable[[], bool]]:
    """Be the one who drives a run at a URL while the block runs; yields what says whether this is still so."""
    _wait_for_end(url)
    beat = _Beat(url, folder)
    beat.renew()
    clear_stop(folder)
    clear_stop(Path(url))
    thread = threading.Thread(target=beat.go_on, name="driver of a URL", daemon=True)
    thread.start()
    try:
        yield lambda: beat.is_ours
    finally:
        beat.over.set()
        thread.join()
        if beat.is_ours:
            with suppress(RemoteError):
                remove_small(Path(url) / DRIVER)


def _wait_for_end(url: str) -> None:
    """See whether who drove a run last is gone: who is alive says so again and again.

    Raises
    ------
    RunError
        When it is alive.
    """
    found = _read_driver(url)
    if found is None or found.is_gone:
        return
    logger.warning("looking for %.0f s whether %s still writes to %s", _SILENCE_S, found.holder, shown(url))
    until = time.monotonic() + _SILENCE_S
    while time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
        now = _read_driver(url)
        if now is None:
            return
        if now != found:
            raise RunError(f"{shown(url)} is being written to by {now.holder}; wait for it, or choose another --out")


def _read_driver(url: str) -> _Driver | None:
    text = read_small(Path(url) / DRIVER)
    return None if text is None else _Driver(*json.loads(text))


class _Beat:
    """Says at the URL that the run is driven, and how it stands, and passes requests to stop on, in a thread."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.token = secrets.token_hex(8)
        self.over = threading.Event()
        self.is_ours = True
        self._status = ""
        self._passed_on: str | None = None

    def go_on(self) -> None:
        since = 0.0
        while not self.over.wait(_LOOK_EVERY_S):
            since += _LOOK_EVERY_S
            try:
                self._pass_stop_on()
                if since >= _EVERY_S:
                    since = 0.0
                    self._say()
            except UnreachableError as error:
                logger.debug("%s", error)
            except (RemoteError, OSError) as error:
                logger.warning("%s", error)

    def renew(self) -> None:
        driver = _Driver(self.token, os.getpid(), socket.gethostname(), time.time())
        write_small(Path(self.url) / DRIVER, json.dumps(driver) + "\n")

    def _say(self) -> None:
        other = _read_driver(self.url)
        if other is not None and other.token != self.token:  # both began in the same moment: the last one stays
            self.is_ours = False
            ask_to_stop(self.folder, f"{other.holder}, which drives {shown(self.url)} now")
            self.over.set()
            return
        self.renew()
        asked = stop_reason(Path(self.url))
        if asked is not None and stop_reason(self.folder) is None:
            ask_to_stop(self.folder, asked)
        status = read_small(self.folder / STATUS)
        if status is not None and status != self._status:
            write_small(Path(self.url) / STATUS, status)
            self._status = status

    def _pass_stop_on(self) -> None:
        asked = stop_reason(self.folder)
        if asked is not None and asked != self._passed_on:
            ask_to_stop(Path(self.url), asked)
            self._passed_on = asked
