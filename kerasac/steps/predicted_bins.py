"""Put predictions of bins together: those of many folds with their labels, and those of any windows without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasac import __version__
from kerasac.cache import whole_file
from kerasac.errors import RunError
from kerasac.genome.assembly import IntArray
from kerasac.steps.binned_predictions import BinnedPredictions, predictions_path, read_binned_predictions
from kerasac.steps.calibration import Calibration
from kerasac.steps.predict_average import average, average_probabilities
from kerasac.store.labels.read import BinLabels
from kerasac.store.labels.table import append_rows, create_table


def write_predicted_bins(
    prefix: Path,
    chrom: npt.NDArray[np.str_],
    starts: IntArray,
    ends: IntArray,
    parts: Iterable[npt.NDArray[np.float32]],
    tasks: Sequence[str] | Sequence[int],
    settings: Mapping[str, Any],
) -> None:
    """Write ``<prefix>.predictions.0``, a pandas table ``data``, of windows without labels.

    ``chrom``, ``starts`` and ``ends`` have shape (n,), ``parts`` are (m, n_tasks) each and n rows together. Numbered
    tasks are integer columns.
    """
    names, at = np.unique(chrom).tolist(), 0
    facts = {"holds": "predictions", "kerasac_version": __version__, "output": 0, **settings}
    with (
        whole_file(predictions_path(prefix)) as beside,
        create_table(beside, tasks, names, facts) as table,
    ):
        for values in parts:
            rows = slice(at, at + len(values))
            append_rows(table, np.char.encode(chrom[rows], "utf-8"), starts[rows], ends[rows], values)
            at = rows.stop


def merged_bins(folds: Sequence[Sequence[Path]], calibrations: Mapping[Path, Calibration | None]) -> BinnedPredictions:
    """Join the test predictions of folds, each given by the prefixes of its seeds, which are averaged.

    Classes are averaged by the logits of their probabilities, values as they are.

    Raises
    ------
    RunError
        When the seeds of a fold are not of the same bins.
    """
    read = [_mean([(read_binned_predictions(path), calibrations[path]) for path in seeds], seeds) for seeds in folds]
    labels = [one.labels for one in read]
    return BinnedPredictions(_joined(labels), np.concatenate([one.predicted for one in read]), read[0].kind)


def _mean(seeds: Sequence[tuple[BinnedPredictions, Calibration | None]], paths: Sequence[Path]) -> BinnedPredictions:
    first = seeds[0][0]
    for (other, _), path in zip(seeds[1:], paths[1:], strict=True):
        same = all(
            np.array_equal(getattr(first.labels, name), getattr(other.labels, name))
            for name in ("chrom", "start", "end")
        )
        if not same:
            raise RunError(f"{paths[0]} and {path} are not of the same bins, so they have no average")
    values = [one.predicted if calibration is None else calibration.apply(one.predicted) for one, calibration in seeds]
    mean = average_probabilities if first.kind == "classification" else average
    return BinnedPredictions(first.labels, mean(values), first.kind)


def _joined(labels: Sequence[BinLabels]) -> BinLabels:
    """Join label tables whose chromosomes may be numbered in different orders."""
    chroms = tuple(dict.fromkeys(name for one in labels for name in one.chroms))
    numbers = [np.array([chroms.index(name) for name in one.chroms], dtype=np.int32) for one in labels]
    return BinLabels(
        chroms,
        np.concatenate([number[one.chrom_index] for number, one in zip(numbers, labels, strict=True)]),
        np.concatenate([one.start for one in labels]),
        np.concatenate([one.end for one in labels]),
        np.concatenate([one.values for one in labels]),
        labels[0].tasks,
        labels[0].settings,
    )
