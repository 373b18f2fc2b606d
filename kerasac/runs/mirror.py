"""Keep a folder of this machine and what lies at a URL alike.

What the URL has is plain files, as in the folder. They are sent in the order in which they were written, so that an
upload that breaks off leaves there what a process that was killed would have left here, from which a run goes on.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from kerasac.cache import UnreachableError, cache_folder, digest, shown, whole_file, write_whole
from kerasac.cache.remote import explained, has_secrets, open_url, state_of
from kerasac.errors import RunError
from kerasac.runs.unit import MARKER

logger = logging.getLogger(__name__)

RECORD = ".mirror.json"  # what was alike when the two were last compared
HISTORY = "history.csv"
_WAITS_S = (1.0, 3.0, 10.0, 20.0, 30.0)  # between tries to reach a store that is away
_WEB = ("http", "https")
_Result = TypeVar("_Result")
Here = tuple[int, int]  # a file's bytes, and its time of change in nanoseconds


def working_folder(url: str) -> Path:
    """Return the folder of this machine's cache that mirrors a run at a URL; folders below a URL lie below its own.

    Raises
    ------
    RunError
        When nothing can be written to such a URL, or it holds a password.
    """
    if has_secrets(url):
        raise RunError(f"{shown(url)} holds a user or a password; write the URL without")
    scheme, _, rest = url.partition("://")
    if scheme in _WEB:
        raise RunError(f"a run cannot be written to {shown(url)}: a web server takes no files; use s3:// or a folder")
    if not {".", ".."}.isdisjoint(rest.split("/")):
        raise RunError(f"{shown(url)} has a part that is only dots; write the URL without")
    return cache_folder() / "runs" / scheme / rest


class Mirror:
    """A folder and its mirror at a URL, of which one process at a time writes one.

    Names that begin with a dot stay where they are, and so does what ``leave`` says, given a name within the folder.
    """

    def __init__(self, folder: Path, url: str, *, leave: Callable[[str], bool] = lambda name: False) -> None:
        self.folder, self.url, self.leave = folder, url, leave

    def save(self) -> None:
        """Send what changed here, as it was written, :data:`~kerasac.runs.unit.MARKER` last; then remove what is gone.

        Raises
        ------
        RemoteError
            When the place cannot be reached or written; what is there then is what a killed process would have left.
        """
        known, here, there = self._known(), self._here(), self.there()
        changed = [name for name in here if known.get(name) != _facts(here[name], there.get(name))]
        gone = sorted(there.keys() - here.keys())
        for name in sorted(changed, key=lambda name: _order(name, here[name])):
            self._put(name)
        with self._open() as (filesystem, place):
            for name in gone:
                filesystem.rm_file(f"{place}/{name}")
        if changed or gone:
            self._remember(here, self.there())

    def fetch(self, *, wholly: bool = False) -> None:
        """Take what changed there since the two were alike, and drop here what was dropped there.

        What changed here alone is kept, for :meth:`save`; ``wholly``, the folder becomes what is there.

        Raises
        ------
        RemoteError
            When the place cannot be reached.
        """
        known, here, there = self._known(), self._here(), self.there()
        files: dict[str, list[Any]] = {}
        for name, state in sorted(there.items(), key=lambda one: _order(one[0], (0, 0))):
            recorded = known.get(name)
            is_alike = name in here and recorded == _facts(here[name], state)
            is_news = recorded is None or recorded[-1] != state or name not in here
            if is_alike or not (wholly or is_news):
                files[name] = known[name]
            else:
                files[name] = _facts(self._get(name), state)
        for name in here.keys() - there.keys():
            if wholly or known.get(name, [])[:2] == [*here[name]]:
                (self.folder / name).unlink(missing_ok=True)
        if files != known:
            self._write_record(files)

    def has_changed_there(self) -> bool:
        """Whether somebody else wrote there since the two were alike."""
        return {name: facts[-1] for name, facts in self._known().items()} != self.there()

    @property
    def was_saved(self) -> bool:
        """Whether the place once held what is here."""
        return bool(self._known())

    def there(self) -> dict[str, str]:
        """Return the names of the files there, with what tells one state of each from another."""
        return {name: state for name, state in list_files(self.url).items() if self._is_mirrored(name)}

    @contextmanager
    def some_there(self, wanted: Callable[[str], bool]) -> Iterator[Path]:
        """Give a folder with those of the files there whose names are wanted, as they are now, while the block runs."""
        with tempfile.TemporaryDirectory() as folder:
            names = sorted(filter(wanted, self.there()))
            paths = [Path(folder) / name for name in names]
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as (filesystem, place):  # at once, as they are many and small
                filesystem.get([f"{place}/{name}" for name in names], [str(path) for path in paths])
            yield Path(folder)

    def _here(self) -> dict[str, Here]:
        found = {}
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            if self._is_mirrored(name) and path.is_file():
                with suppress(FileNotFoundError):  # removed meanwhile
                    found[name] = _here(path)
        return found

    def _is_mirrored(self, name: str) -> bool:
        return not any(part.startswith(".") for part in name.split("/")) and not self.leave(name)

    def _put(self, name: str) -> None:
        path = self.folder / name
        with _still(path) as whole:
            if not whole.exists():  # removed meanwhile
                return
            with self._open() as (filesystem, place):
                filesystem.put_file(str(whole), f"{place}/{name}")

    def _get(self, name: str) -> Here:
        path = self.folder / name
        with whole_file(path) as beside, self._open() as (filesystem, place):
            filesystem.get_file(f"{place}/{name}", str(beside))
        return _here(path)

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, str]]:
        with explained(self.url):
            yield open_url(self.url)

    def _known(self) -> dict[str, list[Any]]:
        try:
            record = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return dict(record["files"]) if record["url"] == self.url else {}

    def _remember(self, here: Mapping[str, Here], there: Mapping[str, str]) -> None:
        self._write_record({name: _facts(facts, there[name]) for name, facts in here.items() if name in there})

    def _write_record(self, files: Mapping[str, list[Any]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / RECORD, json.dumps({"url": self.url, "files": files}) + "\n")


def list_files(url: str) -> dict[str, str]:
    """Return the names of all files below a URL, each with what tells one of its states from another."""
    with explained(url):
        filesystem, place = open_url(url)
        filesystem.invalidate_cache()
        found = filesystem.find(place, detail=True)
    return {
        name.removeprefix(place).lstrip("/"): digest(state_of(info))
        for name, info in found.items()
        if info.get("type") == "file" and name != place
    }


def patiently(work: Callable[[], _Result]) -> _Result:
    """Do what needs a store, again and again for a minute while it cannot be reached; then RemoteError is raised."""
    for wait_s in _WAITS_S:
        try:
            return work()
        except UnreachableError as error:
            logger.info("%s; trying again in %.0f s", error, wait_s)
            time.sleep(wait_s)
    return work()


def _here(path: Path) -> Here:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _facts(here: Here, there: str | None) -> list[Any]:
    return [*here, there]


def _order(name: str, here: Here) -> tuple[bool, int, bool, str]:
    """Order files as they were written, a history after its checkpoint where clocks are coarse, markers last."""
    last = name.rpartition("/")[2]
    return last == MARKER, here[1], last == HISTORY, name


@contextmanager
def _still(path: Path) -> Iterator[Path]:
    """Give a file that does not change while it is sent: of a database a copy between two writes to it."""
    if path.suffix != ".db":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        yield copy
