"""Calibrate the finished units of a run on their validation chromosomes, and judge it on the test chromosomes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kerasac.cache import file_digest
from kerasac.errors import KerasacError
from kerasac.models.contract import Port
from kerasac.models.quiet_start import load_keras_quietly
from kerasac.models.registry import register_classes
from kerasac.runs.lock import run_lock
from kerasac.runs.opened import open_run
from kerasac.runs.unit import Unit
from kerasac.runs.unit_scores import BINNED_PREFIX, PREDICTIONS
from kerasac.steps.binned_predictions import BinnedPredictions, read_binned_predictions
from kerasac.steps.calibrate import Labelled, fit
from kerasac.steps.calibration import CALIBRATION, MODEL, Calibration, read_calibration, write_calibration
from kerasac.steps.count_space import name_counts
from kerasac.steps.plots import write_figures
from kerasac.steps.plots.reliability import reliability_diagram
from kerasac.steps.predictions import open_predictions
from kerasac.steps.prepare_bins import PreparedBins
from kerasac.steps.prepared import Prepared
from kerasac.steps.reliability import judge

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CalibratedUnit:
    """A unit's calibration, made now or ``kept`` from before; or why there is none."""

    name: str
    path: Path
    calibration: Calibration | None
    kept: bool = False
    error: str = ""


def calibrate(
    path: Path, *, overwrite: bool = False, say: Callable[[str], None] = logger.info
) -> tuple[CalibratedUnit, ...]:
    """Write ``calibration.json`` and ``plots/reliability.png`` into every finished unit of a run, or into one unit.

    Only validation windows are predicted; test windows are read from the unit's predictions, to judge it on what it
    was not fitted on. A unit that is calibrated is kept, unless ``overwrite``; one that fails loses no other.

    Raises
    ------
    RunError
        When the path is neither a run nor a unit, no unit is finished, or the data changed since they were trained.
    """
    opened = open_run(path)
    wanted = {unit for unit in opened.units if overwrite or not (unit.folder / CALIBRATION).exists()}
    prepared = opened.prepare() if wanted else None
    if prepared is not None:
        prepared.held_out.ensure()
        _warn_of_drawn_bins(prepared)
    results = []
    with run_lock(opened.folder) if wanted else nullcontext():
        for unit in opened.units:
            say(f"{unit.name}: {'calibrating' if unit in wanted else 'calibrated before, kept'}")
            results.append(_attempt(prepared if unit in wanted else None, unit))
    return tuple(results)


def _attempt(prepared: Prepared | None, unit: Unit) -> CalibratedUnit:
    """Calibrate a unit, or without data read what it has."""
    path = unit.folder / CALIBRATION
    try:
        found = read_calibration(path) if prepared is None else _calibrate(prepared, unit)
    except KerasacError as error:
        return CalibratedUnit(unit.name, path, None, error=str(error))
    except Exception as error:  # the other units are calibrated all the same
        logger.warning("calibration of %s failed", unit.name, exc_info=True)
        return CalibratedUnit(unit.name, path, None, error=f"{type(error).__name__}: {error}")
    return CalibratedUnit(unit.name, path, found, kept=prepared is None)


def _calibrate(prepared: Prepared, unit: Unit) -> Calibration:
    """Fit on the validation windows, judge on the labelled test windows, write the diagram and then the file."""
    test, values = _test(prepared, unit), _values(prepared)
    valid = _valid(prepared, unit)
    fitted = Calibration(
        kind=valid.kind,
        functions=fit(valid),
        n_labelled={task: len(valid.of_task(index)[0]) for index, task in enumerate(valid.tasks)},
        n_windows=len(valid.labels),
        chroms=unit.fold.valid,
        model=file_digest(unit.folder / MODEL),
        values=values,
    )
    judgement = judge(fitted, test)
    if judgement.tasks:
        title = f"{prepared.experiment.name}, fold {unit.fold.index}, seed {unit.seed}"
        write_figures(unit.folder, {"reliability": reliability_diagram(judgement, title=title)})
    else:
        logger.warning("%s: no test window has a label, so its calibration is not judged and not drawn", unit.name)
    calibration = replace(fitted, judged=judgement.to_dict())
    write_calibration(unit.folder / CALIBRATION, calibration)
    return calibration


def _valid(prepared: Prepared, unit: Unit) -> Labelled:
    """Predict the validation windows of a unit with its model; loads TensorFlow."""
    load_keras_quietly(gpus=True)
    from kerasac.models.checkpoint import load_model
    from kerasac.steps.predict import Member, predicted_blocks, reading_of
    from kerasac.steps.predict_bins import predict_bins

    register_classes(prepared.parameters)
    model = load_model(unit.folder / MODEL)
    windows = prepared.plan(unit.fold, unit.seed).valid()
    if isinstance(prepared, PreparedBins):
        return _of_bins(predict_bins(model, prepared, windows))
    labels, predicted = [], []
    for block in predicted_blocks([Member(model)], reading_of(prepared), windows):
        assert block.label_logcount is not None, "validation windows are read with their labels"
        labels.append(block.label_logcount)  # the profiles, which are large, are let go
        predicted.append(block.logcount)
    tasks = _counts_port(prepared).tasks
    return Labelled("counts", tasks, np.concatenate(labels), np.concatenate(predicted))


def _test(prepared: Prepared, unit: Unit) -> Labelled:
    """Read what the unit's test windows are predicted to have."""
    if isinstance(prepared, PreparedBins):
        return _of_bins(read_binned_predictions(unit.folder / BINNED_PREFIX))
    with open_predictions(unit.folder / PREDICTIONS) as file:
        rows = slice(None)
        return Labelled("counts", file.tasks, file.label_logcount(rows), file.logcount(rows))


def _of_bins(bins: BinnedPredictions) -> Labelled:
    assert bins.kind is not None, "files of our own say it"
    return Labelled(bins.kind, bins.labels.tasks, bins.labels.values, bins.predicted)


def _values(prepared: Prepared) -> str:
    """Name the space that is calibrated."""
    if isinstance(prepared, PreparedBins):
        return "probability" if prepared.contract.output_of("classification") is not None else "label"
    name = _counts_port(prepared).name
    return name_counts(next(spec for spec in prepared.experiment.outputs if spec.name == name))


def _counts_port(prepared: Prepared) -> Port:
    port = prepared.contract.output_of("counts")
    assert port is not None, "the architecture's check passed without this output"
    return port


def _warn_of_drawn_bins(prepared: Prepared) -> None:
    """Say when the validation bins of classes are a chosen mixture: probabilities then hold for that mixture."""
    bins = prepared.experiment.sampling.bins
    if bins is not None and bins.valid_ratios and prepared.contract.output_of("classification") is not None:
        logger.warning(
            "validation bins are drawn with sampling.bins.valid_ratios: calibrated probabilities hold for their share "
            "of positives, not for the genome's"
        )
