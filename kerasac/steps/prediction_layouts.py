"""Say where each tool's HDF5 file of predictions keeps what: kerasAC's (and ours), chrombpnet's, bpnet's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

KERASAC_PSEUDOCOUNT = 0.001  # what kerasAC adds before its log; its files do not say so

FloatArray = npt.NDArray[np.float32]
StrArray = npt.NDArray[np.str_]

_BLOCK = 65_536  # windows whose coordinates are read at a time
_LEAST = np.finfo(np.float32).tiny  # stands for a probability of 0, whose logarithm is no number


class Coordinates(NamedTuple):
    """Where windows lie, (N,) each: names, 0-based centres, ``.``/``p``/``r``, and whether a window is a peak."""

    chrom: StrArray
    center: npt.NDArray[np.int64]
    strand: StrArray
    is_peak: npt.NDArray[np.bool_]


class Layout(NamedTuple):
    """Names of the datasets, and what they hold.

    ``to_logits`` turns stored profiles, (n, L, T), into the logarithm of shares, up to a constant a window and task;
    None where logits are stored. ``transform`` and ``pseudocount`` hold where the file does not name others.
    """

    tool: str
    located_by: tuple[str, ...]
    coordinates: Callable[[h5py.File], Coordinates]
    profile: str
    counts: str
    label_profile: str
    label_counts: str
    to_logits: Callable[[FloatArray], FloatArray] | None
    transform: str
    pseudocount: float

    def missing(self, file: h5py.File) -> list[str]:
        """Name the datasets that predictions need and the file lacks; labels may be left out, but only both."""
        labels = [name for name in (self.label_profile, self.label_counts) if name not in file]
        needed = [name for name in (*self.located_by, self.profile, self.counts) if name not in file]
        return needed + (labels if len(labels) == 1 else [])


def layout_of(file: h5py.File) -> Layout | None:
    """Tell a file's layout by its keys; None where it has those of no tool."""
    for key, layout in _BY_KEY.items():
        if key in file:
            return _counts_first(file, layout)
    return None


def _counts_first(file: h5py.File, layout: Layout) -> Layout:
    """Swap kerasAC's two outputs where the first is the counts: a model may have them in either order."""
    names = (layout.profile, layout.counts)
    if not all(name in file for name in names) or file[names[0]].size >= file[names[1]].size:
        return layout
    return layout._replace(
        profile=layout.counts,
        counts=layout.profile,
        label_profile=layout.label_counts,
        label_counts=layout.label_profile,
    )


def _kerasac_coordinates(file: h5py.File) -> Coordinates:
    coords = file["coords"]
    parts = [_read_columns(coords[rows].astype(np.bytes_)) for rows in _blocks(len(coords))]
    chrom, center, strand = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Coordinates(chrom, center, strand, _peaks(file, "is_peak", len(coords)))


def _read_columns(coords: npt.NDArray[np.bytes_]) -> tuple[StrArray, npt.NDArray[np.int64], StrArray]:
    chrom, center, strand = (np.char.decode(coords[:, i], "utf-8") for i in range(3))
    return chrom, center.astype(np.int64), strand


def _blocks(n: int) -> list[slice]:
    """Divide rows: their text takes many times the memory of what it says."""
    return [slice(low, low + _BLOCK) for low in range(0, max(n, 1), _BLOCK)]


def _chrombpnet_coordinates(file: h5py.File) -> Coordinates:
    center = file["coords/coords_center"][:].astype(np.int64)
    return _unstranded(file, center)


def _bpnet_coordinates(file: h5py.File) -> Coordinates:
    start, end = (file[f"coords/coords_{side}"][:].astype(np.int64) for side in ("start", "end"))
    return _unstranded(file, (start + end) // 2)


def _unstranded(file: h5py.File, center: npt.NDArray[np.int64]) -> Coordinates:
    names = file["coords/coords_chrom"]
    chrom = np.concatenate([np.array(names.asstr()[rows], dtype=np.str_) for rows in _blocks(len(center))])
    return Coordinates(chrom, center, np.full(len(center), "."), _peaks(file, "coords/coords_peak", len(center)))


def _peaks(file: h5py.File, name: str, n: int) -> npt.NDArray[np.bool_]:
    """Read which windows are peaks; all of them where the file does not say."""
    return file[name][:].astype(bool) if name in file else np.ones(n, dtype=bool)


def _log(shares: FloatArray) -> FloatArray:
    return np.log(np.maximum(shares, _LEAST))


def _log_of_counts(counts: FloatArray) -> FloatArray:
    """Return log shares of predicted counts; bpnet multiplies shares by exp(log count) − 1, which may be below 0."""
    totals = counts.sum(axis=1, keepdims=True)
    even = np.full_like(counts, 1 / max(counts.shape[1], 1))
    return _log(np.divide(counts, totals, out=even, where=totals != 0))


# kerasAC: kerasAC/predict_tiledb.py; chrombpnet: chrombpnet/training/predict.py (write_predictions_h5py);
# bpnet-refactor: bpnet/cli/predict.py.
_BY_KEY: dict[str, Layout] = {
    "pred_0": Layout(
        "kerasAC",
        ("coords",),
        _kerasac_coordinates,
        "pred_0",
        "pred_1",
        "lab_0",
        "lab_1",
        None,
        "log",
        KERASAC_PSEUDOCOUNT,
    ),
    "predictions/profs": Layout(
        "chrombpnet",
        ("coords/coords_chrom", "coords/coords_center"),
        _chrombpnet_coordinates,
        "predictions/profs",
        "predictions/logcounts",
        "predictions/true_profs",
        "predictions/true_logcounts",
        _log,
        "log1p",
        1.0,
    ),
    "predictions/pred_profs": Layout(
        "bpnet",
        ("coords/coords_chrom", "coords/coords_start", "coords/coords_end"),
        _bpnet_coordinates,
        "predictions/pred_profs",
        "predictions/pred_logcounts",
        "predictions/true_profs",
        "predictions/true_logcounts",
        _log_of_counts,
        "log1p",
        1.0,
    ),
}
LAYOUT_KEYS: Sequence[str] = tuple(_BY_KEY)


def task_names(names: Any, n_tasks: int) -> tuple[str, ...]:
    """Return the names that a file's attribute holds, or ``task_0`` and so on."""
    if names is None:
        return tuple(f"task_{i}" for i in range(n_tasks))
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
