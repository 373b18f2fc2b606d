"""Build a file once on this machine, whoever asks first, and let everybody read it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from kerasac.errors import RunError

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return the folder of everything that can be made again: ``KERASAC_CACHE`` or ``~/.cache/kerasac-ray``."""
    named = os.environ.get("KERASAC_CACHE")
    return Path(named).expanduser().resolve() if named else Path.home() / ".cache" / "kerasac-ray"


def digest(facts: Mapping[str, object]) -> str:
    """Return 16 hex digits that change when any of the JSON-able facts does.

    The order of a mapping's keys does not count; where order matters, give a list of pairs.
    """
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_facts(path: Path) -> dict[str, object]:
    """Return what tells one state of a file from another without reading it: path, bytes, time of change."""
    status = path.stat()
    return {"path": str(path.resolve()), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def content_digest(file: Path) -> str:
    """Return the SHA-256 of a file that never changes once it is whole, such as one in the cache.

    It is kept beside the file, since hashing gigabytes takes seconds.
    """
    kept = file.with_name(file.name + ".sha256")
    if not kept.exists():
        with file.open("rb") as content:
            write_whole(kept, hashlib.file_digest(content, "sha256").hexdigest())
    return kept.read_text(encoding="utf-8")


def built_once(target: Path, build: Callable[[Path], None]) -> Path:
    """Return ``target``, made by ``build(partial_path)`` when it is not there.

    Processes that ask at the same time wait for one of them to build. ``build`` writes a path beside the
    target, which is renamed when whole: an interrupted build leaves nothing that looks finished.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_name(target.name + ".lock")):
        if not target.exists():
            partial = target.with_name(target.name + ".partial")
            remove(partial)
            try:
                build(partial)
                partial.replace(target)
            except BaseException:
                remove(partial)
                raise
    return target


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (created when missing); the system frees it when the process ends.

    Raises
    ------
    RunError
        When the file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        lock(handle, path, fcntl.LOCK_EX)
        yield


def lock(handle: TextIO, path: Path, how: int) -> None:
    """Lock an open file; raises BlockingIOError when it is held and ``how`` does not wait, RunError without locks."""
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        raise
    except OSError as error:
        raise RunError(
            f"the file system of {path.parent} has no file locks ({error.strerror}); use another folder "
            "(on Lustre: a mount with the flock option)"
        ) from error


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to, and rename it to ``path`` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two processes that write the same file from writing into each other's.
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside and rename it, so that no reader ever sees half of it."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")
