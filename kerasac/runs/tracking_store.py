"""Speak to one MLflow store: every call may be made again after it failed, and then leaves nothing twice."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from kerasac.cache.files import file_digest

STORE, ARTIFACTS = "mlflow.db", "mlartifacts"
PARENT_TAG = "mlflow.parentRunId"
REPLACED_TAG = "kerasac.replaced"  # of a run whose unit was trained anew since
_DIGEST_TAG = "kerasac.digest"  # of a logged model's file
# Makes MLflow's pages open as those of trainings, not of language models.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
_A_CALL = {"metrics": 1000, "params": 100}  # MLflow's limits
_GONE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_AWAY = (
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "RESOURCE_EXHAUSTED",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "ABORTED",
)
# The queue tries again itself, and says so once; MLflow's own tries would be logged one by one.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # where a command's results go
}
_Item = TypeVar("_Item")
_REASON = re.compile(r"\[Errno [-\d]+\] ([\w ]+)")  # in what the layers below MLflow say
_SIGN_IN = "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"


def local_uri(run_folder: Path) -> str:
    """Return the address of a run folder's own store; absolute, since workers change their directory."""
    return f"sqlite:///{(run_folder / STORE).resolve()}"


class Store:
    """One MLflow store: a server, or the file of a folder. Used by one thread at a time."""

    def __init__(self, uri: str | None, folder: Path) -> None:
        """Name a store; without a ``uri`` it is the folder's own. Nothing is opened yet."""
        self.folder, self.local = folder, uri is None
        self.uri = uri or local_uri(folder)

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client; made at first use, which creates a local store."""
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        # It prints a traceback for what the queue says in one line.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        if self.local and not (self.folder / STORE).exists():
            _create(self.folder / STORE)
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment, created when there is none."""
        known = self.client.get_experiment_by_name(name)
        if known is None:
            place = (self.folder / ARTIFACTS).resolve().as_uri() if self.local else None
            return str(self.client.create_experiment(name, artifact_location=place, tags=_EXPERIMENT_TAGS))
        if known.lifecycle_stage == "deleted":
            raise ValueError(
                f"experiment {name!r} was deleted there; restore it (`mlflow experiments restore --experiment-id "
                f"{known.experiment_id}`), or set tracking.experiment to another name"
            )
        return str(known.experiment_id)

    def has_run(self, run_id: str | None) -> bool:
        """Whether a run is there and not deleted."""
        if run_id is None:
            return False
        try:
            return bool(self.client.get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code in _GONE:
                return False
            raise

    def run(self, experiment_id: str, name: str, *, key: Mapping[str, str], tags: Mapping[str, str]) -> str:
        """Return the id of the run with the tags of ``key``, created when there is none.

        A run may have been created although the answer was lost, so it is looked for first.
        """
        wanted = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in key.items())
        found = [run for run in self.client.search_runs([experiment_id], wanted) if REPLACED_TAG not in run.data.tags]
        run = found[0] if found else self.client.create_run(experiment_id, run_name=name, tags={**tags, **key})
        return str(run.info.run_id)

    def log_params(self, run_id: str, values: Mapping[str, Any]) -> list[str]:
        """Log the parameters that a run lacks; returns those that it has with another value, which stays."""
        known = self.client.get_run(run_id).data.params
        wanted = {name: str(value)[:6000] for name, value in values.items() if value is not None}
        params = [Param(name, value) for name, value in wanted.items() if name not in known]
        for some in _portions(params, _A_CALL["params"]):
            self.client.log_batch(run_id, params=some)
        return [name for name, value in wanted.items() if known.get(name, value) != value]

    def log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Log metrics; the very same ones again change nothing."""
        for some in _portions(metrics, _A_CALL["metrics"]):
            self.client.log_batch(run_id, metrics=some)

    def log_scores(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Log metrics that belong together, unless they are there; the first one tells."""
        if not metrics:
            return
        first = metrics[0]
        there = [(one.step, one.value) for one in self.client.get_metric_history(run_id, first.key)]
        if (first.step, first.value) not in there:
            self.log_metrics(run_id, metrics)

    def steps(self, run_id: str, name: str) -> set[int]:
        """Return the steps at which a metric is logged."""
        return {metric.step for metric in self.client.get_metric_history(run_id, name)}

    def log_files(self, run_id: str, files: Iterable[Path], *, place: str | None = None) -> None:
        """Log those of the files that are there."""
        for path in files:
            if path.exists():
                self.client.log_artifact(run_id, str(path), place)

    def log_model(self, run_id: str, path: Path) -> str:
        """Log a .keras file as a model of a run, unless it is one already; returns its address, ``models:/<id>``.

        It is loaded by our own loader: this process needs no TensorFlow.
        """
        digest = file_digest(path)
        run = self.client.get_run(run_id)
        of_run = f"source_run_id = '{run_id}'"
        for model in self.client.search_logged_models([run.info.experiment_id], of_run):
            if model.tags.get(_DIGEST_TAG) == digest and model.status == "READY":
                return str(model.model_uri)
        mlflow.set_tracking_uri(self.uri)  # log_model, unlike the client, takes its store from the process
        mlflow.set_registry_uri(self.uri)
        with mlflow.start_run(run_id=run_id):
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module="kerasac.models.checkpoint",
                data_path=str(path),
                pip_requirements=["kerasac-ray"],
                tags={_DIGEST_TAG: digest},
            )
        self.client.update_run(run_id, status=run.info.status)  # as it was before
        return str(logged.model_uri)


def passes(error: Exception) -> bool:
    """Whether it is the store that is away, so that the same call may succeed later."""
    if isinstance(error, MlflowException):
        return error.error_code in _AWAY or isinstance(error.__cause__, SQLAlchemyError)
    # A file that is gone will not come back; a full disk may be emptied.
    return isinstance(error, SQLAlchemyError | OSError) and not isinstance(error, FileNotFoundError)


def explain(error: Exception) -> str:
    """Say in one line what went wrong, and the way out where it is known."""
    line = (str(error).splitlines() or ["no message"])[0][:300]
    if "failed with exception" in line and (reason := _REASON.search(str(error))):
        return f"it cannot be reached: {reason[1]}"
    code = error.error_code if isinstance(error, MlflowException) else ""
    away_out = _SIGN_IN if code in ("UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED") else ""
    kind = type(error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error).__name__
    return f"{kind}: {line}{away_out}"


def _create(path: Path) -> None:
    """Make an empty store; it appears when it is whole, as MLflow cannot go on with one that a full disk cut short."""
    beside = path.with_name(f".{path.name}.partial")
    for left in path.parent.glob(f"{beside.name}*"):
        left.unlink()
    MlflowClient(tracking_uri=f"sqlite:///{beside.resolve()}").search_experiments(max_results=1)
    beside.rename(path)


def _portions(items: Sequence[_Item], size: int) -> Iterable[Sequence[_Item]]:
    return (items[low : low + size] for low in range(0, len(items), size))
