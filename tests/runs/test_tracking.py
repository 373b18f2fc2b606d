from __future__ import annotations

import base64
import errno
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import INTERNAL_ERROR, MlflowException
from servers import serving
from tiny import tiny_experiment

from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.genome.folds import Fold
from kerasac.runs.tracking import RECORD, STORE, Tracker, flat_parameters, local_uri, newest_run, serve_ui
from kerasac.runs.unit import Unit
from kerasac.steps.history import write_history

HISTORY = [{"epoch": 1.0, "loss": 3.0, "val_loss": 4.0}, {"epoch": 2.0, "loss": 2.0, "val_loss": 3.5}]
MORE = [*HISTORY, {"epoch": 3.0, "loss": 1.5, "val_loss": 3.25}]


@pytest.fixture
def folder(empty_store: Path, tmp_path: Path) -> Path:
    """A run folder with an empty store."""
    shutil.copy(empty_store, tmp_path / STORE)
    return tmp_path


@pytest.fixture
def experiment(tiny_folder: Path) -> Experiment:
    return tiny_experiment(tiny_folder)


def unit_in(folder: Path, *, seed: int = 1, tuning: bool = False) -> Unit:
    fold = Fold(0, train=("chr1",), valid=("chr2",), test=("chr3",))
    return Unit(fold, seed, str(folder), tuning=tuning)


def write_unit(
    unit: Unit, state: str, *, history: Any = HISTORY, score: float = 0.5, model: bytes = b"weights"
) -> None:
    """Leave what a trained unit leaves, as far as MLflow is told of it."""
    (unit.folder / "plots").mkdir(parents=True, exist_ok=True)
    (unit.folder / "plots" / "training.png").write_bytes(b"png")
    (unit.folder / "model.keras").write_bytes(b"weights")
    write_history(unit.folder / "history.csv", history)
    name = "valid_scores.json" if state in ("tuned", "paused") else "scores.json"
    windows = {"windows": {"peaks": {"jsd_distance_mean": score, "counts_pearson": None}}}
    (unit.folder / name).write_text(json.dumps(windows))
    (unit.folder / "unit.json").write_text(json.dumps({"name": unit.name, "state": state, "best_epoch": 2}))


def runs_in(folder: Path, name: str = "tiny") -> dict[str, Run]:
    client = MlflowClient(local_uri(folder))
    known = client.get_experiment_by_name(name)
    assert known is not None
    found = client.search_runs([known.experiment_id])
    names = [run.info.run_name for run in found]
    assert len(names) == len(set(names)), f"a run twice: {names}"
    return dict(zip(names, found, strict=True))


def points(folder: Path, run: Run, metric: str) -> list[tuple[int, float]]:
    history = MlflowClient(local_uri(folder)).get_metric_history(run.info.run_id, metric)
    return [(one.step, one.value) for one in history]


def tracked(experiment: Experiment, folder: Path) -> Tracker:
    tracker = Tracker(experiment, folder)
    tracker.open(flat_parameters(experiment))
    return tracker


def test_everything_of_a_unit_is_logged_once(experiment: Experiment, folder: Path) -> None:
    unit = unit_in(folder)
    assert Tracker(experiment, folder).needs([])
    for _ in range(2):  # the second time as by the same command again
        tracker = tracked(experiment, folder)
        tracker.start(unit)
        for row in HISTORY:
            tracker.epoch(unit, row)
        write_unit(unit, "done")
        tracker.catch_up(unit)
        tracker.close(finished=True, metrics={"peaks.jsd_distance_mean": 0.5})
        assert tracker.problem is None
    assert not Tracker(experiment, folder).needs([unit])
    runs = runs_in(folder)
    parent, child = runs[folder.name], runs[unit.name]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (parent.data.params["model.filters"], child.data.params["seed"]) == ("4", "1")
    assert points(folder, child, "val_loss") == [(1, 4.0), (2, 3.5)]
    assert points(folder, child, "peaks.jsd_distance_mean") == [(0, 0.5)]
    assert points(folder, parent, "peaks.jsd_distance_mean") == [(0, 0.5)]
    client = MlflowClient(local_uri(folder))
    files = {item.path for item in client.list_artifacts(child.info.run_id)}
    assert files >= {"history.csv", "scores.json", "plots", "unit.json"}
    assert len(client.search_logged_models([child.info.experiment_id])) == 1


