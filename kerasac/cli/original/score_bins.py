"""kerasAC_score: a table of metrics by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kerasac.cache import write_whole
from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from kerasac.steps.binned_predictions import BinnedPredictions, Kind

# kerasAC's names and order of the metrics: ours.
METRICS: Mapping[str, Mapping[str, str]] = {
    "classification": {
        name: name
        for name in (
            "unbalanced_accuracy",
            "positive_accuracy",
            "negative_accuracy",
            "balanced_accuracy",
            "num_positives",
            "num_negatives",
            "auprc",
            "auroc",
            "recall_at_fdr_50",
            "recall_at_fdr_20",
            "recall_at_fdr_10",
        )
    },
    "regression": {
        "spearmanr": "spearman",
        "pearsonr": "pearson",
        "spearmanr_nonzerobins": "spearman_nonzero",
        "pearsonr_nonzerobins": "pearson_nonzero",
    },
}


def score(given: Given, console: Console) -> Done:
    """Score each output's tables."""
    del console
    from kerasac.cli.original.bin_tables import read_pair

    labels, predictions = (tuple(map(Path, given.texts(name))) for name in ("labels_hdf5", "predictions_hdf5"))
    kind, files = _wanted(given)
    if not labels or not len(labels) == len(predictions) == len(files):
        raise ConfigError(
            f"{len(labels)} tables of labels, {len(predictions)} of predictions and {len(files)} files to write: give "
            "one of each for each output"
        )
    names = given.values.get("tasks") or [None] * len(files)
    for one, other, file, tasks in zip(labels, predictions, files, names, strict=True):
        write_scores(file, read_pair(one, other), kind, tasks)
    same = hint("score", str(predictions[0]).replace(".predictions.0", ""), kind=kind, out=f"{files[0]}.scores")
    return Done(same, tuple(map(str, files)))


def write_scores(file: Path, bins: BinnedPredictions, kind: Kind, tasks: Sequence[str] | None = None) -> None:
    """Write a table of metrics, a row each, by task."""
    from kerasac.steps.binned_scores import score_bins

    found = score_bins(bins, kind)
    names = list(tasks or found.tasks)
    if len(names) != len(found.tasks):
        raise ConfigError(f"--tasks names {len(names)} tasks, the tables have {len(found.tasks)}")
    columns = {
        name: {theirs: of_task["all"][ours] for theirs, ours in METRICS[kind].items()}
        for name, of_task in zip(names, found.tasks.values(), strict=True)
    }
    write_whole(file, pd.DataFrame(columns).to_csv(sep="\t"))


def _wanted(given: Given) -> tuple[Kind, tuple[Path, ...]]:
    """Return what is scored, and the files to write."""
    kinds: tuple[Kind, Kind] = ("classification", "regression")
    asked: list[tuple[Kind, tuple[str, ...]]] = [
        (kind, given.texts(f"performance_metrics_{kind}_file")) for kind in kinds
    ]
    wanted = [(kind, files) for kind, files in asked if files]
    if len(wanted) != 1:
        raise ConfigError(
            "give one of --performance_metrics_classification_file and --performance_metrics_regression_file"
        )
    kind, files = wanted[0]
    return kind, tuple(map(Path, files))
