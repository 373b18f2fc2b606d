"""A run at a URL: what is sent and fetched, who may drive it, and that a machine that is lost loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import s3fs
from fsspec.implementations.memory import MemoryFileSystem
from runs_on_disk import write_heartbeat, write_run_folder, write_unit
from servers import s3_server
from tiny import three_folds

from kerasac.cache import UnreachableError, read_small, write_small
from kerasac.errors import RunError
from kerasac.genome.folds import Fold
from kerasac.runs import mirror as mirror_module
from kerasac.runs import run_at_url
from kerasac.runs.mirror import Mirror, list_files, working_folder
from kerasac.runs.run_at_url import check_writable, fetched, run_place
from kerasac.runs.status import read_status
from kerasac.runs.stop_run import running_run, stop_run
from kerasac.runs.stopping import ask_to_stop, stop_reason
from kerasac.runs.unit import Unit, read_marker
from kerasac.runs.unit_mirror import UnitMirror, bring, here, take_newer
from kerasac.steps.history import read_history


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A place of this process's memory that no other test uses."""
    return f"memory://{tmp_path.parent.name}-{tmp_path.name}/run"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written and removed at a URL in memory, in order."""
    seen: list[str] = []

    def noting(name: str, sign: str) -> Any:
        real = getattr(MemoryFileSystem, name)

        def call(self: Any, *places: str, **options: Any) -> Any:
            seen.append(sign + places[-1].partition("/run/")[2])
            return real(self, *places, **options)

        return call

    monkeypatch.setattr(MemoryFileSystem, "put_file", noting("put_file", "+"))
    monkeypatch.setattr(MemoryFileSystem, "rm_file", noting("rm_file", "-"))
    return seen


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let the store fail with what is under ``error``, for files whose name ends with ``name``, if any."""
    failing: dict[str, Any] = {"error": None, "name": "", "tries": 0}
    real = MemoryFileSystem.put_file

    def put_file(self: Any, here: str, there: str, **options: Any) -> None:
        if failing["error"] is not None and there.endswith(failing["name"]):
            failing["tries"] += 1
            raise failing["error"]
        real(self, here, there, **options)

    monkeypatch.setattr(MemoryFileSystem, "put_file", put_file)
    monkeypatch.setattr(mirror_module, "_WAITS_S", (0.0, 0.0))
    return failing