def test_unit_whose_folder_was_removed_is_another_run(experiment: Experiment, folder: Path) -> None:
    unit = unit_in(folder)
    tracker = tracked(experiment, folder)
    tracker.start(unit)
    write_unit(unit, "done")
    tracker.catch_up(unit)
    assert tracker.queue.wait(20)
    shutil.rmtree(unit.folder)
    tracker.start(unit)
    tracker.epoch(unit, {**HISTORY[0], "val_loss": 9.0})
    tracker.close(finished=False, metrics={})
    record = json.loads((folder / RECORD).read_text())
    client = MlflowClient(local_uri(folder))
    logged = client.get_metric_history(record["units"][unit.name], "val_loss")
    assert [metric.value for metric in logged] == [9.0]
    (old,) = client.search_runs([record["experiment"]], "tags.`kerasac.replaced` != ''")
    assert old.data.metrics["val_loss"] == 3.5


def test_epochs_that_are_trained_again_are_logged_once(experiment: Experiment, folder: Path) -> None:
    """As when a trainer dies after it reported an epoch, before that was saved."""
    unit = unit_in(folder)
    tracker = tracked(experiment, folder)
    tracker.start(unit)
    for row in HISTORY:
        tracker.epoch(unit, row)
    write_unit(unit, "started", history=HISTORY[:1])
    tracker.start(unit)
    for row in MORE[1:]:
        tracker.epoch(unit, row)
    tracker.close(finished=False, metrics={})
    assert points(folder, runs_in(folder)[unit.name], "val_loss") == [(1, 4.0), (2, 3.5), (3, 3.25)]


def test_paused_unit_goes_on_in_its_run_and_gets_its_scores_anew(experiment: Experiment, folder: Path) -> None:
    unit = unit_in(folder, tuning=True)
    tracker = tracked(experiment, folder)
    tracker.start(unit)
    write_unit(unit, "paused", score=0.5)
    tracker.pause(unit)
    assert tracker.queue.wait(20)
    assert runs_in(folder)[unit.name].info.status == "RUNNING"
    tracker.start(unit)
    write_unit(unit, "tuned", history=MORE, score=0.4)
    tracker.catch_up(unit)
    tracker.close(finished=True, metrics={})
    run = runs_in(folder)[unit.name]
    assert run.info.status == "FINISHED"
    assert points(folder, run, "val_loss") == [(1, 4.0), (2, 3.5), (3, 3.25)]
    assert points(folder, run, "valid.peaks.jsd_distance_mean") == [(2, 0.5), (3, 0.4)]
    assert run.data.metrics["valid.peaks.jsd_distance_mean"] == 0.4


def test_pause_logs_what_there_was_when_it_was_called(experiment: Experiment, folder: Path) -> None:
    unit = unit_in(folder, tuning=True)
    tracker = tracked(experiment, folder)
    tracker.start(unit)
    write_unit(unit, "paused", score=0.5)
    tracker.pause(unit)
    write_unit(unit, "started", history=MORE, score=0.4)
    tracker.close(finished=False, metrics={})
    run = runs_in(folder)[unit.name]
    assert points(folder, run, "valid.peaks.jsd_distance_mean") == [(2, 0.5)]


def test_dropped_unit_says_why_until_it_goes_on(experiment: Experiment, folder: Path) -> None:
    unit = unit_in(folder, tuning=True)
    tracker = tracked(experiment, folder)
    tracker.start(unit)
    write_unit(unit, "paused")
    tracker.drop(unit, "worse than 4 others after 2 epochs")
    assert tracker.queue.wait(20)
    run = runs_in(folder)[unit.name]
    assert run.info.status == "FINISHED"
    assert run.data.tags["kerasac.dropped"] == "worse than 4 others after 2 epochs"
    assert points(folder, run, "valid.peaks.jsd_distance_mean") == [(2, 0.5)]
    tracker.start(unit)
    tracker.close(finished=False, metrics={})
    run = runs_in(folder)[unit.name]
    assert (run.info.status, "kerasac.dropped" in run.data.tags) == ("RUNNING", False)


