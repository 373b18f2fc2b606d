"""Hold the predictions of bins beside their labels, in memory and in kerasAC's two HDF5 tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from kerasac import __version__
from kerasac.cache import whole_file, with_ending
from kerasac.errors import ScoreError
from kerasac.store.labels.read import BinLabels, read_labels
from kerasac.store.labels.table import INDEX, OpenTable, append_rows, create_table, open_table

Kind = Literal["classification", "regression"]

_WRITE_CELLS = 1 << 22  # cells written at a time


@dataclass(frozen=True, eq=False)
class BinnedPredictions:
    """Labels of bins, and what a model says of them: ``predicted`` (n, n_tasks) float32, in the labels' order.

    ``kind`` says whether they are probabilities or values; None for a file of kerasAC, which does not say.
    """

    labels: BinLabels
    predicted: npt.NDArray[np.float32]
    kind: Kind | None

    def __post_init__(self) -> None:
        if self.predicted.shape != self.labels.values.shape:
            raise ScoreError(
                f"predictions have shape {self.predicted.shape}, their labels {self.labels.values.shape}; "
                "both are (bins, tasks)"
            )
        if not self.predicted.size:
            raise ScoreError(f"there are {len(self.labels)} bins of {len(self.labels.tasks)} tasks, so no predictions")


def labels_path(prefix: Path, output: int = 0) -> Path:
    """Return where the labels of a model's output lie."""
    return with_ending(prefix, f"labels.{output}")


def predictions_path(prefix: Path, output: int = 0) -> Path:
    """Return where the predictions of a model's output lie."""
    return with_ending(prefix, f"predictions.{output}")


def outputs_of(prefix: Path) -> list[int]:
    """Return the numbers of the outputs whose predictions lie under a prefix, in order."""
    names = (path.name.removeprefix(f"{prefix.name}.predictions.") for path in prefix.parent.glob("*.predictions.*"))
    return sorted(int(name) for name in names if name.isdigit())


def write_binned_predictions(
    prefix: Path, predictions: BinnedPredictions, *, output: int = 0, numbered: bool = False
) -> None:
    """Write ``<prefix>.labels.<output>`` and ``<prefix>.predictions.<output>``, each a pandas table ``data``.

    Columns are the tasks, or with ``numbered`` the integers 0, 1, … of ``kerasAC_predict_hdf5``. Both files or neither
    are written: the predictions appear last, and old ones go before new labels come.
    """
    labels, kind = predictions.labels, predictions.kind
    facts = {"kerasac_version": __version__, "output": output, "kind": kind}
    columns = range(len(labels.tasks)) if numbered else labels.tasks
    path = predictions_path(prefix, output)
    # Left in reverse: the labels are renamed first.
    with whole_file(path) as beside_predictions, whole_file(labels_path(prefix, output)) as beside_labels:
        _write(beside_labels, labels, columns, labels.values, {**labels.settings, "holds": "labels", **facts})
        _write(beside_predictions, labels, columns, predictions.predicted, {"holds": "predictions", **facts})
        path.unlink(missing_ok=True)


def read_binned_predictions(prefix: Path, *, output: int = 0) -> BinnedPredictions:
    """Read the two files of ours or of kerasAC's ``kerasAC_predict_hdf5``.

    Tasks have the names of the file that names them; numbered columns are those of the other in their order.

    Raises
    ------
    ScoreError
        When a file is missing, or the two are not of the same bins and tasks.
    StoreError
        When a file is damaged or no such table.
    """
    path = predictions_path(prefix, output)
    for needed in (path, labels_path(prefix, output)):
        if not needed.is_file():
            raise ScoreError(f"{needed} does not exist; give the prefix, without '.predictions.{output}'")
    labels = read_labels(labels_path(prefix, output))
    with open_table(path) as table:
        kind = table.settings.get("kind")
        if _numbered(labels.tasks) and len(table.tasks) == len(labels.tasks):
            labels = replace(labels, tasks=table.tasks)
        return BinnedPredictions(labels, _predicted(table, labels, path), kind if kind in get_args(Kind) else None)


def _write(
    path: Path,
    labels: BinLabels,
    columns: Sequence[str] | Sequence[int],
    values: npt.NDArray[np.float32],
    settings: dict[str, Any],
) -> None:
    chroms = np.array([chrom.encode() for chrom in labels.chroms])
    step = max(1, _WRITE_CELLS // len(labels.tasks))
    with create_table(path, columns, labels.chroms, settings) as table:
        for low in range(0, len(labels), step):
            rows = slice(low, low + step)
            append_rows(table, chroms[labels.chrom_index[rows]], labels.start[rows], labels.end[rows], values[rows])


def _predicted(table: OpenTable, labels: BinLabels, path: Path) -> npt.NDArray[np.float32]:
    """Read the predictions of these labels, (n, n_tasks)."""
    if table.tasks != labels.tasks and not (_numbered(table.tasks) and len(table.tasks) == len(labels.tasks)):
        raise ScoreError(f"{path} has tasks {', '.join(table.tasks)}, its labels {', '.join(labels.tasks)}")
    if len(table.dataset) != len(labels):
        raise ScoreError(f"{path} has {len(table.dataset):,} bins, its labels {len(labels):,}; predict again")
    values = np.empty((len(labels), len(labels.tasks)), dtype=np.float32)
    for low, records in _pieces(table):
        rows = slice(low, low + len(records))
        _check_same_bins(table, records, labels, rows, path)
        for i, task in enumerate(table.tasks):
            values[rows, i] = table.column(records, task)
    return values


def _numbered(tasks: Sequence[str]) -> bool:
    return list(tasks) == [str(i) for i in range(len(tasks))]


def _pieces(table: OpenTable) -> Iterator[tuple[int, npt.NDArray[np.void]]]:
    low = 0
    for records in table.records():
        yield low, records
        low += len(records)


def _check_same_bins(
    table: OpenTable, records: npt.NDArray[np.void], labels: BinLabels, rows: slice, path: Path
) -> None:
    chrom, start, end = (table.column(records, name) for name in INDEX)
    chroms = np.array([name.encode() for name in labels.chroms], dtype=np.bytes_)[labels.chrom_index[rows]]
    same = (chrom == chroms) & (start == labels.start[rows]) & (end == labels.end[rows])
    if not same.all():
        i = int(np.argmin(same))
        theirs = f"{labels.chroms[labels.chrom_index[rows][i]]}:{labels.start[rows][i]}-{labels.end[rows][i]}"
        raise ScoreError(
            f"bin {rows.start + i} of {path} is {chrom[i].decode()}:{start[i]}-{end[i]}, of its labels {theirs}; "
            "they are of two runs: predict again"
        )