def write_epoch(folder: Path, epoch: int, *, state: str = "started") -> None:
    """Leave an epoch as a training does, and drop the checkpoint before the last two."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    if not (folder / "unit.json").exists():
        (folder / "unit.json").write_text(json.dumps({"state": "started"}))
    (folder / "checkpoints" / f"epoch-{epoch:04d}.weights.h5").write_text(f"weights {epoch}")
    rows = [f"{n},{10 - n}" for n in range(1, epoch + 1)]
    (folder / "history.csv").write_text("\n".join(["epoch,val_loss", *rows]) + "\n")
    (folder / "checkpoints" / f"epoch-{epoch - 2:04d}.weights.h5").unlink(missing_ok=True)
    (folder / "unit.json").write_text(json.dumps({"state": state, "epochs": epoch}))


def files_of(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): path.read_text() for path in found}


def unit_at(url: str, folder: Path) -> Unit:
    return Unit(Fold(0, ("chr1",), ("chr2",), ("chr3",)), 1, str(folder), url=url)


# --- what is sent


def test_checkpoint_goes_before_its_row_and_the_marker_last_and_what_is_gone_is_removed_after(
    tmp_path: Path, url: str, sent: list[str]
) -> None:
    mirror = Mirror(tmp_path, url)
    for epoch in (1, 2):
        write_epoch(tmp_path, epoch)
        mirror.save()
    sent.clear()
    write_epoch(tmp_path, 3)
    mirror.save()
    assert sent == [
        "+checkpoints/epoch-0003.weights.h5",
        "+history.csv",
        "+unit.json",
        "-checkpoints/epoch-0001.weights.h5",
    ]
    sent.clear()
    mirror.save()
    assert sent == [], "what is alike is not sent again"


@pytest.mark.parametrize("last", ["epoch-0004.weights.h5", "history.csv", "unit.json"])
def test_upload_that_breaks_off_leaves_a_state_that_a_training_goes_on_from(
    tmp_path: Path, url: str, away: dict[str, Any], last: str
) -> None:
    unit = tmp_path / "unit"
    mirror = Mirror(unit, url)
    for epoch in (1, 2, 3):
        write_epoch(unit, epoch)
    mirror.save()
    write_epoch(unit, 4)
    away |= {"error": ConnectionError("gone"), "name": last}
    with pytest.raises(UnreachableError):
        mirror.save()
    elsewhere = tmp_path / "elsewhere"
    take_newer(Mirror(elsewhere, url))
    n_rows = len(read_history(elsewhere / "history.csv"))
    assert n_rows == (4 if last == "unit.json" else 3)
    assert (elsewhere / "checkpoints" / f"epoch-{n_rows:04d}.weights.h5").read_text() == f"weights {n_rows}"
    away["error"] = None
    mirror.save()
    assert set(mirror.there()) == set(files_of(unit))


def test_files_under_way_and_what_is_of_one_machine_stay(tmp_path: Path, url: str) -> None:
    for name in (".lock", ".stop", ".model.keras.7.part", ".ray/state", "plots/.x", "plots/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    Mirror(tmp_path, url).save()
    assert set(list_files(url)) == {"plots/a.png"}


def test_database_is_sent_as_it_was_between_two_writes(tmp_path: Path, url: str) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as database:
        database.execute("CREATE TABLE runs (name)")
        database.execute("BEGIN")
        database.execute("INSERT INTO runs VALUES ('half')")
        Mirror(tmp_path, url).save()
        database.execute("COMMIT")
    other = tmp_path / "other"
    Mirror(other, url).fetch()
    with closing(sqlite3.connect(other / "mlflow.db")) as database:
        assert database.execute("SELECT * FROM runs").fetchall() == []


# --- what is fetched


def test_each_side_takes_what_changed_on_the_other_and_keeps_what_changed_on_itself(tmp_path: Path, url: str) -> None:
    one, other = Mirror(tmp_path / "one", url), Mirror(tmp_path / "other", url)
    for name in ("theirs", "ours", "removed there", "both"):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / name).write_text("at first")
    one.save()
    other.fetch()
    (tmp_path / "one/theirs").write_text("theirs")
    (tmp_path / "one/both").write_text("theirs")
    (tmp_path / "one/removed there").unlink()
    one.save()
    (tmp_path / "other/ours").write_text("ours")
    (tmp_path / "other/both").write_text("ours")
    (tmp_path / "other/new").write_text("ours")
    other.fetch()
    assert files_of(tmp_path / "other") == {"theirs": "theirs", "ours": "ours", "both": "theirs", "new": "ours"}
    other.save()
    one.fetch()
    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


@pytest.mark.parametrize(("epochs_here", "epochs_there", "taken"), [(3, 5, 5), (5, 3, 5), (4, 4, 4)])
def test_unit_goes_on_from_the_machine_that_came_further(
    tmp_path: Path, url: str, epochs_here: int, epochs_there: int, taken: int
) -> None:
    folders = tmp_path / "here", tmp_path / "there"
    for folder, epochs in zip(folders, (epochs_here, epochs_there), strict=True):
        for epoch in range(1, epochs + 1):
            write_epoch(folder, epoch)
    Mirror(folders[1], url).save()
    take_newer(Mirror(folders[0], url))
    checkpoints = sorted(path.name[6:10] for path in (folders[0] / "checkpoints").iterdir())
    assert len(read_history(folders[0] / "history.csv")) == taken
    assert checkpoints == [f"{taken - 1:04d}", f"{taken:04d}"]


def test_unit_that_is_done_beats_one_with_as_many_epochs(tmp_path: Path, url: str) -> None:
    for folder, state in ((tmp_path / "here", "started"), (tmp_path / "there", "done")):
        write_epoch(folder, 1, state=state)
    Mirror(tmp_path / "there", url).save()
    take_newer(Mirror(tmp_path / "here", url))
    assert read_marker(tmp_path / "here")["state"] == "done"


def test_unit_that_was_removed_at_the_url_is_trained_anew_and_one_never_sent_is_kept(tmp_path: Path, url: str) -> None:
    write_epoch(tmp_path / "unit", 1)
    mirror = Mirror(tmp_path / "unit", url)
    take_newer(mirror)
    assert read_marker(tmp_path / "unit"), "nothing is there yet"
    mirror.save()
    MemoryFileSystem().rm(url.removeprefix("memory:/"), recursive=True)
    take_newer(mirror)
    assert files_of(tmp_path / "unit") == {}


def test_url_that_was_emptied_does_not_empty_this_machine(url: str) -> None:
    with run_place(Path(url), lambda text: None) as place:
        write_epoch(place.folder / "fold-0/seed-1", 1)
        (place.folder / "folds.json").write_text("{}")
    MemoryFileSystem().rm(url.removeprefix("memory:/"), recursive=True)
    with pytest.raises(RunError, match=f"{url} is empty, though .* Remove that folder"), run_place(Path(url), print):
        pytest.fail("it was opened")
    assert read_marker(place.folder / "fold-0/seed-1")


def test_driver_gets_a_unit_of_another_machine_and_why_it_stopped(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drivers, trainers = unit_at(url, tmp_path / "driver"), unit_at(url, tmp_path / "trainer")
    write_epoch(trainers.folder, 1)
    UnitMirror(trainers, [].append).finish()
    ask_to_stop(Path(url), "me")
    bring(drivers, "stopped")
    assert files_of(drivers.folder) == files_of(trainers.folder)
    assert stop_reason(drivers.stop_folder) == "me"
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "third"))
    assert here(drivers).folder == working_folder(url) / drivers.name
    assert here(drivers).folder.is_relative_to(tmp_path / "third")


# --- a store that is away, or refuses


def test_training_goes_on_while_the_store_is_away_which_is_said_once(
    tmp_path: Path, url: str, away: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    unit, events = unit_at(url, tmp_path), []
    mirror = UnitMirror(unit, events.append)
    away["error"] = ConnectionError("gone")
    for epoch in (1, 2):
        write_epoch(unit.folder, epoch)
        mirror.save()
    assert [event["event"] for event in events] == ["unsaved"]
    assert "cannot be reached" in events[0]["message"]
    assert away["tries"] == 1, "it is left alone for a while"
    away["error"] = None
    monkeypatch.setattr(time, "monotonic", lambda: float("inf"))
    mirror.save()
    assert len(list_files(url)) == 4


def test_unit_that_cannot_be_saved_in_the_end_says_where_it_is(tmp_path: Path, url: str, away: dict[str, Any]) -> None:
    unit = unit_at(url, tmp_path)
    write_epoch(unit.folder, 1)
    away["error"] = ConnectionError("gone")
    with pytest.raises(RunError, match=rf"it cannot be saved: .*reached.*All of it is in {unit.folder}; the same comm"):
        UnitMirror(unit, [].append).finish()
    assert away["tries"] == 3, "it was tried again"
    away["error"] = PermissionError("no")
    with pytest.raises(RunError, match=r"it cannot be saved: access to .* is refused"):
        UnitMirror(unit, [].append).save()


def test_run_that_cannot_be_saved_keeps_its_own_error(
    tmp_path: Path, url: str, away: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        with run_place(Path(url), lambda text: None) as place:
            (place.folder / "summary.json").write_text("{}")
            away["error"] = PermissionError("no")
            raise RunError("a unit failed")

    with pytest.raises(RunError, match="a unit failed"):
        fail()
    assert "what was done cannot be saved: access" in caplog.text
    with pytest.raises(RunError, match="what was done cannot be saved"), run_place(Path(url), lambda text: None):
        pass
    away["error"] = None
    with run_place(Path(url), lambda text: None):
        pass
    assert set(list_files(url)) == {"summary.json"}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("https://host/run", "a web server takes no files"),
        ("s3://bucket/../run", "only dots"),
        ("sftp://me:word@host/run", r"^sftp://host/run holds a user or a password"),
        ("memory://refused/run", r"a run cannot be written to .*: access .* is refused .*, or choose another --out"),
    ],
)
def test_place_that_cannot_be_written_is_refused_before_anything_else(
    place: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pipe_file(*of: Any, **options: Any) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", pipe_file)
    with pytest.raises(RunError, match=said), run_place(Path(place), lambda text: None):
        pytest.fail("it was opened")


# --- one driver at a time


def say_driver(url: str, *, pid: int, host: str, updated: float | None = None) -> None:
    facts = ["token", pid, host, time.time() if updated is None else updated]
    write_small(Path(url) / ".driver.json", json.dumps(facts))


def gone_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_url_that_a_living_driver_writes_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_at_url, "_LOOK_EVERY_S", 0.01)
    say_driver(url, pid=1, host="elsewhere")
    say = run_at_url._read_driver

    def alive(place: str) -> Any:
        found = say(place)
        say_driver(url, pid=1, host="elsewhere")
        return found

    monkeypatch.setattr(run_at_url, "_read_driver", alive)
    with pytest.raises(RunError, match="is being written to by process 1 on elsewhere"), run_place(Path(url), print):
        pytest.fail("it was opened")


def test_url_of_a_driver_that_is_gone_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_at_url, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(run_at_url, "_SILENCE_S", 0.05)
    cases = [
        {"pid": gone_pid(), "host": socket.gethostname()},
        {"pid": 1, "host": "elsewhere", "updated": time.time() - 3600},
        {"pid": 1, "host": "elsewhere"},  # silent
    ]
    for case in cases:
        say_driver(url, **case)
        with run_place(Path(url), lambda text: None):
            assert json.loads(read_small(Path(url) / ".driver.json") or "")[1] == os.getpid()
        assert ".driver.json" not in list_files(url)


def test_driver_that_another_one_replaced_stops_and_does_not_write_over_it(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_at_url, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(run_at_url, "_EVERY_S", 0.02)
    with run_place(Path(url), lambda text: None) as place:
        (place.folder / "summary.json").write_text("ours")
        say_driver(url, pid=7, host="elsewhere")
        wait_for(lambda: stop_reason(place.folder) is not None)
        assert "process 7 on elsewhere, which drives memory://" in str(stop_reason(place.folder))
    assert "another command drives" in caplog.text
    assert "summary.json" not in list_files(url)
    assert json.loads(read_small(Path(url) / ".driver.json") or "")[1] == 7


# --- from another terminal


def test_status_and_stop_work_at_the_url(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_at_url, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(run_at_url, "_EVERY_S", 0.02)
    with run_place(Path(url), lambda text: None) as place:
        write_run_folder(place.folder)
        write_unit(place.folder, 0, "done", epochs=4)
        place.save()
        unit = unit_at(url, place.folder)
        UnitMirror(unit, [].append).finish()
        write_heartbeat(place.folder, progress={"running": [{"unit": "fold-1/seed-1"}]})
        wait_for(lambda: read_small(Path(url) / "status.json") is not None)
        status = running_run([Path(url)])
        assert (status.n_done, status.state, str(status.driver)) == (1, "running", f"process {os.getpid()}")
        assert {one.name: one.state for one in status.units} == {"fold-0/seed-1": "done", "fold-1/seed-1": "running"}
        assert stop_run(status, wait_s=0).state == "stopping"
        wait_for(lambda: stop_reason(place.folder) is not None)
        assert stop_reason(unit.stop_place) == stop_reason(place.folder)
        write_heartbeat(place.folder, ended=time.time())
    assert read_status(Path(url)).state == "stopped"
    with run_place(Path(url), lambda text: None) as place:
        assert stop_reason(Path(url)) is None, "an old request does not stop a new command"
        assert stop_reason(place.folder) is None


def test_url_without_a_run_says_so(url: str) -> None:
    with pytest.raises(RunError, match=f"{url} holds no run and no study"):
        read_status(Path(url))
    with pytest.raises(RunError, match=f"{url} holds no files"):
        fetched(Path(url))


def test_unit_of_a_run_at_a_url_is_fetched_with_its_run(url: str, tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run")
    write_unit(run, 0, "done", epochs=1)
    Mirror(run, url).save()
    unit = fetched(Path(f"{url}/fold-0/seed-1"))
    assert read_marker(unit)["state"] == "done"
    assert (unit.parent.parent / "experiment.yaml").exists()
    assert fetched(run) == run


# --- for real


def wait_for(condition: Any, timeout_s: float = 180) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)


@pytest.mark.keras
def test_unit_goes_on_at_another_machine_as_if_it_had_stayed(
    tiny_folder: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kerasac.runs.trial import run_unit
    from kerasac.runs.unit import Share
    from kerasac.steps.prepare import prepare

    prepared = prepare(three_folds(tiny_folder, training={"epochs": 3}))
    share, events = Share(threads=1, samplers=0), []
    alone = Unit(prepared.folds[0], 1, str(tmp_path / "alone"))
    run_unit(prepared, alone, share, events.append)
    unit = Unit(prepared.folds[0], 1, "of the driver", url=url)

    def stop_after_two(event: dict[str, Any]) -> None:
        events.append(event)
        if event["event"] == "epoch" and event["epoch"] == 2:
            ask_to_stop(Path(url), "me")

    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "one"))
    run_unit(prepared, unit, share, stop_after_two)
    assert events[-1]["event"] == "stopped"
    run_at_url.clear_stop(Path(url))
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "other"))
    events.clear()
    run_unit(prepared, unit, share, events.append)
    assert [event["epoch"] for event in events if event["event"] == "epoch"] == [3]
    assert events[-1]["event"] == "done"
    scores = [json.loads((one / "scores.json").read_text()) for one in (alone.folder, here(unit).folder)]
    assert scores[0]["windows"] == scores[1]["windows"]
    assert set(list_files(f"{url}/{unit.name}")) == set(Mirror(here(unit).folder, url)._here())


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket, and the variables that lead there, for other processes too."""
    with s3_server():
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("bucket")
        yield "s3://bucket"


