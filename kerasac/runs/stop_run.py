"""Stop a run from another terminal or machine, and wait until it has ended."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from kerasac.errors import RunError
from kerasac.runs.lock import last_holder
from kerasac.runs.status import RunStatus, find_runs, read_status, wait_for_end
from kerasac.runs.stopping import ask_to_stop


def running_run(folders: Sequence[Path]) -> RunStatus:
    """Return the one run or study that runs among and below folders.

    Raises
    ------
    RunError
        When none runs, or several do, or what runs cannot be stopped in this way.
    """
    found = [read_status(folder) for folder in find_runs(folders)]
    running = [status for status in found if status.driver is not None]
    if not running:
        raise RunError(_nothing(found))
    if len(running) > 1:
        named = ", ".join(str(status.folder) for status in running)
        raise RunError(f"{len(running)} are running: {named}; name the one to stop")
    (status,) = running
    beat = status.heartbeat
    if beat is None or beat.ended is not None or beat.pid != (status.driver or beat).pid:
        raise RunError(
            f"{status.driver} writes to {status.folder}, but does not train now, so there is no epoch to stop after; "
            "wait for it, or end it with Ctrl-C in its terminal"
        )
    return status


def stop_run(status: RunStatus, *, wait_s: float) -> RunStatus:
    """Ask a run to stop, and wait ``wait_s`` at most until it has ended; returns how it stands then."""
    if status.stop_reason is None:
        ask_to_stop(status.folder, f"`kerasac-ray stop` on {socket.gethostname()}")
    wait_for_end(status.folder, wait_s)
    return read_status(status.folder)


def _nothing(found: Sequence[RunStatus]) -> str:
    if len(found) > 1:
        return f"nothing runs in any of {len(found)} runs and studies; `kerasac-ray status` lists them"
    (status,) = found
    last = last_holder(status.folder)
    gone = f"; {last}, which wrote to it last, is gone" if last is not None else ""
    return f"nothing runs in {status.folder}: it is {status.state}{gone}"
