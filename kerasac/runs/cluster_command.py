"""Run one command as a process of its own, hand it the signals that are meant for it, and end as it ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from kerasac.cache import location, shown, url_of
from kerasac.errors import ConfigError, RunError, suggest
from kerasac.runs.mirror import working_folder

_PROGRAM = "kerasac-ray"
_AT_URLS = ("cv", "tune")  # commands whose --out may be a URL
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def command_words(words: Sequence[str], known: Collection[str], *, elsewhere: bool = False) -> list[str]:
    """Return the words of a command of kerasac-ray without the program's name, or of another program as they are.

    ``known`` are the names of kerasac-ray's commands; programs of a machine ``elsewhere`` are not looked for here.

    Raises
    ------
    ConfigError
        When the first word is neither.
    RunError
        When the command would write to a URL, which most cannot.
    """
    given = list(words[1:] if words[:1] == [_PROGRAM] else words)
    if not given:
        raise ConfigError("no command is given; write it after --, e.g. -- cv experiment.yaml --folds 5")
    if given[0] not in known and not elsewhere and shutil.which(given[0]) is None:
        raise ConfigError(f"{given[0]!r} is neither a command of kerasac-ray nor a program{suggest(given[0], known)}")
    for name, value in zip(given, [*given[1:], ""], strict=True):
        if name == "--out" or name.startswith("--out="):
            _check_out(given[0], location(name.partition("=")[2] or value), known)
    return given


def _check_out(command: str, out: Path, known: Collection[str]) -> None:
    url = url_of(out)
    if url is None or command not in known:
        return
    if command not in _AT_URLS:
        raise RunError(f"{command} cannot write to {shown(url)}, as {' and '.join(_AT_URLS)} can; choose another --out")
    working_folder(url)


def program_words(words: Sequence[str], known: Collection[str]) -> list[str]:
    """Return what to start on this machine for the words of :func:`command_words`."""
    return [sys.executable, "-m", "kerasac", *words] if words[0] in known else list(words)


def remote_words(words: Sequence[str], known: Collection[str]) -> list[str]:
    """Return what to start on another machine, which has its own Python."""
    return [_PROGRAM, *words] if words[0] in known else list(words)


class Signals:
    """Who gets the signals that are sent to this process: the command, once there is one."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command to its end; returns its exit status, 128 + the signal that ended it."""
        # A group of its own: the terminal's Ctrl-C would reach it twice, which asks it to stop at once. A process in
        # the background must not read from the terminal.
        self.child = subprocess.Popen(
            words, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, process_group=0
        )
        try:
            status = self.child.wait()
        finally:
            self._end()
        return status if status >= 0 else 128 - status

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.child is None:
            raise SystemExit(128 + number)  # what was started before is ended on the way out
        if self.child.poll() is None:
            self.child.send_signal(number)

    def _end(self) -> None:
        """End a command that this process does not wait for any more, because of an error of its own."""
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


@contextlib.contextmanager
def passing_on_signals() -> Iterator[Signals]:
    """Pass Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 on to the command that is run within."""
    signals = Signals()
    before = {number: signal.signal(number, signals._on_signal) for number in _PASSED_ON}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
