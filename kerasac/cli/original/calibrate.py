"""kerasAC_calibrate: calibrated predictions of bins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console


def calibrate(given: Given, console: Console) -> Done:
    """Fit each task's labels on its logits or values, where there are labels, and map all of them."""
    del console
    from kerasac.cli.original.bin_tables import read_pair

    classes, values = (given.is_on(f"calibrate_{kind}") for kind in ("classification", "regression"))
    if classes == values:
        raise ConfigError("give one of --calibrate_classification and --calibrate_regression")
    bins = read_pair(given.path("labels"), given.path("preacts"))
    mapped = np.stack(
        [
            _calibrated(bins.labels.values[:, i], bins.predicted[:, i], classes=classes)
            for i in range(len(bins.labels.tasks))
        ],
        axis=1,
    )
    out = given.path("outf")
    kind = "classification" if classes else "regression"
    write_table(out, bins.labels, mapped.astype(np.float32), kind, numbered=True)
    return Done(hint("calibrate", "RUN") + "   # on the validation chromosomes of each fold of a run", (str(out),))


def write_table(out: Path, labels: Any, values: npt.NDArray[np.float32], kind: str, *, numbered: bool) -> None:
    """Write a table of values of the bins of labels; its columns are their tasks, or numbers as in kerasAC."""
    from kerasac.steps.binned_predictions import predictions_path
    from kerasac.steps.predicted_bins import write_predicted_bins

    beside = out.with_name(f".{out.name}")
    columns = range(len(labels.tasks)) if numbered else labels.tasks
    write_predicted_bins(beside, labels.chrom, labels.start, labels.end, [values], columns, {"kind": kind})
    predictions_path(beside).replace(out)


def _calibrated(
    labels: npt.NDArray[np.float32], given: npt.NDArray[np.float32], *, classes: bool
) -> npt.NDArray[np.float64]:
    from scipy.special import expit

    from kerasac.steps.calibrate import fit_isotonic, fit_platt

    labelled = ~np.isnan(labels)
    values = given.astype(np.float64)
    if not classes:
        return fit_isotonic(values[labelled], labels[labelled])(values)
    fitted = fit_platt(values[labelled], labels[labelled])
    mapped: npt.NDArray[np.float64] = expit(fitted.a * values + fitted.b)
    return mapped
