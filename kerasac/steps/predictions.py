"""Hold the predictions of a set of windows beside their labels, in memory and in kerasAC's HDF5 layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from kerasac import __version__
from kerasac.cache import whole_file
from kerasac.errors import ScoreError, suggest

FORMAT_VERSION = 1
KERASAC_PSEUDOCOUNT = 0.001  # what kerasAC adds before its log; its files do not say so
STRANDS = (".", "p", "r")

FloatArray = npt.NDArray[np.float32]
StrArray = npt.NDArray[np.str_]

_CHUNK_BYTES = 1 << 20
_KNOWN_ATTRIBUTES = ("format_version", "kerasac_version", "transform", "pseudocount", "tasks")

# From a transformed count back to the count; p is the pseudocount.
_UNDO: dict[str, Callable[[npt.NDArray[np.float64], float], npt.NDArray[np.float64]]] = {
    "none": lambda value, p: value,
    "log": lambda value, p: np.exp(value) - p,
    "log10": lambda value, p: 10.0**value - p,
    "log1p": lambda value, p: np.expm1(value),
    "asinh": lambda value, p: np.sinh(value),
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """N windows of L bases and T tasks: what was measured and what the model says.

    ``label_profile`` holds counts a base; ``logits`` are the profile head's output before its softmax over L.
    ``label_logcount`` and ``logcount`` are window counts in the space of ``transform``:
    for ``log``, log(count + ``pseudocount``). ``mean_profile`` is the mean profile of the training peaks,
    the constant prediction that a model has to beat.
    """

    chrom: StrArray
    """(N,)"""
    center: npt.NDArray[np.int64]
    """(N,), 0-based"""
    strand: StrArray
    """(N,): ``.`` as it lies in the genome, ``p`` the same among augmented windows, ``r`` reverse complement"""
    is_peak: npt.NDArray[np.bool_]
    """(N,)"""
    label_profile: FloatArray
    """(N, L, T)"""
    logits: FloatArray
    """(N, L, T)"""
    label_logcount: FloatArray
    """(N, T)"""
    logcount: FloatArray
    """(N, T)"""
    tasks: tuple[str, ...]
    transform: str = "log"
    pseudocount: float = 1.0
    mean_profile: FloatArray | None = None
    """(L, T)"""
    attrs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.label_profile.ndim != 3:
            raise ScoreError(f"label_profile has shape {self.label_profile.shape}; expected (windows, bases, tasks)")
        n, length, t = self.label_profile.shape
        for name, expected in _shapes(n, length, t).items():
            array = getattr(self, name)
            if array is not None and array.shape != expected:
                raise ScoreError(
                    f"{name} has shape {array.shape}; expected {expected}, as label_profile has {(n, length, t)}"
                )
        if len(self.tasks) != t or len(set(self.tasks)) != t:
            raise ScoreError(f"{len(self.tasks)} task names {self.tasks} for {t} tasks; give each task its own name")
        odd = sorted(set(np.unique(self.strand).tolist()) - set(STRANDS))
        if odd:
            raise ScoreError(f"strand {odd[0]!r} is not one of {STRANDS}")
        if self.transform not in (*_UNDO, "counts_to_logit"):
            raise ScoreError(f"count transform {self.transform!r} is unknown{suggest(self.transform, _UNDO)}")

    @property
    def n_windows(self) -> int:
        """Windows, N."""
        return len(self.label_profile)

    @property
    def n_bases(self) -> int:
        """Bases a profile, L."""
        return int(self.label_profile.shape[1])

    def expected_counts(self) -> npt.NDArray[np.float64]:
        """Predicted counts a window, shape (N, T): ``logcount`` with its transform undone, never below 0."""
        if self.transform not in _UNDO:
            raise ScoreError(f"the transform {self.transform!r} cannot be undone, so there are no expected counts")
        undone = _UNDO[self.transform](self.logcount.astype(np.float64), self.pseudocount)
        return np.maximum(undone, 0.0)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write kerasAC's keys (``coords, lab_0, pred_0, lab_1, pred_1``) plus ``is_peak`` and ``mean_profile``.

    The file appears whole or not at all.
    """
    coords = np.stack(
        [
            predictions.chrom.astype("S256"),
            predictions.center.astype("S256"),
            predictions.strand.astype("S256"),
        ],
        axis=1,
    )
    with whole_file(path) as beside, h5py.File(beside, "w") as file:
        _write_array(file, "coords", coords)
        _write_array(file, "lab_0", predictions.label_profile)
        _write_array(file, "pred_0", predictions.logits)
        _write_array(file, "lab_1", predictions.label_logcount)
        _write_array(file, "pred_1", predictions.logcount)
        _write_array(file, "is_peak", predictions.is_peak.astype(np.uint8))
        if predictions.mean_profile is not None:
            _write_array(file, "mean_profile", predictions.mean_profile)
        file.attrs.update(predictions.attrs)
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["kerasac_version"] = __version__
        file.attrs["transform"] = predictions.transform
        file.attrs["pseudocount"] = float(predictions.pseudocount)
        file.attrs.create("tasks", list(predictions.tasks), dtype=h5py.string_dtype())


