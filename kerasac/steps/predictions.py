"""Hold the predictions of a set of windows beside their labels, in memory and in kerasAC's HDF5 layout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from kerasac import __version__
from kerasac.cache import whole_file
from kerasac.errors import ScoreError, suggest
from kerasac.steps.count_space import TRANSFORMS, counts_of
from kerasac.steps.prediction_layouts import LAYOUT_KEYS, FloatArray, Layout, StrArray, layout_of, task_names

FORMAT_VERSION = 1
STRANDS = (".", "p", "r")

_CHUNK_BYTES = 1 << 20
_KNOWN_ATTRIBUTES = ("format_version", "kerasac_version", "transform", "pseudocount", "tasks")


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
        if self.transform not in (*TRANSFORMS, "counts_to_logit"):
            raise ScoreError(f"count transform {self.transform!r} is unknown{suggest(self.transform, TRANSFORMS)}")

    @property
    def n_windows(self) -> int:
        """Windows, N."""
        return len(self.label_profile)

    @property
    def n_bases(self) -> int:
        """Bases a profile, L."""
        return int(self.label_profile.shape[1])

    def take(self, rows: slice | npt.NDArray[Any]) -> Predictions:
        """Some of the windows."""
        per_window = ("chrom", "center", "strand", "is_peak", "label_profile", "logits", "label_logcount", "logcount")
        return replace(self, **{name: getattr(self, name)[rows] for name in per_window})

    def expected_counts(self) -> npt.NDArray[np.float64]:
        """Predicted counts a window, shape (N, T): ``logcount`` with its transform undone, never below 0."""
        return counts_of(self.logcount, self)


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
    """Read all of a predictions file with labels, in any layout that :func:`open_predictions` knows."""
    with open_predictions(path) as file:
        return file.take(slice(None))


class PredictionFile:
    """An open predictions file of any layout, whose rows are read a block at a time.

    Attributes are those of :class:`Predictions`; a method reads the float32 array of the same name for some rows.
    ``labelled`` is False where the file has no labels, and its label methods then raise :class:`ScoreError`.
    """

    def __init__(self, path: Path, file: h5py.File, layout: Layout) -> None:
        self.path, self._file, self._layout = path, file, layout
        attributes = dict(file.attrs)
        self.chrom, self.center, self.strand, self.is_peak = layout.coordinates(file)
        self.labelled = layout.label_profile in file
        self.transform = str(attributes.get("transform", layout.transform))
        self.pseudocount = float(attributes.get("pseudocount", layout.pseudocount))
        self.attrs = {name: value for name, value in attributes.items() if name not in _KNOWN_ATTRIBUTES}
        counts = file[layout.counts]
        self._n_tasks = _n_tasks(counts, self.n_windows, path)
        self.tasks = task_names(attributes.get("tasks"), self._n_tasks)
        self.n_bases = self._check_profiles(layout.profile)
        if self.labelled:
            self._check_labels()
        self.mean_profile: FloatArray | None = (
            file["mean_profile"][:].astype(np.float32) if "mean_profile" in file else None
        )

    @property
    def n_windows(self) -> int:
        """Windows, N."""
        return len(self.center)

    @property
    def tool(self) -> str:
        """The tool whose layout it is: ``kerasAC``, ``chrombpnet`` or ``bpnet``."""
        return self._layout.tool

    def logits(self, rows: slice) -> FloatArray:
        """Read profile logits, (n, L, T), in some layouts as logarithms of shares: equal after a softmax."""
        stored = self._profiles(self._layout.profile, rows)
        return stored if self._layout.to_logits is None else self._layout.to_logits(stored)

    def logcount(self, rows: slice) -> FloatArray:
        """Read predicted counts, (n, T), in the space of ``transform``."""
        return self._counts(self._layout.counts, rows)

    def label_profile(self, rows: slice) -> FloatArray:
        """Read observed counts a base, (n, L, T)."""
        self._need_labels()
        return self._profiles(self._layout.label_profile, rows)

    def label_logcount(self, rows: slice) -> FloatArray:
        """Read observed counts a window, (n, T), in the space of ``transform``."""
        self._need_labels()
        return self._counts(self._layout.label_counts, rows)

    def take(self, rows: slice) -> Predictions:
        """Read predictions and labels of some rows into memory."""
        return Predictions(
            chrom=self.chrom[rows],
            center=self.center[rows],
            strand=self.strand[rows],
            is_peak=self.is_peak[rows],
            label_profile=self.label_profile(rows),
            logits=self.logits(rows),
            label_logcount=self.label_logcount(rows),
            logcount=self.logcount(rows),
            tasks=self.tasks,
            transform=self.transform,
            pseudocount=self.pseudocount,
            mean_profile=self.mean_profile,
            attrs=self.attrs,
        )

    def _profiles(self, name: str, rows: slice) -> FloatArray:
        """Read profiles of some rows, putting back axes of length 1 that were squeezed away."""
        dataset = self._file[name].astype(np.float32)
        n = len(range(*rows.indices(self.n_windows)))
        if len(self._file[name].shape) == 1:  # one window of one task
            rows = slice(None)
        array: FloatArray = dataset[rows]
        return array.reshape(n, self.n_bases, self._n_tasks)

    def _counts(self, name: str, rows: slice) -> FloatArray:
        n = len(range(*rows.indices(self.n_windows)))
        array: FloatArray = self._file[name].astype(np.float32)[rows]
        return array.reshape(n, self._n_tasks)

    def _check_labels(self) -> None:
        names = self._layout.label_profile, self._layout.label_counts
        n_tasks = _n_tasks(self._file[names[1]], self.n_windows, self.path)
        found = self._check_profiles(names[0]), n_tasks
        if found != (self.n_bases, self._n_tasks):
            raise ScoreError(
                f"{names[0]} and {names[1]} in {self.path} are of {found[0]} bases and {found[1]} tasks, "
                f"its predictions of {self.n_bases} and {self._n_tasks}"
            )

    def _check_profiles(self, name: str) -> int:
        """Return the bases of a profile, L; refuse a shape that is not (N, L, T) but for squeezed axes."""
        shape, n, t = self._file[name].shape, self.n_windows, self._n_tasks
        if len(shape) == 3:
            fits, length = (shape[0], shape[2]) == (n, t), shape[1]
        else:
            size = int(np.prod(shape))
            fits, length = bool(n) and size % (n * t) == 0 and (shape[0] == n or n == 1), size // max(n * t, 1)
        if not fits:
            raise ScoreError(f"{name} in {self.path} has shape {shape}; expected ({n}, bases, {t})")
        return int(length)

    def _need_labels(self) -> None:
        if not self.labelled:
            raise ScoreError(f"{self.path} holds predictions without labels; give the tracks that were measured")


@contextmanager
def open_predictions(path: Path) -> Iterator[PredictionFile]:
    """Open a predictions file of ours, kerasAC, chrombpnet or bpnet-refactor, told apart by their keys.

    kerasAC squeezes the task axis away when there is one task, and says neither which windows are peaks nor how
    counts were transformed: every window is then a peak, and counts are log(count + 0.001), its default.
    chrombpnet writes shares (softmax) and log(1 + count), and no labels; bpnet predicted counts and log(1 + count)
    with their labels. Attributes of ours (``tasks, transform, pseudocount``) count in every layout.

    Raises
    ------
    ScoreError
        For a file that is missing, damaged, of no known layout, or whose arrays do not fit together.
    """
    if not path.exists():
        raise ScoreError(f"{path} does not exist; make it with 'kerasac-ray predict'")
    if path.is_dir():
        raise ScoreError(
            f"{path} is a folder; of a run, make a file with 'kerasac-ray predict {path.name} --out FILE.h5'"
        )
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ScoreError(f"{path} is not a readable HDF5 file ({error})") from None
    with file:
        yield PredictionFile(path, file, _known_layout(file, path))


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


def _known_layout(file: h5py.File, path: Path) -> Layout:
    layout = layout_of(file)
    if layout is None:
        known = ", ".join(LAYOUT_KEYS)
        raise ScoreError(f"{path} has none of {known}; it holds {', '.join(sorted(file)) or 'nothing'}")
    if "pred_2" in file:
        raise ScoreError(f"{path} has more than two outputs (pred_2); a profile and its counts can be read")
    missing = layout.missing(file)
    if missing:
        raise ScoreError(f"{path} has no {', '.join(missing)}; it holds {', '.join(sorted(file))}")
    version = int(file.attrs.get("format_version", 0))
    if version > FORMAT_VERSION:
        raise ScoreError(
            f"{path} is of format {version}, this is kerasac {__version__} that reads {FORMAT_VERSION}; update it"
        )
    return layout


def _n_tasks(counts: h5py.Dataset, n: int, path: Path) -> int:
    """Return the tasks of an array of counts, (N, T) or squeezed to (N,)."""
    shape = counts.shape
    if len(shape) not in (1, 2) or shape[0] != n:
        raise ScoreError(f"{counts.name} in {path} has shape {shape}; expected ({n}, tasks)")
    return 1 if len(shape) == 1 else int(shape[1])
