from __future__ import annotations

import io
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from kerasac.genome.folds import Fold
from kerasac.runs.heartbeat import Command, heartbeat, read_heartbeat
from kerasac.runs.progress import ProgressView
from kerasac.runs.stopping import ask_to_stop, stopping
from kerasac.runs.unit import Unit

UNIT = Unit(Fold(0, ("chr1",), ("chr2",), ("chr3",)), 1, "/runs/a")


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)


def test_a_driver_tells_what_its_screen_shows(tmp_path: Path) -> None:
    view = ProgressView([UNIT], 4, Console(quiet=True))
    with heartbeat(tmp_path, view, every_s=0.05):
        first = read_heartbeat(tmp_path)
        assert first is not None
        assert (first.pid, first.host, first.ended, first.is_fresh) == (os.getpid(), socket.gethostname(), None, True)
        view.started(UNIT)
        view.heard(UNIT, {"event": "epoch", "epoch": 1, "val_loss": 1, "seconds": 2})
        view.best("a", "0.4")
        wait(lambda: bool((read_heartbeat(tmp_path) or first).progress["running"]))
    last = read_heartbeat(tmp_path)
    assert last is not None
    assert last.progress["running"] == [{"unit": "fold-0/seed-1", "state": "training", "epoch": 1, "epochs": 4}]
    assert last.progress["units"] == {"ended": 0, "total": 1, "finished_before": 0, "running": 1}
    assert last.progress["best"] == {"name": "a", "text": "0.4"}
    assert last.progress["time_left_s"] == 6
    assert last.ended is not None
    assert not last.is_fresh


def test_a_request_from_another_terminal_is_shown(tmp_path: Path) -> None:
    out = io.StringIO()
    view = ProgressView([UNIT], 4, Console(file=out))
    with stopping(tmp_path, after_s=60) as stop, heartbeat(tmp_path, view, stop=stop):
        ask_to_stop(tmp_path, "someone")
        wait(lambda: "asked by someone" in out.getvalue())
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.progress["stopping"] == "someone"
    assert 0 < (beat.stops_in_s or 0) <= 60


def test_a_disk_that_is_full_is_said_once_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / f".status.json.{os.getpid()}.part").mkdir()  # where it writes before it renames
    with (
        caplog.at_level(logging.WARNING),
        heartbeat(tmp_path, ProgressView([UNIT], 4, Console(quiet=True)), every_s=0.01),
    ):
        time.sleep(0.2)
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}/status.json cannot be written (Is a directory); the run goes on"
    ]


def test_no_driver_has_said_anything(tmp_path: Path) -> None:
    assert read_heartbeat(tmp_path) is None


@pytest.mark.parametrize("text", ["{}", "[]", "no json", json.dumps({"pid": 1, "command": 3})])
def test_another_file_of_this_name_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "status.json").write_text(text)
    with pytest.raises(ValueError):
        read_heartbeat(tmp_path)


@pytest.mark.parametrize("program", ["/opt/bin/kerasac-ray", "/src/kerasac/__main__.py"])
def test_the_command_is_that_of_a_shell(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr("sys.argv", [program, "cv", "my experiment.yaml"])
    assert Command.this().is_ours
    assert str(Command.this()) == "kerasac-ray cv 'my experiment.yaml'"
    assert Command.this().cwd == str(Path.cwd())


def test_a_script_is_no_command_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["mine.py"])
    assert not Command.this().is_ours