def command(*words: str, cache: Path) -> tuple[list[str], dict[str, str]]:
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    return [sys.executable, "-m", "kerasac", *words], environment | {"KERASAC_CACHE": str(cache)}


def done(*words: str, cache: Path) -> subprocess.CompletedProcess[str]:
    line, environment = command(*words, cache=cache)
    found = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    return found


def test_bucket_that_is_not_there_is_named(bucket: str) -> None:
    with pytest.raises(RunError, match=r"a run cannot be written to s3://none/run: there is no bucket none; make it"):
        check_writable("s3://none/run")


def test_objects_of_a_bucket_are_told_apart(bucket: str, tmp_path: Path) -> None:
    one, other = Mirror(tmp_path / "one", f"{bucket}/m"), Mirror(tmp_path / "other", f"{bucket}/m")
    write_epoch(tmp_path / "one", 1)
    one.save()
    other.fetch()
    assert files_of(tmp_path / "other") == files_of(tmp_path / "one")
    assert not one.has_changed_there()
    (tmp_path / "other/unit.json").write_text((tmp_path / "other/unit.json").read_text().replace("1", "2"))
    other.save()
    assert one.has_changed_there(), "of the same length"


@pytest.mark.ray
@pytest.mark.keras
@pytest.mark.slow
def test_driver_and_its_machine_are_lost_and_another_one_goes_on_with_equal_scores(
    bucket: str, tiny_folder: Path, tmp_path: Path, ray_cluster: dict[str, float]
) -> None:
    from rich.console import Console

    from kerasac.runs.crossval import cross_validate

    experiment = three_folds(tiny_folder, training={"epochs": 15, "patience": 15})
    (tmp_path / "experiment.yaml").write_text(experiment.to_yaml())
    url, cache = f"{bucket}/runs/tiny", tmp_path / "cache"
    words = ["cv", str(tmp_path / "experiment.yaml"), "--out", url]
    line, environment = command(*words, cache=cache)
    rows = Path(f"{url}/fold-0/seed-1/history.csv")
    with subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        wait_for(lambda: (read_small(rows) or "").count("\n") > 3)
        driver.send_signal(signal.SIGKILL)
    before = (read_small(rows) or "").count("\n") - 1
    assert 3 <= before < 15, "killed in mid-training"
    (cache / "runs").rename(tmp_path / "lost")
    said = done(*words, cache=cache).stderr
    first = next(text for text in said.splitlines() if "fold-0/seed-1: epoch " in text)
    assert int(first.split("epoch ")[1].split("/")[0]) > before, "epochs that were saved are not trained again"
    undisturbed = cross_validate(experiment, tmp_path / "undisturbed", console=Console(quiet=True))
    there = json.loads(read_small(Path(url) / "summary.json") or "")
    assert there["metrics"] == json.loads((undisturbed.folder / "summary.json").read_text())["metrics"]
    assert {"report.html", "mlflow.db", "fold-2/seed-1/plots/jsd.png"} <= set(list_files(url))
    shutil.rmtree(cache / "runs")
    second = done(*words, cache=tmp_path / "other").stdout
    assert "0 finished now, 3 before" in second
    with closing(sqlite3.connect(working_folder_of(tmp_path / "other", url) / "mlflow.db")) as store:
        places = [row[0] for row in store.execute("SELECT artifact_uri FROM runs")]
    assert len(places) == 4
    assert all(Path(place.removeprefix("file://")).is_dir() and "/other/" in place for place in places)


def working_folder_of(cache: Path, url: str) -> Path:
    return cache / "runs" / url.replace("://", "/")


@pytest.mark.ray
@pytest.mark.keras
@pytest.mark.slow
def test_study_at_a_url_is_judged_there_and_its_winner_tested(bucket: str, tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(three_folds(tiny_folder).to_yaml())
    (tmp_path / "filters.yaml").write_text("default: false\nfolds: [0]\nparameters: {model.filters: {grid: [2, 4]}}\n")
    url = f"{bucket}/studies/filters"
    words = ["tune", str(tmp_path / "experiment.yaml"), str(tmp_path / "filters.yaml"), "--out", url]
    out = done(*words, "--test", cache=tmp_path / "cache").stdout
    there = set(list_files(url))
    assert {"study.json", "study.html", "winner.yaml", "mlflow.db"} <= there
    winner = json.loads(read_small(Path(url) / "study.json") or "")["ranked"][0]["name"]
    assert "it is tested now" in out
    assert "The winner on test" in (read_small(Path(url) / "study.html") or "")
    assert {f"{winner}/summary.json", f"{winner}/fold-2/seed-1/scores.json"} <= there
    assert read_status(Path(url)).state == "finished"
