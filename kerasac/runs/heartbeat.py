"""Tell other terminals how a run stands: the driver writes a small file every few seconds."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerasac.cache import read_small, write_whole
from kerasac.runs.progress import ProgressView
from kerasac.runs.stopping import Stopping, stop_reason
from kerasac.runs.usage import Meter

logger = logging.getLogger(__name__)

STATUS = "status.json"
PROGRAM = "kerasac-ray"
_EVERY_S = 2.0
_LOOK_EVERY_S = 0.2
_FRESH_S = 30.0  # how old a heartbeat may be before its driver counts as gone; disks of clusters are slow at times


@dataclass(frozen=True)
class Command:
    """A command line, and the folder that its paths are relative to."""

    argv: tuple[str, ...]
    cwd: str

    @classmethod
    def this(cls) -> Command:
        """Return this process's command; ``python -m kerasac`` is the program by another name."""
        name = Path(sys.argv[0])
        is_ours = name.name == PROGRAM or (name.name == "__main__.py" and name.parent.name == "kerasac")
        return cls((PROGRAM if is_ours else sys.argv[0], *sys.argv[1:]), str(Path.cwd()))

    @property
    def is_ours(self) -> bool:
        """Whether it is a command of this program, rather than a script that uses the library."""
        return self.argv[:1] == (PROGRAM,)

    def __str__(self) -> str:
        return shlex.join(self.argv)


@dataclass(frozen=True)
class Heartbeat:
    """What the driver of a run last said of it: who it is, since when, and what its screen shows.

    ``ended`` is when it ended, None while it runs (or when it was killed); ``progress`` is that of
    :meth:`kerasac.runs.progress_state.Progress.facts`.
    """

    pid: int
    host: str
    command: Command
    began: float
    updated: float
    ended: float | None = None
    stops_in_s: float | None = None
    usage: str = ""
    progress: dict[str, Any] = field(default_factory=dict)

    @property
    def age_s(self) -> float:
        """Seconds since it was written."""
        return max(0.0, time.time() - self.updated)

    @property
    def is_fresh(self) -> bool:
        """Whether its driver may be taken to be alive."""
        return self.ended is None and self.age_s < _FRESH_S


@contextlib.contextmanager
def heartbeat(
    folder: Path, view: ProgressView, *, stop: Stopping | None = None, gpus: float = 0, every_s: float = _EVERY_S
) -> Iterator[None]:
    """Write the folder's ``status.json`` every few seconds while the block runs, and keep the view up to date.

    The view is told how busy the machine is (also of its GPUs, when there are ``gpus``), and that the run is asked to
    stop, by whomever. A file that cannot be written is logged once, and stops nothing.
    """
    beat = _Beat(folder, view, stop, Meter(gpus=gpus > 0), every_s)
    thread = threading.Thread(target=beat.go_on, name="heartbeat", daemon=True)
    beat.write()
    thread.start()
    try:
        yield
    finally:
        beat.over.set()
        thread.join()
        beat.write(ended=time.time())


def read_heartbeat(folder: Path) -> Heartbeat | None:
    """Return what the driver of a folder, or of a URL, last said; None when no driver of this version ever did.

    Raises
    ------
    ValueError
        When the file is none of ours.
    """
    text = read_small(folder / STATUS)
    if text is None:
        return None
    said = json.loads(text)
    try:
        command = Command(tuple(said["command"]["argv"]), said["command"]["cwd"])
        return Heartbeat(command=command, **{key: said[key] for key in _KEYS})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / STATUS} is no status of a run ({error!r})") from error


_KEYS = ("pid", "host", "began", "updated", "ended", "stops_in_s", "usage", "progress")


class _Beat:
    """Writes and tells, in a thread of its own."""

    def __init__(self, folder: Path, view: ProgressView, stop: Stopping | None, meter: Meter, every_s: float) -> None:
        self.folder, self.view, self.stop, self.meter, self.every_s = folder, view, stop, meter, every_s
        self.over = threading.Event()
        self.began = time.time()
        self.usage = ""
        self._warned = False

    def go_on(self) -> None:
        while not self.over.is_set():
            usage = self.meter.read()
            self.usage = str(usage)
            self.view.usage(usage, self.stop.remaining_s if self.stop else None)
            self.write()
            self._wait()

    def _wait(self) -> None:
        """Wait for the next time, and meanwhile show at once that the run is asked to stop."""
        until = time.monotonic() + self.every_s
        while time.monotonic() < until and not self.over.wait(min(self.every_s, _LOOK_EVERY_S)):
            reason = stop_reason(self.folder)
            if reason is not None:
                self.view.stopping(reason)

    def write(self, *, ended: float | None = None) -> None:
        beat = Heartbeat(
            pid=os.getpid(),
            host=socket.gethostname(),
            command=Command.this(),
            began=self.began,
            updated=time.time(),
            ended=ended,
            stops_in_s=self.stop.remaining_s if self.stop else None,
            usage=self.usage,
            progress=self.view.progress.facts(),
        )
        try:
            write_whole(self.folder / STATUS, json.dumps(asdict(beat), indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            if not self._warned:
                logger.warning("%s cannot be written (%s); the run goes on", self.folder / STATUS, error.strerror)
            self._warned = True
