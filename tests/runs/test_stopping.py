from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kerasac.errors import ConfigError
from kerasac.runs.stopping import (
    CTRL_C,
    StoppedError,
    ask_to_stop,
    clear_stop,
    duration_text,
    parse_duration,
    raise_if_stopped,
    stop_reason,
    stopping,
)

# A driver whose units end at the next epoch after they were asked to; as Ray and Tune do, it takes the signals away.
_DRIVER = """
import signal, sys, time
from pathlib import Path
from kerasac.runs.stopping import stopping, stop_reason

folder = Path(sys.argv[1])
with stopping(folder) as stop:
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *of: sys.exit(77))
    stop.hold_signals()
    print("running", flush=True)
    patience = float(sys.argv[2])
    while stop_reason(folder) is None:
        time.sleep(0.01)
    print("asked", flush=True)
    time.sleep(patience)  # the rest of the epoch
print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
sys.exit(stop.exit_status)
"""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("11h", 11 * 3600),
        ("90m", 5400),
        ("1h30m", 5400),
        ("45s", 45),
        ("1.5d", 1.5 * 86400),
        (" 2H ", 7200),
        ("2-12:00:00", 60 * 3600),
        ("1-6", 30 * 3600),
        ("1-0:30", 86400 + 1800),
        ("12:00:00", 12 * 3600),
        ("30:00", 1800),
    ],
)
def test_durations_are_read_as_people_and_slurm_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("30", "add its unit"),
        ("5m1h", "no duration"),
        ("1h2h", "no duration"),
        ("soon", "write 11h"),
        ("", "no duration"),
        ("-1h", "no duration"),
        ("0h", "no time at all"),
        ("00:00:00", "no time at all"),
    ],
)
def test_what_is_no_duration_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0s"), (59, "59s"), (61, "1m 1s"), (3600, "1h"), (5400.4, "1h 30m"), (90000, "1d 1h"), (86520, "1d")],
)
def test_durations_are_told_in_two_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_request_is_there_until_it_is_cleared(tmp_path: Path) -> None:
    assert stop_reason(tmp_path) is None
    raise_if_stopped(tmp_path)
    ask_to_stop(tmp_path, "kerasac-ray stop")
    assert stop_reason(tmp_path) == "kerasac-ray stop"
    with pytest.raises(StoppedError, match="kerasac-ray stop"):
        raise_if_stopped(tmp_path)
    clear_stop(tmp_path)
    clear_stop(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_old_request_does_not_stop_the_next_run(tmp_path: Path) -> None:
    ask_to_stop(tmp_path, "yesterday")
    with stopping(tmp_path) as stop:
        assert (stop.reason, stop.remaining_s) == (None, None)
        ask_to_stop(tmp_path, "today")
        stop.ask("the time limit")
        assert stop.reason == "today"
    assert stop_reason(tmp_path) == "today"


def test_the_time_limit_asks_to_stop(tmp_path: Path) -> None:
    with stopping(tmp_path, after_s=0.2) as stop:
        assert stop.remaining_s is not None
        assert 0 < stop.remaining_s <= 0.2
        time.sleep(0.5)
        assert stop.reason == "the time limit of 0s"
        assert stop.remaining_s == 0
        assert (stop.by_ctrl_c, stop.exit_status) == (False, 0)


def test_a_run_that_ended_before_its_limit_is_not_asked_to_stop(tmp_path: Path) -> None:
    with stopping(tmp_path, after_s=0.2):
        pass
    time.sleep(0.4)
    assert stop_reason(tmp_path) is None


def test_outside_the_main_thread_only_the_time_limit_stops(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    found = []

    def run() -> None:
        with stopping(tmp_path, after_s=0.1) as stop:
            found.append(signal.getsignal(signal.SIGTERM) == before)
            time.sleep(0.5)
            found.append(stop.reason is not None)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [True, True]


def _start(folder: Path, patience: float = 0.0) -> subprocess.Popen[str]:
    driver = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, str(folder), str(patience)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == "running\n"
    return driver


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [(signal.SIGTERM, 0, "SIGTERM"), (signal.SIGUSR1, 0, "SIGUSR1"), (signal.SIGINT, 130, CTRL_C)],
)
def test_a_signal_leaves_the_reason_and_its_exit_status(
    tmp_path: Path, number: signal.Signals, status: int, reason: str
) -> None:
    driver = _start(tmp_path)
    driver.send_signal(number)
    out, errors = driver.communicate(timeout=30)
    assert (driver.returncode, out.splitlines(), errors) == (status, ["asked", "True"], "")
    assert reason in (stop_reason(tmp_path) or "")


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_it_is_stopping_ends_at_once(tmp_path: Path, first: signal.Signals) -> None:
    driver = _start(tmp_path, patience=60)
    driver.send_signal(first)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "asked\n"
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=30)
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert driver.returncode in (130, -signal.SIGINT)


def test_a_signal_that_no_file_can_pass_on_ends_at_once(tmp_path: Path) -> None:
    driver = _start(tmp_path, patience=60)
    (tmp_path / f"..stop.{driver.pid}.part").mkdir()  # where it writes before it renames
    driver.send_signal(signal.SIGTERM)
    _, errors = driver.communicate(timeout=30)
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
