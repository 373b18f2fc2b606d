"""Cross-validate an experiment: every fold and seed trained, predicted, scored, summed up and tracked."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from kerasac.cache import file_facts, remove, write_whole
from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.genome.fold_files import write_folds
from kerasac.runs.launch import UnitAllotment, launch
from kerasac.runs.lock import run_lock
from kerasac.runs.nodes import decode_on_other_nodes, node_shards
from kerasac.runs.progress import ProgressView
from kerasac.runs.session import closing_ray, ray_session
from kerasac.runs.tracking import CARD, Tracker, flat_parameters
from kerasac.runs.trial import versions
from kerasac.runs.unit import MARKER, Event, Unit, is_done, read_marker
from kerasac.steps.card import write_card
from kerasac.steps.check import checked
from kerasac.steps.prepared import UNIT_INDEPENDENT, Prepared
from kerasac.steps.report import write_report
from kerasac.steps.summary import Summary, summarize

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation left: its folder, the summary over units, and how many were trained this time."""

    folder: Path
    summary: Summary
    n_trained: int
    n_kept: int
    seconds: float
    tracking_problem: str | None


def cross_validate(experiment: Experiment, run_folder: Path, *, console: Console) -> CrossValidation:
    """Train, predict and score every fold × seed of an experiment, then sum up.

    Finished units in ``run_folder`` are kept, interrupted ones go on at their last epoch.

    Raises
    ------
    KerasacError
        Before any training: whatever is wrong with the experiment, or the folder holds another one.
    RunError
        After all units have ended, when some failed or the run was interrupted; finished ones are kept.
    """
    with closing_ray():
        return _cross_validate(experiment, run_folder, console)


def _cross_validate(experiment: Experiment, run_folder: Path, console: Console) -> CrossValidation:
    started = time.perf_counter()
    with node_shards() as shards:
        prepared = checked(experiment, shards)
    run_folder = run_folder.resolve()
    units = [Unit(fold, seed, str(run_folder)) for seed in experiment.seeds for fold in prepared.folds]
    _make(run_folder)
    with run_lock(run_folder):
        check_folder(prepared, run_folder)
        pending = [unit for unit in units if not is_done(unit.folder)]
        if pending or not (run_folder / "provenance.json").exists():
            _write_origin(prepared, run_folder)
        tracker = Tracker(experiment, run_folder)
        summed_up = all((run_folder / name).exists() for name in ("summary.json", "report.html"))
        if pending or not summed_up or tracker.needs(units):
            tracker.open(flat_parameters(experiment))
            failures = _run(prepared, units, pending, tracker, console) if pending else {}
            summary = _sum_up(units, tracker, run_folder, failures)
        else:
            summary = summarize(run_folder)
    return CrossValidation(
        folder=run_folder,
        summary=summary,
        n_trained=len(pending),
        n_kept=len(units) - len(pending),
        seconds=time.perf_counter() - started,
        tracking_problem=tracker.problem,
    )


def check_folder(prepared: Prepared, run_folder: Path) -> None:
    """Raise RunError when the folder holds results of another experiment, another array or other folds.

    All units there count, not only those asked for now: the summary is over all of them.
    """
    fingerprint = prepared.fingerprint()
    splits = {f"fold-{fold.index}": fold.as_dict() for fold in prepared.folds}
    for path in sorted(run_folder.glob(f"fold-*/seed-*/{MARKER}")):
        unit, fold = path.parent, path.parent.parent.name
        marker = read_marker(unit)
        if fold in splits and marker.get("split") != splits[fold]:
            raise RunError(
                f"{unit} was made with other chromosomes in its splits; choose another --out, or remove {run_folder}"
            )
        if marker.get("fingerprint") != fingerprint:
            changed = _changes(prepared.experiment, run_folder)
            raise RunError(
                f"{unit} was made by another experiment ({changed}); choose another --out, or remove {run_folder}"
            )


