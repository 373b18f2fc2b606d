"""Cross-validate an experiment: every fold and seed trained, predicted, scored, summed up and tracked."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from kerasac.cache import remove
from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.runs.launch import UnitAllotment, launch
from kerasac.runs.listening import Listener, finish
from kerasac.runs.lock import run_lock
from kerasac.runs.nodes import decode_on_other_nodes, node_shards
from kerasac.runs.origin import check_folder, write_origin
from kerasac.runs.progress import ProgressView
from kerasac.runs.session import closing_ray, ray_session
from kerasac.runs.tracking import Tracker, flat_parameters
from kerasac.runs.unit import Unit, is_done, read_marker
from kerasac.steps.check import checked
from kerasac.steps.prepared import Prepared
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
            write_origin(prepared, run_folder)
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
            listener = Listener(view, lambda unit: tracker)
            launch(prepared, pending, allotment, listener, scratch=scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return listener.failures


def _sum_up(units: Sequence[Unit], tracker: Tracker, run_folder: Path, failures: dict[str, str]) -> Summary:
    done = [unit for unit in units if is_done(unit.folder)]
    for unit in done:
        finish(unit, tracker)
    summary = summarize(run_folder) if done else None
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
