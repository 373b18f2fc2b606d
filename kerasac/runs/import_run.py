"""Bring a training of chrombpnet or bpnet into MLflow as one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from kerasac.cache import digest
from kerasac.config.specs import PASSWORD_IN_URI, has_password
from kerasac.errors import ConfigError, RunError
from kerasac.runs.foreign_run import ForeignKind, ForeignRun, read_foreign_run
from kerasac.runs.tracking_store import Store, explain
from kerasac.runs.tracking_unit import metrics_of, now_ms

IMPORTED_TAG = "kerasac.imported_from"  # tells one folder from another without saying where it lies


@dataclass(frozen=True)
class ImportedRun:
    """A run in MLflow that was read from another tool's folder. ``n_epochs`` counts the rows of its logs."""

    run_id: str
    name: str
    experiment: str
    store: str
    kind: ForeignKind
    n_parameters: int
    n_epochs: int
    n_metrics: int
    n_files: int
    kept_parameters: tuple[str, ...]


def import_run(
    folder: Path, *, kind: ForeignKind | None = None, experiment: str | None = None, uri: str | None = None, out: Path
) -> ImportedRun:
    """Log what another tool left in a folder: parameters, epochs, metrics, models, plots.

    The same folder again is the same run, which gets what is new. ``uri`` names a server; without it the store lies in
    ``out``.

    Raises
    ------
    ConfigError
        When ``uri`` holds a password.
    RunError
        When the folder cannot be read, or the store cannot be written.
    """
    if uri is not None and has_password(uri):
        raise ConfigError(f"--uri {PASSWORD_IN_URI}")
    folder = folder.resolve()
    found = read_foreign_run(folder, kind)
    if uri is None:
        out.mkdir(parents=True, exist_ok=True)
    store = Store(uri, out)
    try:
        return _log(store, found, experiment or found.kind)
    except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
        message = f"MLflow at {store.uri} cannot be written ({explain(error)}); run the same command again to go on"
        raise RunError(message) from error


def _log(store: Store, found: ForeignRun, experiment: str) -> ImportedRun:
    name = f"{found.folder.parent.name}/{found.folder.name}".lstrip("/")
    key = {IMPORTED_TAG: digest({"kind": found.kind, "folder": str(found.folder)})}
    tags = {"kerasac.kind": "imported", "kerasac.tool": found.kind, "mlflow.source.name": "kerasac-ray import-run"}
    run_id = store.run(store.experiment_id(experiment), name, key=key, tags=tags)
    kept = store.log_params(run_id, found.parameters)
    _log_epochs(store, run_id, found)
    store.log_scores(run_id, metrics_of(found.metrics))
    for path in found.files:
        place = path.parent.relative_to(found.folder)
        store.log_files(run_id, [path], place=None if place == Path() else str(place))
    store.client.set_terminated(run_id, status="FINISHED")
    return ImportedRun(
        run_id=run_id,
        name=name,
        experiment=experiment,
        store=store.uri,
        kind=found.kind,
        n_parameters=len(found.parameters),
        n_epochs=len(found.epochs),
        n_metrics=len(found.metrics),
        n_files=len(found.files),
        kept_parameters=tuple(kept),
    )


def _log_epochs(store: Store, run_id: str, found: ForeignRun) -> None:
    """Log the rows that the run lacks; the first metric of a row tells."""
    now = now_ms()
    known: dict[str, set[int]] = {}
    new: list[Metric] = []
    for step, row in found.epochs:
        first = next(iter(row), None)
        if first is None:
            continue
        if first not in known:
            known[first] = store.steps(run_id, first)
        if step not in known[first]:
            new += [Metric(name, value, now, step) for name, value in row.items()]
    store.log_metrics(run_id, new)
