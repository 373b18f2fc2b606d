"""Put the test predictions of all folds together: what each window gets from models that never saw its chromosome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from kerasac.errors import RunError
from kerasac.steps.calibration import Calibration
from kerasac.steps.predict_average import average
from kerasac.steps.prediction_shards import SHARD_WINDOWS, Block
from kerasac.steps.predictions import PredictionFile, open_predictions


def merged_blocks(paths: Sequence[Path], calibrations: Sequence[Calibration | None]) -> Iterator[Block]:
    """Yield the windows of files of the same windows, as those of a fold's seeds are; predictions are averaged.

    Raises
    ------
    RunError
        When they are not of the same windows.
    ScoreError
        When a file is missing or damaged.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(open_predictions(path)) for path in paths]
        _check_same(paths, files)
        for low in range(0, files[0].n_windows, SHARD_WINDOWS):
            yield _block(files, calibrations, slice(low, low + SHARD_WINDOWS))


def _block(files: Sequence[PredictionFile], calibrations: Sequence[Calibration | None], rows: slice) -> Block:
    first = files[0]
    raw = [file.logcount(rows) for file in files]
    calibrated = [
        values if calibration is None else calibration.apply(values)
        for values, calibration in zip(raw, calibrations, strict=True)
    ]
    return Block(
        chrom=first.chrom[rows],
        center=first.center[rows],
        reverse=first.strand[rows] == "r",
        is_peak=first.is_peak[rows],
        logits=average([file.logits(rows) for file in files]),
        logcount=average(calibrated),
        label_profile=first.label_profile(rows) if first.labelled else None,
        label_logcount=first.label_logcount(rows) if first.labelled else None,
        raw_logcount=average(raw) if any(calibrations) else None,
    )


def _check_same(paths: Sequence[Path], files: Sequence[PredictionFile]) -> None:
    first = files[0]
    for path, file in zip(paths[1:], files[1:], strict=True):
        columns = ("chrom", "center", "strand")
        if not all(np.array_equal(getattr(first, name), getattr(file, name)) for name in columns):
            raise RunError(f"{paths[0]} and {path} are not of the same windows, so they have no average")
        if (first.tasks, first.n_bases) != (file.tasks, file.n_bases):
            raise RunError(f"{paths[0]} and {path} are not of the same tasks and bases, so they have no average")
