"""Let only one command write to a run folder at a time, and say which one does."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from kerasac.cache import lock
from kerasac.errors import RunError

LOCK = ".lock"
_PATIENCE_S = 0.5  # who only looks whether a folder is held, holds it for a moment too


class Holder(NamedTuple):
    """The process that writes to a folder; the host is empty in folders of older versions."""

    pid: int
    host: str

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host in ("", socket.gethostname())

    @property
    def is_alive(self) -> bool:
        """Whether this machine has a process of that number."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's
            return True
        return True

    def __str__(self) -> str:
        return f"process {self.pid}" + ("" if self.is_here else f" on {self.host}")


@contextmanager
def run_lock(run_folder: Path) -> Iterator[None]:
    """Hold the folder; the system frees it when the process ends, however it ends.

    Raises
    ------
    RunError
        When another process holds it.
    """
    with (run_folder / LOCK).open("a+") as handle:
        try:
            _take(handle, run_folder)
        except BlockingIOError:
            holder = _read(handle)
            raise RunError(
                f"{run_folder} is being written to by {holder or 'another process'}; wait for it, or choose another "
                "--out"
            ) from None
        handle.truncate(0)
        handle.write(f"{os.getpid()} {socket.gethostname()}\n")
        handle.flush()
        yield


def lock_holder(run_folder: Path) -> Holder | None:
    """Return who holds a folder now; None when no one does, as the file of a process that is gone holds nothing.

    Where the file system passes locks on between machines, those of other machines count too.
    """
    try:
        handle = (run_folder / LOCK).open()
    except FileNotFoundError:
        return None
    with handle:
        try:
            lock(handle, run_folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(handle) or Holder(0, "")
    return None


def last_holder(run_folder: Path) -> Holder | None:
    """Return who holds a folder, or held it last."""
    try:
        with (run_folder / LOCK).open() as handle:
            return _read(handle)
    except FileNotFoundError:
        return None


def _take(handle: TextIO, run_folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            lock(handle, run_folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _read(handle: TextIO) -> Holder | None:
    handle.seek(0)
    words = handle.read().split()
    if not words or not words[0].isdigit():
        return None
    return Holder(int(words[0]), words[1] if len(words) > 1 else "")
