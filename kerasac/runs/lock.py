"""Let only one command write to a run folder at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerasac.cache import lock
from kerasac.errors import RunError


@contextmanager
def run_lock(run_folder: Path) -> Iterator[None]:
    """Hold the folder; the system frees it when the process ends, however it ends.

    Raises
    ------
    RunError
        When another process of this machine holds it.
    """
    with (run_folder / ".lock").open("a+") as handle:
        try:
            lock(handle, run_folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise RunError(
                f"{run_folder} is being written to by process {holder}; wait for it, or choose another --out"
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
