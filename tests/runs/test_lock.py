from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kerasac.errors import RunError
from kerasac.runs.lock import Holder, last_holder, lock_holder, run_lock


def test_a_held_folder_names_its_holder(tmp_path: Path) -> None:
    me = Holder(os.getpid(), socket.gethostname())
    assert lock_holder(tmp_path) is None
    with run_lock(tmp_path):
        assert lock_holder(tmp_path) == me
        with pytest.raises(RunError, match=f"written to by process {os.getpid()};"), run_lock(tmp_path):
            pass
    assert lock_holder(tmp_path) is None
    assert last_holder(tmp_path) == me


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    code = "import sys, time, pathlib\nfrom kerasac.runs.lock import run_lock\n" + (
        "with run_lock(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        found = lock_holder(tmp_path)
        process.kill()
    assert found is not None
    assert found.pid == process.pid
    assert lock_holder(tmp_path) is None
    last = last_holder(tmp_path)
    assert last is not None
    assert last.pid == process.pid


def test_who_only_looks_keeps_no_one_out(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            lock_holder(tmp_path)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(50):
            with run_lock(tmp_path):
                time.sleep(0)
    finally:
        over.set()
        thread.join()


def test_a_lock_of_an_older_version_has_no_host(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("123")
    assert last_holder(tmp_path) == Holder(123, "")


@pytest.mark.parametrize(
    ("holder", "text"),
    [(Holder(5, ""), "process 5"), (Holder(5, "node-that-is-not-here"), "process 5 on node-that-is-not-here")],
)
def test_the_host_is_said_when_it_is_another(holder: Holder, text: str) -> None:
    assert str(holder) == text