def read_predictions(path: Path) -> Predictions:
    """Read a predictions file of ours or of kerasAC.

    kerasAC squeezes the task axis away when there is one task, and says neither which windows are peaks nor how
    counts were transformed: every window is then a peak, and counts are log(count + 0.001), its default.
    """
    if not path.exists():
        raise ScoreError(f"{path} does not exist; make it with 'kerasac-ray predict'")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ScoreError(f"{path} is not a readable HDF5 file ({error})") from None
    with file:
        _check_readable(file, path)
        attributes = dict(file.attrs)
        coords = file["coords"][:]
        n = len(coords)
        label_logcount = _counts(file["lab_1"][:], n, path)
        n_tasks = label_logcount.shape[1]
        return Predictions(
            chrom=_decode(coords[:, 0]),
            center=_decode(coords[:, 1]).astype(np.int64),
            strand=_decode(coords[:, 2]),
            is_peak=file["is_peak"][:].astype(bool) if "is_peak" in file else np.ones(n, dtype=bool),
            label_profile=_profiles(file["lab_0"], n, n_tasks, path),
            logits=_profiles(file["pred_0"], n, n_tasks, path),
            label_logcount=label_logcount,
            logcount=_counts(file["pred_1"][:], n, path),
            tasks=_task_names(attributes.get("tasks"), n_tasks),
            transform=str(attributes.get("transform", "log")),
            pseudocount=float(attributes.get("pseudocount", KERASAC_PSEUDOCOUNT)),
            mean_profile=file["mean_profile"][:].astype(np.float32) if "mean_profile" in file else None,
            attrs={name: value for name, value in attributes.items() if name not in _KNOWN_ATTRIBUTES},
        )


def _shapes(n: int, length: int, t: int) -> dict[str, tuple[int, ...]]:
    return {
        **dict.fromkeys(("chrom", "center", "strand", "is_peak"), (n,)),
        "logits": (n, length, t),
        **dict.fromkeys(("label_logcount", "logcount"), (n, t)),
        "mean_profile": (length, t),
    }


def _write_array(file: h5py.File, name: str, array: npt.NDArray[Any]) -> None:
    """Write one dataset in chunks of whole rows, about a mebibyte each, lightly compressed."""
    if not array.size:
        file.create_dataset(name, data=array)
        return
    rows = max(1, _CHUNK_BYTES // (array.nbytes // len(array)))
    chunks = (min(rows, len(array)), *array.shape[1:])
    file.create_dataset(name, data=array, chunks=chunks, compression="gzip", compression_opts=1, shuffle=True)


def _check_readable(file: h5py.File, path: Path) -> None:
    missing = [name for name in ("coords", "lab_0", "pred_0", "lab_1", "pred_1") if name not in file]
    if missing:
        raise ScoreError(f"{path} has no {', '.join(missing)}; it holds {', '.join(sorted(file)) or 'nothing'}")
    version = int(file.attrs.get("format_version", 0))
    if version > FORMAT_VERSION:
        raise ScoreError(
            f"{path} is of format {version}, this is kerasac {__version__} that reads {FORMAT_VERSION}; update it"
        )


def _decode(column: npt.NDArray[np.bytes_]) -> StrArray:
    return np.char.decode(column, "utf-8")


def _counts(array: npt.NDArray[Any], n: int, path: Path) -> FloatArray:
    if array.ndim > 2 or (n and array.size % n):
        raise ScoreError(f"counts in {path} have shape {array.shape}; expected ({n}, tasks)")
    return array.reshape(n, -1 if n else array.shape[-1]).astype(np.float32)


def _profiles(dataset: h5py.Dataset, n: int, n_tasks: int, path: Path) -> FloatArray:
    """Read profiles as float32, shape (n, L, n_tasks), putting back axes of length 1 that were squeezed away."""
    shape = dataset.shape
    if len(shape) == 3 and shape[2] != n_tasks:
        raise ScoreError(f"{dataset.name} in {path} has {shape[2]} tasks but lab_1 has {n_tasks}")
    if n and dataset.size % (n * n_tasks):
        raise ScoreError(f"{dataset.name} in {path} has shape {shape}; expected ({n}, bases, {n_tasks})")
    array: FloatArray = dataset.astype(np.float32)[()]
    return array if len(shape) == 3 else array.reshape(n, -1, n_tasks)


def _task_names(names: Any, n_tasks: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"task_{i}" for i in range(n_tasks))
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
