"""Record runs in MLflow: a parent run an experiment, a child a fold and seed; a study has experiments as children."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from kerasac.cache import write_whole
from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.runs.unit import TUNED, Unit, read_marker
from kerasac.runs.unit_scores import VALID_SCORES
from kerasac.steps.history import Row, read_history

logger = logging.getLogger(__name__)

STORE, ARTIFACTS, RECORD = "mlflow.db", "mlartifacts", "mlflow.json"
_SOURCE_TAGS = {"mlflow.source.name": "kerasac-ray cv", "mlflow.source.type": "LOCAL"}
_PARENT_TAG = "mlflow.parentRunId"
CARD = "model.card.md"
_UNIT_FILES = ("history.csv", "scores.json", "scores.tsv", VALID_SCORES, "unit.json", CARD)
_PREDICTIONS = ("predictions.h5", "test.labels.0", "test.predictions.0")  # of windows, or of bins
_SCORES = {"": "scores.json", "valid.": VALID_SCORES}  # by what is put before their metrics
_RUN_FILES = ("experiment.yaml", "folds.json", "provenance.json", "summary.json", "summary.tsv", "report.html")
_STUDY_FILES = ("study.json", "winner.yaml", "comparison.html", "comparison.json", "units.tsv")
Kind = Literal["cv", "study", "configuration"]
# Makes MLflow's pages open as those of trainings, not of language models.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
_NOT_LOGGED = ("epoch", "seconds")


class Tracker:
    """Writes a run folder's progress to its MLflow store.

    A store that cannot be written never stops a run: the first failure is logged, ``problem`` says what it was,
    and what is missing is made up for when the same command runs again (:meth:`catch_up`).
    """

    def __init__(
        self, experiment: Experiment, run_folder: Path, *, kind: Kind = "cv", study: Tracker | None = None
    ) -> None:
        """Track a run's folder; a configuration of a ``study`` is a child of that run, in its store."""
        self.folder, self.kind, self.study = run_folder, kind, study
        self.store_folder = _store_folder(run_folder) if study is None else study.folder
        self.uri = experiment.tracking.uri or local_uri(self.store_folder)
        self.local = experiment.tracking.uri is None
        self.name = experiment.tracking.experiment or experiment.name
        self.problem: str | None = None
        self._record: dict[str, Any] = self._read_record()
        self._client: MlflowClient | None = None

    def open(self, parameters: Mapping[str, Any]) -> None:
        """Create or find the store, the experiment and the parent run."""
        self._guard(lambda: self._open(parameters))

    @property
    def run_id(self) -> str:
        """The id of the parent run; only after :meth:`open`."""
        return str(self._record["parent"])

    @property
    def _command(self) -> str:
        return "kerasac-ray cv" if self.kind == "cv" else "kerasac-ray tune"

    def needs(self, units: Sequence[Unit]) -> bool:
        """Whether the store is new, or lacks some of these finished units."""
        known = (self.store_folder / STORE).exists() if self.local else self._record.get("uri") == self.uri
        return not known or not all(self._record.get("logged", {}).get(unit.name) for unit in units)

    def start(self, unit: Unit) -> None:
        """Create or reopen the run of a unit."""
        self._guard(lambda: self._start(unit))

    def epoch(self, unit: Unit, row: Row) -> None:
        """Log the metrics of an epoch."""
        self._guard(lambda: self._log_epochs(unit, [row]))

    def fail(self, unit: Unit, message: str) -> None:
        """Mark a unit's run as failed."""
        self._guard(lambda: self._fail(unit, message))

    def interrupt(self, unit: Unit) -> None:
        """Mark a unit's run, if it has one, as ended before its time."""
        self._guard(lambda: self._interrupt(unit))

    def catch_up(self, unit: Unit) -> None:
        """Log all of a finished unit that the store does not have yet: epochs, scores, files, model."""
        self._guard(lambda: self._catch_up(unit))

    def close(self, *, finished: bool, metrics: Mapping[str, float]) -> None:
        """Log the summary and end the parent run."""
        self._guard(lambda: self._close(finished=finished, metrics=metrics))

    def _guard(self, action: Callable[[], None]) -> None:
        if self.problem is not None:
            return
        try:
            action()
        except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
            first_line = (str(error).splitlines() or ["no message"])[0]
            self.problem = f"{type(error).__name__}: {first_line}"
            logger.warning("MLflow at %s cannot be written (%s); the run goes on without it", self.uri, self.problem)

    @property
    def _store(self) -> MlflowClient:
        if self._client is None:
            self._client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        return self._client

    def _open(self, parameters: Mapping[str, Any]) -> None:
        # MLflow's own patience, seven tries with growing pauses, would hold up a training for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        # log_model, unlike the client, takes its store from the process.
        mlflow.set_tracking_uri(self.uri)
        known = self._store.get_experiment_by_name(self.name)
        if known is None:
            place = (self.store_folder / ARTIFACTS).resolve().as_uri() if self.local else None
            experiment_id = self._store.create_experiment(self.name, artifact_location=place, tags=_EXPERIMENT_TAGS)
        elif known.lifecycle_stage == "deleted":
            raise MlflowException(
                f"experiment {self.name!r} was deleted there; restore it (`mlflow experiments restore --experiment-id "
                f"{known.experiment_id}`), or set tracking.experiment to another name"
            )
        else:
            experiment_id = known.experiment_id
        if self._record.get("uri") != self.uri or not self._exists(self._record.get("parent")):
            tags = {"kerasac.kind": self.kind, **_SOURCE_TAGS, "mlflow.source.name": self._command}
            if self.study is not None:
                tags[_PARENT_TAG] = self.study.run_id
            parent = self._store.create_run(experiment_id, run_name=self.folder.name, tags=tags)
            ids = {"experiment": experiment_id, "parent": parent.info.run_id}
            self._record = {"uri": self.uri, **ids, "units": {}, "logged": {}}
            self._log_params(parent.info.run_id, parameters)
            self._write_record()
        self._store.update_run(self._record["parent"], status="RUNNING")

    def _start(self, unit: Unit) -> None:
        if self._record["logged"].pop(unit.name, False):
            del self._record["units"][unit.name]  # its folder was removed since: it is trained anew, as a new run
        self._run_of(unit)

    def _run_of(self, unit: Unit) -> str:
        """Return the id of a unit's run, created or set to running."""
        run_id: str | None = self._record["units"].get(unit.name)
        if run_id is None:
            tags = {
                _PARENT_TAG: self._record["parent"],
                "kerasac.kind": "unit",
                "kerasac.unit": unit.name,
                **_SOURCE_TAGS,
                "mlflow.source.name": self._command,
            }
            run = self._store.create_run(self._record["experiment"], run_name=unit.name, tags=tags)
            run_id = str(run.info.run_id)
            self._record["units"][unit.name] = run_id
            self._log_params(run_id, {"fold": unit.fold.index, "seed": unit.seed, **unit.fold.as_dict()})
            self._write_record()
        self._store.update_run(run_id, status="RUNNING")
        return run_id

    def _log_epochs(self, unit: Unit, rows: list[Row]) -> None:
        metrics = [
            Metric(name, value, timestamp=_now_ms(), step=int(row["epoch"]))
            for row in rows
            for name, value in row.items()
            if name not in _NOT_LOGGED
        ]
        if metrics:
            self._store.log_batch(self._record["units"][unit.name], metrics=metrics)

    def _fail(self, unit: Unit, message: str) -> None:
        run_id = self._run_of(unit)
        self._store.set_tag(run_id, "kerasac.error", message[:5000])
        self._store.set_terminated(run_id, status="FAILED")

    def _catch_up(self, unit: Unit) -> None:
        state = read_marker(unit.folder).get("state")
        if self._record["logged"].get(unit.name) in (True, state):
            return
        run_id = self._run_of(unit)
        logged = {metric.step for metric in self._store.get_metric_history(run_id, "val_loss")}
        self._log_epochs(unit, [row for row in read_history(unit.folder / "history.csv") if row["epoch"] not in logged])
        marker = read_marker(unit.folder)
        self._log_params(run_id, {key: marker.get(key) for key in ("plan_digest", "best_epoch", "model_parameters")})
        for prefix, name in _SCORES.items():
            self._log_scores(run_id, unit.folder / name, prefix)
        for name in (*_UNIT_FILES, *_PREDICTIONS):
            if (unit.folder / name).exists():
                self._store.log_artifact(run_id, str(unit.folder / name))
        if state != TUNED:
            self._store.log_artifacts(run_id, str(unit.folder / "plots"), "plots")
            self._log_model(run_id, unit)
        self._store.set_terminated(run_id, status="FINISHED")
        self._record["logged"][unit.name] = state
        self._write_record()

    def _log_scores(self, run_id: str, path: Path, prefix: str) -> None:
        if path.exists():
            scores = json.loads(path.read_text())["windows"]
            values = {f"{prefix}{where}.{name}": value for where, by in scores.items() for name, value in by.items()}
            metrics = [_metric(name, value) for name, value in values.items() if value is not None]
            self._store.log_batch(run_id, metrics=metrics)

    def _log_model(self, run_id: str, unit: Unit) -> None:
        """Log the .keras file as an MLflow model, loaded by our own loader; this process needs no TensorFlow."""
        with mlflow.start_run(run_id=run_id):
            mlflow.pyfunc.log_model(
                name="model",
                loader_module="kerasac.models.checkpoint",
                data_path=str(unit.folder / "model.keras"),
                pip_requirements=["kerasac-ray"],
            )

    def _interrupt(self, unit: Unit) -> None:
        run_id = self._record["units"].get(unit.name)
        if run_id is not None:
            self._store.set_terminated(run_id, status="KILLED")

    def _close(self, *, finished: bool, metrics: Mapping[str, float]) -> None:
        parent = self._record["parent"]
        self._store.log_batch(parent, metrics=[_metric(name, value) for name, value in metrics.items()])
        for name in (*_RUN_FILES, *_STUDY_FILES):
            if (self.folder / name).exists():
                self._store.log_artifact(parent, str(self.folder / name))
        self._store.set_terminated(parent, status="FINISHED" if finished else "FAILED")

    def _log_params(self, run_id: str, values: Mapping[str, Any]) -> None:
        params = [Param(key, str(value)[:6000]) for key, value in values.items() if value is not None]
        tags: list[RunTag] = []
        for low in range(0, len(params), 100):  # MLflow's limit a call
            self._store.log_batch(run_id, params=params[low : low + 100], tags=tags)

    def _exists(self, run_id: str | None) -> bool:
        if run_id is None:
            return False
        try:
            return bool(self._store.get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException:
            return False

    def _read_record(self) -> dict[str, Any]:
        path = self.folder / RECORD
        return json.loads(path.read_text()) if path.exists() else {}

    def _write_record(self) -> None:
        write_whole(self.folder / RECORD, json.dumps(self._record, indent=1) + "\n")


def _store_folder(run_folder: Path) -> Path:
    """Return the folder of a run's local store: its own, or that of the study that the run is a configuration of."""
    study = run_folder.resolve().parent
    record = run_folder / RECORD
    shared = record.exists() and json.loads(record.read_text())["uri"] == local_uri(study)
    return study if shared and (study / STORE).exists() else run_folder


def local_uri(run_folder: Path) -> str:
    """Return the address of a run folder's own store; absolute, since workers change their directory."""
    return f"sqlite:///{(run_folder / STORE).resolve()}"


def flat_parameters(experiment: Experiment) -> dict[str, Any]:
    """Return the experiment's keys as dotted parameters (``model.filters``), paths left as they are."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in value:
                walk(f"{prefix}.{inner['name']}", {k: v for k, v in inner.items() if k != "name"})
        else:
            flat[prefix] = value

    walk("", experiment.as_dict())
    return flat


def serve_ui(run_folder: Path, *, host: str, port: int) -> int:
    """Serve MLflow's pages for a run folder's store until interrupted; returns the server's exit status.

    Raises
    ------
    RunError
        When the folder holds no store, or a server keeps its runs.
    """
    record = run_folder / RECORD
    uri = json.loads(record.read_text())["uri"] if record.exists() else ""
    if uri.startswith("http"):
        raise RunError(f"{run_folder} is tracked by the MLflow server at {uri}; open that address in a browser")
    folder = (
        run_folder if (run_folder / STORE).exists() else run_folder.resolve().parent
    )  # of a configuration: its study's
    if not (folder / STORE).exists():
        raise RunError(f"{run_folder} holds no MLflow store ({STORE}); run `kerasac-ray cv` first, or name its folder")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", local_uri(folder)]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    # The job runner would start seven more processes, for features that are not used here.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0


def _metric(name: str, value: float) -> Metric:
    return Metric(name, float(value), timestamp=_now_ms(), step=0)


def _now_ms() -> int:
    return int(time.time() * 1000)


def newest_run(parent: Path) -> Path:
    """Return the run folder in ``parent`` whose store was written last; raises RunError when there is none."""
    stores = sorted(parent.glob(f"*/{STORE}"), key=lambda store: store.stat().st_mtime)
    if not stores:
        raise RunError(f"no run in {parent.resolve()}; run `kerasac-ray cv` first, or name a run folder")
    return stores[-1].parent
