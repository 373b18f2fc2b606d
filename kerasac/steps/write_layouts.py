"""Write predictions as chrombpnet and bpnet-refactor do, for who goes on with their tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from kerasac.cache import whole_file
from kerasac.errors import ScoreError
from kerasac.steps.count_space import log1p_counts
from kerasac.steps.prediction_shards import stored_chrom_sizes, write_chrom_sizes
from kerasac.steps.predictions import PredictionFile, open_predictions

Array = npt.NDArray[Any]

_BLOCK = 2048  # windows held at a time


class LayoutName(StrEnum):
    """Whose keys a predictions file has; see FORMATS in the guide."""

    KERASAC = "kerasac"
    CHROMBPNET = "chrombpnet"
    BPNET = "bpnet"


def check_layout(layout: LayoutName, tasks: tuple[str, ...]) -> None:
    """Raise ScoreError when the layout cannot hold so many tasks."""
    if layout is LayoutName.CHROMBPNET and len(tasks) > 1:
        raise ScoreError(
            f"chrombpnet's layout holds one task, these predictions have {len(tasks)} ({', '.join(tasks)}); take "
            "--layout bpnet or kerasac"
        )


def write_layout(source: Path, out: Path, layout: LayoutName, attrs: Mapping[str, Any]) -> None:
    """Write a predictions file in another tool's layout, a block at a time; it appears when it is complete.

    ``chrombpnet``: ``coords/coords_{chrom,center,peak}``, ``predictions/profs`` (N, L) shares of the softmax and
    ``predictions/logcounts`` (N,). ``bpnet``: ``coords/coords_{chrom,start,end,peak}``,
    ``predictions/{pred,true}_profs`` (N, L, T), predicted and observed counts a base, and ``{pred,true}_logcounts``
    (N, T). Log counts are log(1 + count) in both, whatever the model's transform.
    """
    with open_predictions(source) as file:
        check_layout(layout, file.tasks)
        arrays = _CHROMBPNET if layout is LayoutName.CHROMBPNET else _BPNET
        with whole_file(out) as beside, h5py.File(beside, "w") as written:
            for name, column in _coordinates(file, layout).items():
                text = column.dtype.kind == "U"
                kind = h5py.string_dtype() if text else column.dtype
                written.create_dataset(f"coords/{name}", data=column.astype(object) if text else column, dtype=kind)
            for rows in _rows(file.n_windows):
                for name, make in arrays.items():
                    if file.labelled or not name.startswith("true"):
                        _append(written, f"predictions/{name}", make(file, rows), rows, file.n_windows)
            write_chrom_sizes(written, stored_chrom_sizes(source))
            written.attrs.create("tasks", list(file.tasks), dtype=h5py.string_dtype())
            written.attrs.update(attrs)


def _coordinates(file: PredictionFile, layout: LayoutName) -> dict[str, Array]:
    shared = {"coords_chrom": file.chrom, "coords_peak": file.is_peak.astype(np.int64)}
    if layout is LayoutName.CHROMBPNET:
        return {**shared, "coords_center": file.center}
    start = file.center - file.n_bases // 2
    return {**shared, "coords_start": start, "coords_end": start + file.n_bases}


def _rows(n: int) -> Iterator[slice]:
    return (slice(low, min(low + _BLOCK, n)) for low in range(0, n, _BLOCK))


def _append(written: h5py.File, name: str, values: Array, rows: slice, n: int) -> None:
    if name not in written:
        chunks = (min(n, 128), *values.shape[1:])
        shape = (n, *values.shape[1:])
        written.create_dataset(name, shape, values.dtype, chunks=chunks, compression="gzip", compression_opts=1)
    written[name][rows] = values


def _shares(file: PredictionFile, rows: slice) -> Array:
    shares: Array = softmax(file.logits(rows), axis=1)
    return shares


def _log1p(file: PredictionFile, rows: slice) -> Array:
    logarithms: Array = log1p_counts(file.logcount(rows), file).astype(np.float32)
    return logarithms


def _counts_a_base(file: PredictionFile, rows: slice) -> Array:
    """Return shares times predicted counts; below 0 where a predicted log(1 + count) is, as in bpnet's own files."""
    counts: Array = _shares(file, rows) * np.expm1(log1p_counts(file.logcount(rows), file))[:, None, :]
    return counts.astype(np.float32)


def _observed_log1p(file: PredictionFile, rows: slice) -> Array:
    logarithms: Array = np.log1p(file.label_profile(rows).sum(axis=1, dtype=np.float64)).astype(np.float32)
    return logarithms


_Make = Callable[[PredictionFile, slice], Array]
_CHROMBPNET: Mapping[str, _Make] = {
    "profs": lambda file, rows: _shares(file, rows)[:, :, 0],
    "logcounts": lambda file, rows: _log1p(file, rows)[:, 0],
    "true_profs": lambda file, rows: file.label_profile(rows)[:, :, 0],
    "true_logcounts": lambda file, rows: _observed_log1p(file, rows)[:, 0],
}
_BPNET: Mapping[str, _Make] = {
    "pred_profs": _counts_a_base,
    "pred_logcounts": _log1p,
    "true_profs": lambda file, rows: file.label_profile(rows),
    "true_logcounts": _observed_log1p,
}
