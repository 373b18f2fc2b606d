"""Ask a run to stop at the end of the epochs that it is in: by a file, a signal or a time limit."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from kerasac.cache import read_small, remove_small, write_small
from kerasac.errors import ConfigError, KerasacError, RemoteError

STOP = ".stop"
CTRL_C = "Ctrl-C"
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_NO_SIGINT_OF_TUNE = "TUNE_DISABLE_SIGINT_HANDLER"
_SIGNALS = {
    signal.SIGINT: CTRL_C,
    signal.SIGTERM: "the signal SIGTERM",
    signal.SIGUSR1: "the signal SIGUSR1 of the job scheduler",
}


class StoppedError(KerasacError):
    """A unit ended early because its run was asked to stop: its last epoch is saved, and it goes on from there."""


def ask_to_stop(folder: Path, reason: str) -> None:
    """Ask what runs in a run or study folder, or at its URL, to stop, wherever it runs; ``reason`` is for people."""
    write_small(folder / STOP, reason + "\n")


def stop_reason(folder: Path) -> str | None:
    """Return why a folder's run was asked to stop, or None; cheap enough for every epoch.

    A URL that cannot be read asks nobody to stop.
    """
    try:
        text = read_small(folder / STOP)
    except RemoteError:
        return None
    return None if text is None else text.strip() or "no reason given"


def clear_stop(folder: Path) -> None:
    """Take the request back."""
    remove_small(folder / STOP)


def raise_if_stopped(folder: Path) -> None:
    """Raise StoppedError when the folder's run was asked to stop."""
    reason = stop_reason(folder)
    if reason is not None:
        raise StoppedError(f"asked to stop by {reason}")


class Stopping:
    """What :func:`stopping` yields: whether and why the run was asked to stop, and how long it still has."""

    def __init__(self, folder: Path, after_s: float | None, since: float) -> None:
        self.folder, self.after_s = folder, after_s
        self._ends = None if after_s is None else since + after_s
        self._before: dict[int, Any] = {}

    @property
    def reason(self) -> str | None:
        """Why the run was asked to stop, by whomever; None while it was not."""
        return stop_reason(self.folder)

    @property
    def by_ctrl_c(self) -> bool:
        """Whether it was a person at the keyboard, whose shell expects the exit status 130."""
        return self.reason == CTRL_C

    @property
    def exit_status(self) -> int:
        """What a command that stopped as it was asked to ends with."""
        return 130 if self.by_ctrl_c else 0

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the time limit, 0 after it; None without one."""
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    def ask(self, reason: str) -> None:
        """Ask to stop; the first reason stays."""
        if self.reason is None:
            ask_to_stop(self.folder, reason)

    def hold_signals(self) -> None:
        """Take the signals (back): ``ray.init`` takes SIGTERM, and Tune SIGUSR1 at the start of its run.

        Does nothing outside the main thread, where Python lets no one handle signals. Call it as often as convenient.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            current = signal.getsignal(number)
            if current != self._on_signal:
                self._before.setdefault(number, current)
                signal.signal(number, self._on_signal)

    def release_signals(self) -> None:
        """Give the signals back to whoever had them before."""
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._before.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.reason is not None:
            raise KeyboardInterrupt  # asked twice: at once
        try:
            self.ask(_SIGNALS[signal.Signals(number)])
        except OSError:  # no stop file can be written, so no unit would hear of it
            raise KeyboardInterrupt from None


@contextlib.contextmanager
def stopping(folder: Path, *, after_s: float | None = None, since: float | None = None) -> Iterator[Stopping]:
    """Let the folder's run be stopped by SIGTERM, SIGUSR1, Ctrl-C or a time limit while the block runs.

    Each leaves a stop file, which units look for after every epoch; a second Ctrl-C is the usual KeyboardInterrupt.
    The limit counts from ``since``, a time of ``time.monotonic``, or from now. An old request to stop is cleared first;
    the file of this one stays at the end, as the reason why the run ended.
    """
    clear_stop(folder)
    stop = Stopping(folder, after_s, time.monotonic() if since is None else since)
    with _without_sigint_of_tune(), _timer(stop):
        stop.hold_signals()
        try:
            yield stop
        finally:
            stop.release_signals()


def parse_duration(text: str) -> float:
    """Return the seconds of ``11h``, ``90m``, ``1h30m``, ``1.5d`` or, as Slurm writes them, ``2-12:00:00``.

    Raises
    ------
    ConfigError
        For anything else; a bare number too, as it may be of seconds, minutes or hours.
    """
    text = text.strip().lower()
    seconds = _with_units(text) if re.fullmatch(r"(\d+(\.\d+)?[dhms])+", text) else _of_slurm(text)
    if seconds is None:
        unit = "; add its unit" if re.fullmatch(r"\d+(\.\d+)?", text) else ""
        raise ConfigError(f"{text!r} is no duration{unit}: write 11h, 90m, 1h30m, 45s, or as Slurm does 2-12:00:00")
    if seconds <= 0:
        raise ConfigError(f"the duration {text!r} is no time at all; give one above 0")
    return seconds


def _with_units(text: str) -> float | None:
    parts = re.findall(r"([\d.]+)([dhms])", text)
    letters = [letter for _, letter in parts]
    if letters != sorted(set(letters), key="dhms".index):  # 5m1h, 1h2h
        return None
    return sum(float(number) * _UNITS[letter] for number, letter in parts)


def _of_slurm(text: str) -> float | None:
    """Read days-hours, days-hours:minutes, days-hours:minutes:seconds, hours:minutes:seconds or minutes:seconds."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if found is None:
        return None
    days, first, second, third = (None if group is None else int(group) for group in found.groups())
    if days is not None:
        return days * 86400.0 + first * 3600.0 + (second or 0) * 60.0 + (third or 0)  # type: ignore[operator]
    if third is not None:
        return first * 3600.0 + second * 60.0 + third  # type: ignore[operator]
    return None if second is None else first * 60.0 + second  # type: ignore[operator]


@contextlib.contextmanager
def _timer(stop: Stopping) -> Iterator[None]:
    if stop.after_s is None or stop.remaining_s is None:
        yield
        return
    timer = threading.Timer(
        stop.remaining_s, _ask_if_possible(stop, f"the time limit of {duration_text(stop.after_s)}")
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _ask_if_possible(stop: Stopping, reason: str) -> Callable[[], None]:
    def ask() -> None:
        try:
            stop.ask(reason)
        except OSError:  # as for a signal, which the main thread handles
            os.kill(os.getpid(), signal.SIGINT)

    return ask


def duration_text(seconds: float) -> str:
    """Return a duration in two units at most: ``2d 3h``, ``1h 30m``, ``45s``."""
    left = round(seconds) if seconds < 3600 else round(seconds / 60) * 60
    parts: list[str] = []
    for letter, size in _UNITS.items():
        count, left = divmod(left, int(size))
        if count or parts:
            parts.append(f"{count:.0f}{letter}")
    return " ".join(part for part in parts[:2] if not part.startswith("0")) or "0s"


@contextlib.contextmanager
def _without_sigint_of_tune() -> Iterator[None]:
    """Keep Tune's handler of Ctrl-C away: it would end trials in the middle of an epoch."""
    before = os.environ.get(_NO_SIGINT_OF_TUNE)
    os.environ[_NO_SIGINT_OF_TUNE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_NO_SIGINT_OF_TUNE]
        else:
            os.environ[_NO_SIGINT_OF_TUNE] = before
