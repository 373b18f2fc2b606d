from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from runs_on_disk import write_heartbeat, write_run_folder, write_unit

from kerasac.errors import RunError
from kerasac.runs.lock import Holder, run_lock
from kerasac.runs.resume import command_of, go_on, state_text, unfinished
from kerasac.runs.status import find_runs, read_status
from kerasac.runs.stop_run import running_run, stop_run
from kerasac.runs.stopping import ask_to_stop, stop_reason

RUNNING = {"running": [{"unit": "fold-1/seed-1", "state": "training", "epoch": 2, "epochs": 4}], "time_left_s": 100.0}


def write_study(folder: Path) -> Path:
    done, paused = write_run_folder(folder / "lr=1"), write_run_folder(folder / "lr=2")
    write_unit(done, 0, "tuned", epochs=4)
    write_unit(paused, 0, "paused", epochs=2)
    progress = {"best": {"name": "lr=1", "text": "jsd 0.4"}, "units": {"total": 4}, "epochs": {"planned": 12}}
    write_heartbeat(folder, ended=time.time(), progress=progress)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a finished unit and one that was interrupted after two epochs."""
    folder = write_run_folder(tmp_path / "a")
    write_unit(folder, 0, "done", epochs=4)
    write_unit(folder, 1, "started", epochs=2)
    return folder


def test_a_running_run(run: Path) -> None:
    write_heartbeat(run, progress=RUNNING)
    with run_lock(run):
        status = read_status(run)
    assert (status.state, status.n_done, status.total) == ("running", 1, 2)
    assert (status.epochs, status.planned_epochs) == (6, 8)
    assert [unit.state for unit in status.units] == ["done", "running"]
    assert status.time_left_s == pytest.approx(100, abs=5)
    assert status.best == "validation loss 1 (mean of 2)"
    assert state_text(status) == f"running (process {os.getpid()}, 1m)"


def test_a_killed_driver_left_an_interrupted_run(run: Path) -> None:
    write_heartbeat(run, pid=2**22 + 1, updated=time.time() - 7200, progress=RUNNING)
    status = read_status(run)
    assert (status.state, status.time_left_s, status.units[1].how_far) == (
        "interrupted",
        None,
        "interrupted after epoch 2/4",
    )
    assert state_text(status) == "interrupted, last heard of 2h ago"


def test_a_fresh_heartbeat_of_a_dead_process_of_this_machine_is_no_driver(run: Path) -> None:
    write_heartbeat(run, progress=RUNNING)
    assert read_status(run).driver is None


def test_a_driver_on_another_machine_is_heard_where_locks_do_not_reach(run: Path) -> None:
    write_heartbeat(run, pid=7, host="elsewhere", progress=RUNNING)
    status = read_status(run)
    assert (status.driver, status.state) == (Holder(7, "elsewhere"), "running")
    write_heartbeat(run, pid=7, host="elsewhere", updated=time.time() - 120)
    assert read_status(run).driver is None


def test_how_a_run_ended(run: Path) -> None:
    ask_to_stop(run, "Ctrl-C")
    assert state_text(read_status(run)) == "stopped by Ctrl-C"
    (run / "fold-1/seed-1/error.txt").write_text(
        "Traceback\n  File x\nkerasac.errors.ModelError: it diverged: lower it\n"
    )
    status = read_status(run)
    assert (status.state, status.errors) == ("failed", {"fold-1/seed-1": "it diverged: lower it"})
    assert state_text(status) == "1 failed"
    (run / "fold-1/seed-1/unit.json").write_text('{"state": "done"}')
    assert read_status(run).state == "finished"


def test_a_unit_whose_process_died_is_an_error_too(run: Path) -> None:
    last = {"unit": "fold-1/seed-1", "message": "its process died 4 times"}
    write_heartbeat(run, ended=time.time(), progress={"last_error": last})
    assert read_status(run).errors == {"fold-1/seed-1": "its process died 4 times"}
    (run / "fold-1/seed-1/unit.json").write_text('{"state": "done"}')
    assert read_status(run).errors == {}


def test_units_that_are_to_come_are_known_in_order(tmp_path: Path) -> None:
    status = read_status(write_run_folder(tmp_path / "a", folds=11, seeds=(10, 2)))
    names = [unit.name for unit in status.units]
    assert (names[:3], names[-1]) == (["fold-0/seed-2", "fold-0/seed-10", "fold-1/seed-2"], "fold-10/seed-10")
    assert (status.state, status.units[0].how_far) == ("not started", "not started")


def test_a_study(tmp_path: Path) -> None:
    status = read_status(write_study(tmp_path / "s"))
    assert (status.kind, status.state, status.n_done, status.total) == ("study", "interrupted", 1, 4)
    assert [(unit.name, unit.state) for unit in status.units] == [
        ("lr=1/fold-0/seed-1", "done"),
        ("lr=2/fold-0/seed-1", "paused"),
    ]
    assert (status.epochs, status.planned_epochs, status.best) == (6, 12, "lr=1, jsd 0.4")
    (status.folder / "study.json").write_text(json.dumps({"ranked": [{"name": "lr=1"}], "unfinished": {}}))
    assert read_status(status.folder).state == "finished", "it left the other configuration behind on purpose"


def test_runs_and_studies_are_found_below_a_folder(run: Path, tmp_path: Path) -> None:
    write_study(tmp_path / "deeper/s")
    (tmp_path / "b").mkdir()
    assert find_runs([tmp_path]) == [run, tmp_path / "deeper/s"]
    assert find_runs([run, run]) == [run]
    with pytest.raises(RunError, match="no run or study is in"):
        find_runs([tmp_path / "b"])
    with pytest.raises(RunError, match="is no folder"):
        find_runs([tmp_path / "c"])


def test_all_of_it_is_json(run: Path, tmp_path: Path) -> None:
    write_heartbeat(run, progress=RUNNING)
    for folder in (run, write_study(tmp_path / "s")):
        facts = json.loads(json.dumps(read_status(folder).as_dict()))
        assert {"state", "units", "epochs", "best", "errors", "unit_states", "command"} <= set(facts)


def test_what_runs_is_asked_to_stop_and_waited_for(run: Path) -> None:
    write_heartbeat(run, progress=RUNNING)
    held, over = threading.Event(), threading.Event()

    def drive() -> None:
        with run_lock(run):
            held.set()
            while stop_reason(run) is None and not over.is_set():
                time.sleep(0.02)

    driver = threading.Thread(target=drive)
    driver.start()
    held.wait()
    try:
        status = running_run([run.parent])
        after = stop_run(status, wait_s=20)
    finally:
        over.set()
        driver.join()
    assert (status.state, after.state) == ("running", "stopped")
    assert "`kerasac-ray stop`" in (after.stop_reason or "")


def test_one_that_does_not_end_is_left_to(run: Path) -> None:
    write_heartbeat(run, progress=RUNNING)
    with run_lock(run):
        after = stop_run(running_run([run]), wait_s=0)
    assert after.state == "stopping"


def test_nothing_is_stopped_where_nothing_runs(run: Path, tmp_path: Path) -> None:
    with run_lock(run):
        pass
    with pytest.raises(RunError, match=rf"nothing runs in .*: it is interrupted; process {os.getpid()}, .* is gone"):
        running_run([run])
    write_run_folder(tmp_path / "b")
    with pytest.raises(RunError, match="nothing runs in any of 2"):
        running_run([tmp_path])
    assert stop_reason(run) is None


def test_of_several_one_is_to_be_named(run: Path, tmp_path: Path) -> None:
    other = write_run_folder(tmp_path / "b")
    with run_lock(run), run_lock(other), pytest.raises(RunError, match=r"2 are running: .*a, .*b; name the one"):
        running_run([tmp_path])


def test_a_command_that_trains_nothing_cannot_be_stopped_after_an_epoch(run: Path) -> None:
    write_heartbeat(run, pid=1, ended=time.time())
    with run_lock(run), pytest.raises(RunError, match=r"does not train now"):
        running_run([run])


def test_what_is_unfinished_goes_on_with_the_command_that_made_it(run: Path, tmp_path: Path) -> None:
    finished = write_run_folder(tmp_path / "done", folds=1)
    write_unit(finished, 0, "done")
    write_heartbeat(run)
    (one,) = unfinished([tmp_path])
    assert one.status.folder == run
    assert one.line == f"cd {tmp_path} && kerasac-ray cv 'my experiment.yaml'"
    with run_lock(run):
        assert unfinished([tmp_path]) == []


def test_a_run_whose_command_is_not_known_goes_on_from_its_experiment(run: Path) -> None:
    for argv in (["train.py"], ["kerasac-ray", "calibrate", "x"], ["kerasac-ray"]):
        write_heartbeat(run, command={"argv": argv, "cwd": "/"})
        command = command_of(read_status(run))
        assert command is not None
        assert command.argv == ("kerasac-ray", "cv", f"{run}/experiment.yaml", "--out", str(run))


def test_a_study_goes_on_with_the_command_of_its_provenance(tmp_path: Path) -> None:
    study = write_study(tmp_path / "s")
    (study / "status.json").unlink()
    (study / ".lock").touch()
    assert command_of(read_status(study)) is None
    with pytest.raises(RunError, match="does not say what made it"):
        go_on(unfinished([study])[0])
    facts = {"command": "/opt/bin/kerasac-ray tune a.yaml s.yaml", "cwd": "/"}
    (study / "provenance.json").write_text(json.dumps(facts))
    assert unfinished([study])[0].line == "cd / && kerasac-ray tune a.yaml s.yaml"


def test_going_on_runs_the_command_where_it_was_given(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_heartbeat(run)
    calls = []

    def call(argv: list[str], *, cwd: str, check: bool) -> subprocess.CompletedProcess[str]:
        calls.append((argv, cwd))
        return subprocess.CompletedProcess(argv, 3)

    monkeypatch.setattr(subprocess, "run", call)
    assert go_on(unfinished([run])[0]) == 3
    assert calls == [([sys.executable, "-m", "kerasac", "cv", "my experiment.yaml"], str(run.parent))]
    write_heartbeat(run, command={"argv": ["kerasac-ray", "cv", "x"], "cwd": "/gone"})
    with pytest.raises(RunError, match=r"/gone, where .* is gone; run `kerasac-ray cv x` elsewhere"):
        go_on(unfinished([run])[0])