def _run(
    prepared: Prepared, units: Sequence[Unit], pending: Sequence[Unit], tracker: Tracker, console: Console
) -> dict[str, str]:
    """Run what is pending; returns the messages of the units that failed."""
    compute = prepared.experiment.compute
    epochs = prepared.experiment.training.epochs
    run_folder = Path(pending[0].run_folder)
    scratch = run_folder / ".ray"
    remove(scratch)
    with ray_session() as resources:
        allotment = UnitAllotment(compute, len(pending), resources, decoded=prepared.source.in_memory)
        logger.info("%d units, %s", len(pending), allotment.describe())
        decode_on_other_nodes(prepared.source)
        with ProgressView(pending, epochs, console, finished=len(units) - len(pending)) as view:
            listener = _Listener(view, tracker)
            launch(prepared, pending, allotment, listener, scratch=scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return listener.failures


class _Listener:
    """Passes a unit's events to the screen and to MLflow, and keeps the failures."""

    def __init__(self, view: ProgressView, tracker: Tracker) -> None:
        self.view, self.tracker = view, tracker
        self.failures: dict[str, str] = {}

    def started(self, unit: Unit) -> None:
        self.view.started(unit)
        self.tracker.start(unit)

    def heard(self, unit: Unit, event: Event) -> None:
        self.view.heard(unit, event)
        kind = event.get("event")
        if kind == "epoch":
            self.tracker.epoch(unit, _metrics(event))
        elif kind == "done":
            _finish(unit, self.tracker)
        elif kind == "failed":
            self._fail(unit, event["message"])

    def died(self, unit: Unit, message: str) -> None:
        self.view.died(unit, message)
        self._fail(unit, message)

    def _fail(self, unit: Unit, message: str) -> None:
        self.failures[unit.name] = message
        self.tracker.fail(unit, message)


def _finish(unit: Unit, tracker: Tracker) -> None:
    """Write the card of a finished unit's model, and log what MLflow lacks of it."""
    if not (unit.folder / CARD).exists():
        write_card(unit.folder, unit.folder / CARD)
    tracker.catch_up(unit)


def _metrics(event: Event) -> dict[str, float]:
    """Keep the row of history.csv out of what Tune adds to a result."""
    names = ("epoch", "learning_rate", "seconds")
    return {
        key: float(value)
        for key, value in event.items()
        if key in names or key == "loss" or key.endswith("_loss") or key.startswith("val_")
    }


def _sum_up(units: Sequence[Unit], tracker: Tracker, run_folder: Path, failures: dict[str, str]) -> Summary:
    done = [unit for unit in units if is_done(unit.folder)]
    for unit in done:
        _finish(unit, tracker)
    summary = None
    if done:
        summary = summarize(run_folder)
        write_report(run_folder)
    missing = [unit for unit in units if unit not in done]
    for unit in missing:
        if unit.name not in failures:
            tracker.interrupt(unit)
    tracker.close(finished=not missing, metrics=_means(summary) if summary is not None else {})
    if summary is not None and not missing:
        return summary
    lines = [f"{unit.name}: {failures.get(unit.name, _interrupted(unit))}" for unit in missing]
    kept = f"{len(done)} of {len(units)} units are finished and kept"
    raise RunError("\n".join([f"{kept}; the same command goes on with the rest.", *lines]))


def _interrupted(unit: Unit) -> str:
    return "was interrupted" if read_marker(unit.folder) else "was not started"


def _make(run_folder: Path) -> None:
    try:
        run_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the run folder {run_folder} ({error.strerror}); choose another --out") from error


def _means(summary: Summary) -> dict[str, float]:
    return {
        f"{windows}.{name}": metric.mean
        for windows, by_name in summary.metrics.items()
        for name, metric in by_name.items()
        if metric.mean is not None
    }


def _write_origin(prepared: Prepared, run_folder: Path) -> None:
    """Write what the run is and where it came from."""
    write_whole(run_folder / "experiment.yaml", prepared.experiment.to_yaml())
    write_folds(run_folder / "folds.json", prepared.folds)
    write_whole(run_folder / "provenance.json", json.dumps(_provenance(prepared), indent=1, default=str) + "\n")


def _provenance(prepared: Prepared) -> dict[str, Any]:
    experiment = prepared.experiment
    regions, negatives = experiment.sampling.regions, experiment.sampling.negatives
    files: list[Path | None] = [
        experiment.genome.fasta,
        experiment.genome.blacklist,
        experiment.score.peaks,
        regions.bed if regions else None,
        negatives.bed if negatives else None,
        *experiment.folds.files,
    ]
    return {
        "command": " ".join(sys.argv),
        "versions": versions(),
        "git_commit": _git_commit((experiment.store or experiment.genome.fasta).parent),
        "fingerprint": prepared.fingerprint(),
        **prepared.origin(),
        "inputs": [file_facts(path) for path in dict.fromkeys(files) if path is not None],
        "left_out": dict(prepared.left_out),
    }


def _git_commit(folder: Path) -> str | None:
    """Return the commit of the experiment's repository, if it is in one."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
        return done.stdout.strip() or None
    return None


def _changes(experiment: Experiment, run_folder: Path) -> str:
    """Say which keys differ from the experiment that the folder holds."""
    path = run_folder / "experiment.yaml"
    before = yaml.safe_load(path.read_text()) if path.exists() else {}
    after = experiment.as_dict()
    flat_before, flat_after = _flat(before), _flat(after)
    changed = [
        f"{key}: {flat_before.get(key)} → {flat_after.get(key)}"
        for key in dict.fromkeys((*flat_before, *flat_after))
        if flat_before.get(key) != flat_after.get(key) and key.split(".")[0] not in UNIT_INDEPENDENT
    ]
    return "; ".join(changed[:4]) or "the array or a BED file changed since"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        items = [(str(i), inner) for i, inner in enumerate(value)]
    else:
        return {prefix: value}
    return {k: v for key, inner in items for k, v in _flat(inner, f"{prefix}.{key}" if prefix else key).items()}