def test_study_and_its_configurations_share_a_store_and_its_thread(experiment: Experiment, folder: Path) -> None:
    study = Tracker(experiment, folder, kind="study")
    children = [Tracker(experiment, folder / name, kind="configuration", study=study) for name in ("a", "b")]
    study.open({})
    for child in children:
        child.folder.mkdir()
        child.open({})
        child.start(unit_in(child.folder))
        child.close(finished=True, metrics={})
    assert children[0].queue is study.queue
    study.close(finished=True, metrics={})
    assert study.problem is None
    client = MlflowClient(local_uri(folder))
    known = client.get_experiment_by_name("tiny")
    runs = {run.info.run_id: run for run in client.search_runs([known.experiment_id])}
    above = {run.info.run_name: run.data.tags.get("mlflow.parentRunId") for run in runs.values()}
    assert runs[above["a"]].info.run_name == folder.name
    assert len(runs) == 5


def test_slow_store_holds_up_no_call(experiment: Experiment, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, batches = Event(), []
    log_batch = MlflowClient.log_batch

    def slow(client: MlflowClient, run_id: str, **given: Any) -> None:
        if "metrics" in given:
            let_go.wait(20)
            batches.append(len(given["metrics"]))
        log_batch(client, run_id, **given)

    monkeypatch.setattr(MlflowClient, "log_batch", slow)
    unit = unit_in(folder)
    started = time.perf_counter()
    tracker = tracked(experiment, folder)
    tracker.start(unit)
    for epoch in range(1, 201):
        tracker.epoch(unit, {"epoch": float(epoch), "val_loss": 1 / epoch})
    assert time.perf_counter() - started < 0.5
    let_go.set()
    tracker.close(finished=True, metrics={})
    assert sum(batches) == 200
    assert len(batches) <= 3, "what gathers goes in one call"
    assert len(points(folder, runs_in(folder)[unit.name], "val_loss")) == 200


def test_store_that_was_lost_is_made_anew_from_the_run_folder(experiment: Experiment, folder: Path) -> None:
    unit = unit_in(folder)
    write_unit(unit, "done")
    (folder / RECORD).write_text(
        json.dumps(
            {"uri": local_uri(folder), "experiment": "7", "parent": "0", "units": {unit.name: "1"}, "logged": {}}
        )
    )
    tracker = tracked(experiment, folder)
    tracker.catch_up(unit)
    tracker.close(finished=True, metrics={})
    assert tracker.problem is None
    run = runs_in(folder)[unit.name]
    assert points(folder, run, "val_loss") == [(1, 4.0), (2, 3.5)]
    assert points(folder, run, "peaks.jsd_distance_mean") == [(0, 0.5)]


def test_broken_store_is_one_message_and_ends_soon(
    experiment: Experiment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / STORE).write_text("this is no database " * 100)
    unit = unit_in(tmp_path)
    tracker = tracked(experiment, tmp_path)
    write_unit(unit, "done")
    tracker.catch_up(unit)
    started = time.perf_counter()
    tracker.close(finished=True, metrics={})
    assert time.perf_counter() - started < 20
    assert "file is not a database" in str(tracker.problem)
    assert sum("cannot be written" in line for line in caplog.messages) == 1
    assert (unit.folder / "scores.json").exists(), "all that was done is kept"


def test_full_disk_is_waited_for(experiment: Experiment, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_artifact, is_full = MlflowClient.log_artifact, True

    def full(client: MlflowClient, *arguments: Any) -> None:
        if is_full:
            raise OSError(28, "No space left on device")
        log_artifact(client, *arguments)

    monkeypatch.setattr(MlflowClient, "log_artifact", full)
    unit = unit_in(folder)
    tracker = tracked(experiment, folder)
    tracker.queue.pauses_s = (0.05,)
    write_unit(unit, "done")
    tracker.catch_up(unit)
    until(lambda: tracker.problem is not None)
    assert "No space left on device" in str(tracker.problem)
    is_full = False
    tracker.close(finished=True, metrics={})
    assert tracker.problem is None
    assert points(folder, runs_in(folder)[unit.name], "peaks.jsd_distance_mean") == [(0, 0.5)]


@pytest.mark.parametrize("call", ["create_run", "log_batch", "create_experiment", "set_terminated"])
def test_call_whose_answer_was_lost_leaves_nothing_twice(
    call: str, experiment: Experiment, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = getattr(MlflowClient, call)
    n_calls = 0

    def lose_each_first_answer(*arguments: Any, **named: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        answer = done(*arguments, **named)
        if n_calls % 2:
            raise MlflowException("connection reset", INTERNAL_ERROR)
        return answer

    monkeypatch.setattr(MlflowClient, call, lose_each_first_answer)
    unit = unit_in(folder)
    tracker = Tracker(experiment, folder)
    tracker.queue.pauses_s = (0.01,)
    tracker.open(flat_parameters(experiment))
    tracker.start(unit)
    for row in HISTORY:
        tracker.epoch(unit, row)
    write_unit(unit, "done")
    tracker.catch_up(unit)
    until(lambda: tracker.queue.wait(5))
    monkeypatch.undo()
    tracker.close(finished=True, metrics={})
    assert (tracker.problem, n_calls > 0) == (None, True)
    run = runs_in(folder)[unit.name]
    assert points(folder, run, "val_loss") == [(1, 4.0), (2, 3.5)]
    assert points(folder, run, "peaks.jsd_distance_mean") == [(0, 0.5)]


def test_deleted_experiment_is_named_with_the_way_out(experiment: Experiment, folder: Path) -> None:
    tracked(experiment, folder).close(finished=True, metrics={})
    client = MlflowClient(local_uri(folder))
    client.delete_experiment(client.get_experiment_by_name("tiny").experiment_id)
    tracker = tracked(experiment, folder)
    tracker.close(finished=True, metrics={})
    assert "experiment 'tiny' was deleted there; restore it" in str(tracker.problem)


def register(experiment: Experiment, folder: Path, model: Unit | Path) -> str | None:
    tracker = tracked(experiment, folder)
    address = tracker.register(model, name="study", alias="winner", description="best of 3")
    tracker.close(finished=True, metrics={})
    assert tracker.problem is None
    return address


def test_winner_is_registered_once_and_the_alias_moves_to_another(experiment: Experiment, folder: Path) -> None:
    unit = unit_in(folder)
    write_unit(unit, "done")
    assert [register(experiment, folder, unit) for _ in range(2)] == ["models:/study/1"] * 2
    other = folder / "other.keras"
    other.write_bytes(b"other weights")
    assert register(experiment, folder, other) == "models:/study/2"
    client = MlflowClient(local_uri(folder), local_uri(folder))
    winner = client.get_model_version_by_alias("study", "winner")
    assert (int(winner.version), winner.description) == (2, "best of 3")
    assert winner.run_id == runs_in(folder)[folder.name].info.run_id
    assert client.get_model_version("study", "1").aliases == []
    assert {run.info.status for run in runs_in(folder).values()} == {"FINISHED"}


def test_winner_is_not_registered_where_the_store_is_away(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / STORE).write_text("this is no database " * 100)
    unit = unit_in(tmp_path)
    write_unit(unit, "done")
    tracker = tracked(experiment, tmp_path)
    assert tracker.register(unit, name="study", alias="winner", description="") is None
    tracker.queue.finish(1)


@pytest.mark.keras
def test_winner_loads_by_its_alias_and_predicts(experiment: Experiment, folder: Path) -> None:
    import keras
    import mlflow
    import numpy as np

    source = keras.Input((4,), name="x")
    model = keras.Model(source, {name: keras.layers.Dense(2, name=name)(source) for name in ("profile", "logcount")})
    model.save(folder / "model.keras")
    register(experiment, folder, folder / "model.keras")
    mlflow.set_tracking_uri(local_uri(folder))
    mlflow.set_registry_uri(local_uri(folder))
    given = {"x": np.ones((3, 4), np.float32)}
    predicted = mlflow.pyfunc.load_model("models:/study@winner").predict(given)
    for name, values in model.predict(given, verbose=0).items():
        np.testing.assert_allclose(predicted[name], values, rtol=1e-6)


@dataclass
class Server:
    """An MLflow server that answers 503, or as ``answers`` say; keeps the headers that it got."""

    uri: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 503


@contextmanager
def server() -> Iterator[Server]:
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.headers.append(dict(self.headers))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(served.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"no")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with serving(Handler) as served.uri:
        yield served


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


@pytest.mark.usefixtures("impatient")
def test_server_that_is_down_stops_nothing(tiny_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    unit = unit_in(tmp_path)
    with server() as served:
        experiment = tiny_experiment(tiny_folder, tracking={"uri": served.uri})
        started = time.perf_counter()
        tracker = tracked(experiment, tmp_path)
        tracker.start(unit)
        for row in HISTORY:
            tracker.epoch(unit, row)
        assert time.perf_counter() - started < 0.5
        until(lambda: tracker.problem is not None)
        tracker.close(finished=True, metrics={})
    assert "503" in str(tracker.problem)
    assert Tracker(experiment, tmp_path).needs([unit])
    assert sum("cannot be written" in line for line in caplog.messages) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "secret"},
            "Basic " + base64.b64encode(b"me:secret").decode(),
        ),
        ({"MLFLOW_TRACKING_TOKEN": "secret"}, "Bearer secret"),
    ],
)
def test_credentials_of_the_environment_reach_the_server_and_no_file(
    variables: dict[str, str],
    expected: str,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with server() as served:
        served.status = 401
        tracker = tracked(tiny_experiment(tiny_folder, tracking={"uri": served.uri}), tmp_path)
        tracker.close(finished=True, metrics={})
    assert served.headers[0]["Authorization"] == expected
    assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in str(tracker.problem)
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "secret" not in written + str(tracker.problem) + caplog.text


def test_folder_without_a_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no MLflow store"):
        serve_ui(tmp_path / "run", host="127.0.0.1", port=1)
    with pytest.raises(RunError, match="no run in"):
        newest_run(tmp_path)


def test_pages_are_of_the_study_where_the_configuration_has_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / STORE).touch()
    (tmp_path / "a").mkdir()
    commands: list[list[str]] = []

    class Done:
        returncode = 0

    monkeypatch.setattr("subprocess.run", lambda command, **_: commands.append(command) or Done())
    assert serve_ui(tmp_path / "a", host="127.0.0.1", port=5001) == 0
    (command,) = commands
    assert command[command.index("--backend-store-uri") + 1] == local_uri(tmp_path)
    assert command[command.index("--host") + 1] == "127.0.0.1"


def test_pages_of_a_server_are_the_servers(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps({"uri": "http://host:5000", "units": {}, "logged": {}}))
    with pytest.raises(RunError, match="tracked by the MLflow server at http://host:5000"):
        serve_ui(tmp_path, host="127.0.0.1", port=1)


def test_store_that_a_full_disk_cut_short_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kerasac.runs import tracking_store

    def cut_short(tracking_uri: str) -> None:
        Path(tracking_uri.removeprefix("sqlite:///")).write_bytes(b"SQLite format 3")
        raise OSError(errno.ENOSPC, "No space left on device")

    store = tracking_store.Store(None, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(tracking_store, "MlflowClient", cut_short)
        with pytest.raises(OSError, match="No space"):
            store.experiment_id("tiny")
    assert not (tmp_path / STORE).exists()
    assert store.experiment_id("tiny")
    assert [path.name for path in tmp_path.iterdir()] == [STORE]
