"""Record runs in MLflow: a parent run an experiment, a child a fold and seed; a study has experiments as children."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from mlflow.entities import Metric

from kerasac.config import Experiment
from kerasac.runs.store_queue import Job, StoreQueue
from kerasac.runs.tracking_parameters import flat_parameters
from kerasac.runs.tracking_record import RECORD, Record, new_key, read_record, store_folder
from kerasac.runs.tracking_registry import register_model
from kerasac.runs.tracking_store import ARTIFACTS, PARENT_TAG, REPLACED_TAG, STORE, Store, explain, local_uri, passes
from kerasac.runs.tracking_ui import newest_run, serve_ui
from kerasac.runs.tracking_unit import (
    CARD,
    EPOCH_METRIC,
    FACTS,
    HISTORY,
    PREDICTIONS,
    UNIT_FILES,
    epoch_metrics,
    metrics_of,
    scored_metrics,
    valid_metrics,
)
from kerasac.runs.unit import TUNED, Unit, read_marker
from kerasac.steps.history import Row, read_history

__all__ = [
    "ARTIFACTS",
    "CARD",
    "PATIENCE_S",
    "RECORD",
    "STORE",
    "Kind",
    "Tracker",
    "flat_parameters",
    "local_uri",
    "newest_run",
    "serve_ui",
]

logger = logging.getLogger(__name__)

PATIENCE_S = 30.0  # without anything arriving, after which a command ends and leaves the rest for the next one
_RUN_FILES = ("experiment.yaml", "folds.json", "provenance.json", "summary.json", "summary.tsv", "report.html")
_STUDY_FILES = (
    "study.json",
    "study.html",
    "winner.yaml",
    "comparison.html",
    "comparison.json",
    "units.tsv",
    "trials.json",
)
_KEY, _UNIT, _ERROR, _DROPPED = "kerasac.key", "kerasac.unit", "kerasac.error", "kerasac.dropped"
Kind = Literal["cv", "study", "configuration"]


class Tracker:
    """Writes a run folder's progress to its MLflow store.

    Every method queues what it has to say and returns at once; a thread, which a study's trackers share, sends it. A
    store that is slow or away never holds up or stops a run: ``problem`` says what is wrong, what could not be sent is
    tried again, and when the same command runs again it is made up for from the run folder (:meth:`catch_up`).
    """

    def __init__(
        self, experiment: Experiment, run_folder: Path, *, kind: Kind = "cv", study: Tracker | None = None
    ) -> None:
        """Track a run's folder; a configuration of a ``study`` is a child of that run, in its store."""
        self.folder, self.kind, self.study = run_folder, kind, study
        if study is None:
            self.store = Store(experiment.tracking.uri, store_folder(run_folder))
            self.queue = StoreQueue(self.store.uri, passes, explain)
        else:
            self.store, self.queue = study.store, study.queue
        self.name = experiment.tracking.experiment or experiment.name
        # All below is used by the thread that sends alone, but for the rows.
        self._record = read_record(run_folder)
        self._is_open = False
        self._seen: set[str] = set()  # units whose run is known to be there
        self._steps: dict[str, set[int]] = {}  # epochs that a unit's run has
        self._rows: dict[str, list[list[Metric]]] = {}  # epochs that gather, by unit
        self._rows_lock = Lock()

    @property
    def problem(self) -> str | None:
        """What keeps MLflow from having everything; none when it has, or when it may still get it."""
        return self.queue.problem

    def needs(self, units: Sequence[Unit]) -> bool:
        """Whether the store is new, or lacks some of these finished units or the summary; before :meth:`open`."""
        record = self._record
        known = (self.store.folder / STORE).exists() if self.store.local else record.uri == self.store.uri
        return not (known and record.closed and all(record.has(unit.name) for unit in units))

    def open(self, parameters: Mapping[str, Any]) -> None:
        """Create or find the store, the experiment and the parent run; a study before its configurations."""
        values = dict(parameters)
        self.queue.put(Job(f"the run of {self.folder.name}", lambda: self._open(values)))

    def start(self, unit: Unit) -> None:
        """Create or reopen the run of a unit."""
        is_new = not (unit.folder / HISTORY).exists()
        with self._rows_lock:
            self._rows.pop(unit.name, None)  # what comes now is of this start
        self._put(f"the start of {unit.title}", lambda: self._start(unit, is_new=is_new))

    def epoch(self, unit: Unit, row: Row) -> None:
        """Log the metrics of an epoch; those that gather while the store is slow go in one call."""
        with self._rows_lock:
            rows = self._rows.get(unit.name)
            if rows is not None:
                rows.append(epoch_metrics(row))
                return
            rows = self._rows[unit.name] = [epoch_metrics(row)]
        self._put(f"epochs of {unit.title}", lambda: self._send_rows(unit, rows))

    def pause(self, unit: Unit) -> None:
        """Log the epochs and validation scores that a unit has so far; its run goes on."""
        epochs, scores = _epochs(unit), valid_metrics(unit.folder)  # now: the unit may go on and change its files
        self._put(f"scores of {unit.title}", lambda: self._pause(unit, epochs, scores))

    def drop(self, unit: Unit, reason: str) -> None:
        """End the run of a unit that is not trained further."""
        self._put(f"the end of {unit.title}", lambda: self._drop(unit, reason))

    def fail(self, unit: Unit, message: str) -> None:
        """Mark a unit's run as failed."""
        self._put(f"the failure of {unit.title}", lambda: self._fail(unit, message))

    def interrupt(self, unit: Unit) -> None:
        """Mark a unit's run, if it has one, as ended before its time."""
        self._put(f"the interruption of {unit.title}", lambda: self._interrupt(unit))

    def catch_up(self, unit: Unit) -> None:
        """Log all of a finished unit that the store does not have yet: epochs, scores, files, model."""
        self._put(f"results of {unit.title}", lambda: self._catch_up(unit))

    def register(self, model: Unit | Path, *, name: str, alias: str, description: str) -> str | None:
        """Register a unit's model, or a .keras file, under a name and an alias; before :meth:`close`.

        Returns its address in the registry, ``models:/<name>/<version>``, or None when the store is away or too slow;
        then the same call of a later command registers it. Once registered it gets no further version.
        """
        path = model.folder / "model.keras" if isinstance(model, Unit) else model
        found: list[str] = []
        self._put(
            f"the registered model {name}",
            lambda: found.append(self._register(path, name=name, alias=alias, description=description)),
        )
        self.queue.wait(PATIENCE_S)
        return found[0] if found else None

    def close(self, *, finished: bool, metrics: Mapping[str, float]) -> None:
        """Log the summary and end the parent run.

        The tracker of a study, or of a run of its own, waits for what is not sent yet, a bounded time.
        """
        values = dict(metrics)
        self._put(f"the summary of {self.folder.name}", lambda: self._close(finished=finished, metrics=values))
        if self.study is None:
            self.queue.finish(PATIENCE_S)

    def _put(self, what: str, send: Callable[[], None]) -> None:
        # Without a parent run there is nothing to add to; why there is none has been said.
        self.queue.put(Job(what, lambda: send() if self._is_open else None))

    def _open(self, parameters: Mapping[str, Any]) -> None:
        if self.study is not None and not self.study._is_open:
            return
        experiment = self.store.experiment_id(self.name)
        tags = _tags(self.kind)
        if self.study is not None:
            tags[PARENT_TAG] = str(self.study._record.parent)
        record = self._record
        if record.uri != self.store.uri or not self.store.has_run(record.parent):
            was_written = record.uri == self.store.uri and record.parent is None  # by a try that went wrong then
            record = self._record = Record(self.store.uri, experiment, key=record.key if was_written else new_key())
            record.write(self.folder)
        if record.parent is None:
            record.parent = self.store.run(experiment, self.folder.name, key={_KEY: record.key}, tags=tags)
        record.closed = False
        record.write(self.folder)
        self._log_params(record.parent, parameters)
        self.store.client.update_run(record.parent, status="RUNNING")
        self._is_open = True

    def _start(self, unit: Unit, *, is_new: bool) -> None:
        self._record.logged.pop(unit.name, None)
        run_id = self._run_of(unit)
        if is_new and self._known_steps(unit, run_id):
            # Its folder was removed since: it is trained anew, as a new run.
            self.store.client.set_tag(run_id, REPLACED_TAG, "trained anew")
            self._forget(unit)
            run_id = self._run_of(unit)
        self._steps.pop(unit.name, None)
        self._reopen(run_id)

    def _reopen(self, run_id: str) -> None:
        tags = self.store.client.get_run(run_id).data.tags
        for tag in (_ERROR, _DROPPED):
            if tag in tags:
                self.store.client.delete_tag(run_id, tag)
        self.store.client.update_run(run_id, status="RUNNING")

    def _run_of(self, unit: Unit) -> str:
        """Return the id of a unit's run, created when it has none or it was deleted."""
        record = self._record
        known = record.units.get(unit.name)
        if known is not None and (unit.name in self._seen or self.store.has_run(known)):
            self._seen.add(unit.name)
            return known
        key = {PARENT_TAG: str(record.parent), _UNIT: unit.name}
        run_id = self.store.run(record.experiment, unit.name, key=key, tags=_tags("unit", of=self.kind))
        self._log_params(run_id, {"fold": unit.fold.index, "seed": unit.seed, **unit.fold.as_dict()})
        record.units[unit.name] = run_id
        record.logged.pop(unit.name, None)
        record.write(self.folder)
        self._seen.add(unit.name)
        return run_id

    def _forget(self, unit: Unit) -> None:
        self._record.units.pop(unit.name, None)
        self._seen.discard(unit.name)
        self._steps.pop(unit.name, None)

    def _known_steps(self, unit: Unit, run_id: str) -> set[int]:
        if unit.name not in self._steps:
            self._steps[unit.name] = self.store.steps(run_id, EPOCH_METRIC)
        return self._steps[unit.name]

    def _send_rows(self, unit: Unit, rows: list[list[Metric]]) -> None:
        with self._rows_lock:
            if self._rows.get(unit.name) is rows:
                del self._rows[unit.name]  # further ones gather for another call
        self._log_epochs(unit, self._run_of(unit), rows)

    def _log_epochs(self, unit: Unit, run_id: str, rows: Sequence[Sequence[Metric]]) -> None:
        known = self._known_steps(unit, run_id)
        new = {row[0].step: row for row in rows if row and row[0].step not in known}
        self.store.log_metrics(run_id, [metric for row in new.values() for metric in row])
        known.update(new)

    def _pause(self, unit: Unit, epochs: Sequence[Sequence[Metric]], scores: Sequence[Metric]) -> None:
        run_id = self._run_of(unit)
        self._log_epochs(unit, run_id, epochs)
        self.store.log_scores(run_id, scores)

    def _drop(self, unit: Unit, reason: str) -> None:
        run_id = self._run_of(unit)
        self._log_epochs(unit, run_id, _epochs(unit))
        self.store.log_scores(run_id, valid_metrics(unit.folder))
        self.store.client.set_tag(run_id, _DROPPED, reason[:5000])
        self.store.client.set_terminated(run_id, status="FINISHED")

    def _fail(self, unit: Unit, message: str) -> None:
        run_id = self._run_of(unit)
        self.store.client.set_tag(run_id, _ERROR, message[:5000])
        self.store.client.set_terminated(run_id, status="FAILED")

    def _interrupt(self, unit: Unit) -> None:
        run_id = self._record.units.get(unit.name)
        if run_id is not None and self.store.has_run(run_id):
            self.store.client.set_terminated(run_id, status="KILLED")

    def _catch_up(self, unit: Unit) -> None:
        marker = read_marker(unit.folder)
        state = marker.get("state")
        run_id = self._run_of(unit)
        if self._record.logged.get(unit.name) in (True, state):
            return
        self._log_epochs(unit, run_id, _epochs(unit))
        self._log_params(run_id, {key: marker.get(key) for key in FACTS})
        self.store.log_scores(run_id, scored_metrics(unit.folder))
        self.store.log_scores(run_id, valid_metrics(unit.folder))
        self.store.log_files(run_id, [unit.folder / name for name in (*UNIT_FILES, *PREDICTIONS)])
        if state != TUNED:
            self.store.log_files(run_id, sorted((unit.folder / "plots").glob("*")), place="plots")
            self.store.log_model(run_id, unit.folder / "model.keras")
        self.store.client.set_terminated(run_id, status="FINISHED")
        self._record.logged[unit.name] = state
        self._record.write(self.folder)

    def _register(self, path: Path, *, name: str, alias: str, description: str) -> str:
        run_id = str(self._record.parent)
        return register_model(self.store, run_id, path, name=name, alias=alias, description=description)

    def _close(self, *, finished: bool, metrics: Mapping[str, float]) -> None:
        parent = str(self._record.parent)
        self.store.log_scores(parent, metrics_of(metrics))
        self.store.log_files(parent, [self.folder / name for name in (*_RUN_FILES, *_STUDY_FILES)])
        self.store.client.set_terminated(parent, status="FINISHED" if finished else "FAILED")
        self._record.closed = True
        self._record.write(self.folder)

    def _log_params(self, run_id: str, values: Mapping[str, Any]) -> None:
        if kept := self.store.log_params(run_id, values):
            logger.debug("run %s keeps its first values of %s, as MLflow does", run_id, ", ".join(kept))


def _epochs(unit: Unit) -> list[list[Metric]]:
    return [epoch_metrics(row) for row in read_history(unit.folder / HISTORY)]


def _tags(kind: str, *, of: Kind | None = None) -> dict[str, str]:
    command = "kerasac-ray cv" if (of or kind) == "cv" else "kerasac-ray tune"
    return {"kerasac.kind": kind, "mlflow.source.name": command, "mlflow.source.type": "LOCAL"}
