"""Write files whole, lock them, and tell one state of a file from another."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from kerasac.errors import RunError

_PART = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d{1,7})\.part", re.DOTALL)  # see whole_file


def with_ending(prefix: Path, ending: str) -> Path:
    """Return the file ``<prefix>.<ending>``; dots of the prefix stay."""
    return prefix.with_name(f"{prefix.name}.{ending}")


def digest(facts: Mapping[str, object]) -> str:
    """Return 16 hex digits that change when any of the JSON-able facts does.

    The order of a mapping's keys does not count; where order matters, give a list of pairs.
    """
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return 16 hex digits of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def file_facts(path: Path) -> dict[str, object]:
    """Return what tells one state of a file from another without reading it: path, bytes, time of change."""
    status = path.stat()
    return {"path": str(path.resolve()), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


@contextmanager
def locked(path: Path, *, remove_after: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (created when missing); the system frees it when the process ends.

    With ``remove_after`` the file is removed at the end, while it is held: who waited for it makes it again.

    Raises
    ------
    RunError
        When the file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a") as handle:
            lock(handle, path, fcntl.LOCK_EX)
            if not is_at(handle, path):  # whoever held it before removed the file
                continue
            try:
                yield
            finally:
                if remove_after:
                    path.unlink(missing_ok=True)
            return


def is_at(handle: TextIO, path: Path) -> bool:
    """Whether an open file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


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


def nearest_folder(folder: Path) -> Path:
    """Return an absolute path's folder, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there; what a link names stays."""
    if path.is_dir() and not path.is_symlink():
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


def remove_parts(folder: Path, names: Collection[str]) -> None:
    """Remove what processes that are gone left of files of these names, which :func:`whole_file` was to write.

    Hold a lock that all who write them take: processes of other machines look as if they were gone.
    """
    for path in folder.iterdir():
        part = _PART.fullmatch(path.name)
        if part is not None and part["name"] in names and not _is_alive(int(part["pid"])):
            path.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside and rename it, so that no reader ever sees half of it."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def reserve(handle: BinaryIO, n_bytes: int) -> None:
    """Make a new file so long, with its room on the disk taken: a full disk shows now, not when the work is done."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle.fileno(), 0, n_bytes)
    else:  # macOS
        handle.truncate(n_bytes)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
