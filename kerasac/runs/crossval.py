"""Cross-validate an experiment: every fold and seed trained, predicted, scored, summed up and tracked."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from kerasac.cache import remove
from kerasac.config import Experiment
from kerasac.errors import RunError, ScoreError
from kerasac.runs.cluster_nodes import check_experiment_on_nodes
from kerasac.runs.heartbeat import heartbeat
from kerasac.runs.launch import UnitAllotment, launch
from kerasac.runs.listening import Listener, finish
from kerasac.runs.lock import run_lock
from kerasac.runs.nodes import decode_on_other_nodes, node_shards
from kerasac.runs.origin import check_folder, write_origin
from kerasac.runs.progress import ProgressView
from kerasac.runs.run_at_url import RunPlace, run_place
from kerasac.runs.session import closing_ray, ray_session
from kerasac.runs.stopping import stopping
from kerasac.runs.tracking import Tracker, flat_parameters
from kerasac.runs.tracking_moved import follow
from kerasac.runs.unit import Unit, is_done
from kerasac.runs.unit_status import how_far
from kerasac.steps.check import checked
from kerasac.steps.prepared import Prepared
from kerasac.steps.report import write_report
from kerasac.steps.summary import Summary, summarize

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation left: its folder, the summary over units, and how many were trained this time.

    ``stopped`` says why it ended before all was done; then ``unfinished`` are units with how far they are, the summary
    is over the others (None when there are none), and the same command goes on.
    """

    folder: Path
    summary: Summary | None
    n_trained: int
    n_kept: int
    seconds: float
    tracking_problem: str | None
    stopped: str | None = None
    unfinished: Mapping[str, str] = field(default_factory=dict)
    exit_status: int = 0


def cross_validate(
    experiment: Experiment, run_folder: Path, *, console: Console, stop_after_s: float | None = None
) -> CrossValidation:
    """Train, predict and score every fold × seed of an experiment, then sum up.

    ``run_folder`` may be the path of a URL, which a folder of this machine mirrors then. Finished units in it are kept,
    interrupted ones go on at their last epoch. It stops at the end of an epoch when it is asked to: after
    ``stop_after_s``, or as :mod:`kerasac.runs.stopping` says.

    Raises
    ------
    KerasacError
        Before any training: whatever is wrong with the experiment, or the folder holds another one.
    RunError
        After all units have ended, when some failed; finished ones are kept.
    """
    with run_place(run_folder, partial(console.print, markup=False, highlight=False)) as place, closing_ray():
        return _cross_validate(experiment, place, console, stop_after_s)


class _Outcome(NamedTuple):
    """How the units of a run ended: messages of those that failed, and why the run was asked to stop."""

    failures: Mapping[str, str]
    stopped: str | None = None
    exit_status: int = 0


def _cross_validate(
    experiment: Experiment, place: RunPlace, console: Console, stop_after_s: float | None
) -> CrossValidation:
    started = time.monotonic()
    with node_shards() as shards:
        prepared = checked(experiment, shards)
    run_folder = place.folder.resolve()
    units = [Unit(fold, seed, str(run_folder), url=place.url) for seed in experiment.seeds for fold in prepared.folds]
    _make(run_folder)
    outcome = _Outcome({})
    with run_lock(run_folder):
        check_folder(prepared, run_folder)
        pending = [unit for unit in units if not is_done(unit.folder)]
        if pending or not (run_folder / "provenance.json").exists():
            write_origin(prepared, run_folder)
            place.save()
        follow(run_folder)
        tracker = Tracker(experiment, run_folder)
        summed_up = all((run_folder / name).exists() for name in ("summary.json", "report.html"))
        if pending or not summed_up or tracker.needs(units):
            tracker.open(flat_parameters(experiment))
            if pending:
                outcome = _run(prepared, units, pending, tracker, console, (stop_after_s, started))
            summary = _sum_up(units, tracker, run_folder, outcome)
        else:
            summary = summarize(run_folder)
    unfinished = {unit.name: how_far(unit) for unit in units if not is_done(unit.folder)}
    return CrossValidation(
        folder=run_folder,
        summary=summary,
        n_trained=len(pending) - len(unfinished),
        n_kept=len(units) - len(pending),
        seconds=time.monotonic() - started,
        tracking_problem=tracker.problem,
        stopped=outcome.stopped if unfinished else None,
        unfinished=unfinished,
        exit_status=outcome.exit_status if unfinished else 0,
    )


def _run(
    prepared: Prepared,
    units: Sequence[Unit],
    pending: Sequence[Unit],
    tracker: Tracker,
    console: Console,
    limit: tuple[float | None, float],
) -> _Outcome:
    """Run what is pending, until a limit of seconds since a time."""
    compute, epochs = prepared.experiment.compute, prepared.experiment.training.epochs
    run_folder = Path(pending[0].run_folder)
    scratch = run_folder / ".ray"
    remove(scratch)
    with stopping(run_folder, after_s=limit[0], since=limit[1]) as stop, ray_session() as resources:
        stop.hold_signals()  # Ray has taken one
        check_experiment_on_nodes(prepared.experiment, Path(pending[0].url or run_folder))
        allotment = UnitAllotment(compute, len(pending), resources, decoded=prepared.source.in_memory)
        logger.info("%d units, %s", len(pending), allotment.describe())
        decode_on_other_nodes(prepared.source)
        view = ProgressView(pending, epochs, console, finished=len(units) - len(pending))
        listener = Listener(view, lambda unit: tracker, stop=stop)
        with view, heartbeat(run_folder, view, stop=stop, gpus=allotment.share.gpus):
            if stop.reason is None:
                launch(prepared, pending, allotment, listener, scratch=scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return _Outcome(listener.failures, stop.reason, stop.exit_status)


def _sum_up(units: Sequence[Unit], tracker: Tracker, run_folder: Path, outcome: _Outcome) -> Summary | None:
    """Write the summary and the report of what is done, and end the tracking; None when nothing is done.

    Raises
    ------
    RunError
        When units failed, or ended without having been asked to.
    """
    done = [unit for unit in units if is_done(unit.folder)]
    for unit in done:
        finish(unit, tracker)
    missing = [unit for unit in units if unit not in done]
    try:
        summary = summarize(run_folder) if done else None
    except ScoreError:  # of units that were scored by other definitions
        tracker.close(finished=not missing, metrics={})
        raise
    write_report(run_folder)
    for unit in missing:
        if unit.name not in outcome.failures:
            tracker.interrupt(unit)
    tracker.close(finished=not missing, metrics=_means(summary) if summary is not None else {})
    if not missing or (outcome.stopped and not outcome.failures):
        return summary
    lines = [f"{unit.name}: {outcome.failures.get(unit.name, how_far(unit))}" for unit in missing]
    kept = f"{len(done)} of {len(units)} units are finished and kept"
    why = f" (stopped, asked by {outcome.stopped})" if outcome.stopped else ""
    raise RunError("\n".join([f"{kept}{why}; the same command goes on with the rest.", *lines]))


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
