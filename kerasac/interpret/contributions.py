"""Read files of contributions, ours and other tools', a few windows at a time."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from kerasac.errors import InterpretError
from kerasac.genome.assembly import IntArray
from kerasac.genome.intervals import read_bed
from kerasac.steps.prediction_shards import stored_chrom_sizes

FORMAT_VERSION = 1
Rows = slice | npt.NDArray[np.int64]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Layout:
    """Datasets of hypothetical contributions and of one-hot rows, and their axis of the four bases."""

    scores: str
    sequence: str
    bases_axis: int


_CHROMBPNET = _Layout("shap/seq", "raw/seq", 1)
_BPNET = _Layout("hyp_scores", "input_seqs", 2)  # ours too, which also says much else


class Contributions:
    """An open file of contributions; rows are windows, ``slice`` or increasing numbers.

    ``width_bp`` bases a window. ``head`` is what was explained, as counts; None where the file does not say.
    """

    def __init__(self, path: Path, file: h5py.File, layout: _Layout, regions: Path | None) -> None:
        self._path, self._file, self._layout, self._regions = path, file, layout, regions
        self._scores, self._sequence = file[layout.scores], file[layout.sequence]
        self.width_bp = int(self._scores.shape[3 - layout.bases_axis])
        self.attrs: dict[str, Any] = dict(file.attrs)
        self.head: str | None = self.attrs.get("head")

    def __len__(self) -> int:
        return int(self._scores.shape[0])

    @property
    def is_located(self) -> bool:
        """Whether it is known where the windows are."""
        return self._regions is not None or ("coords_chrom" in self._file and "coords_start" in self._file)

    @property
    def chrom(self) -> npt.NDArray[np.str_]:
        """Chromosomes of the windows, (N,)."""
        return self._places[0]

    @property
    def start(self) -> IntArray:
        """First bases of the windows, (N,), 0-based."""
        return self._places[1]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that were explained; none where the file does not say."""
        return tuple(str(task) for task in self.attrs.get("tasks", ()))

    @property
    def chrom_sizes(self) -> dict[str, int]:
        """Lengths of chromosomes by name; none where the file does not say."""
        return stored_chrom_sizes(self._path)

    def hypothetical(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Read what each base would contribute if it were there, (n, L, 4) float32."""
        return self._bases_last(self._scores[rows]).astype(np.float32, copy=False)

    def one_hot(self, rows: Rows) -> npt.NDArray[np.int8]:
        """Read the windows' bases, (n, L, 4) int8; N is a row of zeros."""
        return self._bases_last(self._sequence[rows]).astype(np.int8, copy=False)

    def actual(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Read the contributions of the bases that are there, (n, L) float32."""
        total: npt.NDArray[np.float32] = (self.hypothetical(rows) * self.one_hot(rows)).sum(axis=2)
        return total

    def spread(self, rows: Rows) -> npt.NDArray[np.float32] | None:
        """Read the standard deviation of the actual contributions over models, (n, L), where it is kept."""
        return self._file["scores_sd"][rows] if "scores_sd" in self._file else None

    def _bases_last(self, values: Array) -> Array:
        return np.moveaxis(values, self._layout.bases_axis, 2)

    @cached_property
    def _places(self) -> tuple[npt.NDArray[np.str_], IntArray]:
        if "coords_chrom" in self._file and "coords_start" in self._file:
            chrom = np.array(self._file["coords_chrom"].asstr()[:], dtype=np.str_)
            return chrom, self._file["coords_start"][:].astype(np.int64)
        if self._regions is None:
            raise InterpretError(f"{self._path} does not say where its windows are; give the file of their --regions")
        peaks = read_bed(self._regions, summits=True)
        if len(peaks) != len(self):
            raise InterpretError(
                f"{self._regions} has {len(peaks):,} regions, {self._path} {len(self):,} windows; give those it was "
                "made of"
            )
        center = np.where(peaks.summit >= 0, peaks.summit, (peaks.start + peaks.end) // 2)
        return np.asarray(peaks.chrom, dtype=np.str_), center - self.width_bp // 2


def is_contributions(path: Path) -> bool:
    """Whether an HDF5 file holds contributions, by its keys."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return _layout(file) is not None


@contextmanager
def open_contributions(path: Path, *, regions: Path | None = None) -> Iterator[Contributions]:
    """Open contributions of ours, of bpnet-refactor or of chrombpnet.

    chrombpnet's files do not say where their windows are: ``regions`` is the narrowPeak file of their windows, in the
    same order, centred at summits (``<prefix>.interpreted_regions.bed``). It is looked at when places are asked for.

    Raises
    ------
    InterpretError
        When the file is missing or damaged, is a pickle, holds no contributions, or is of a later version.
    """
    if not path.is_file():
        raise InterpretError(f"{path} does not exist; `kerasac-ray interpret` writes contributions")
    if _is_pickle(path):
        raise InterpretError(
            f"{path} is a pickle; of one that kerasAC wrote `kerasAC_bigwigs_from_deepshap --path_to_pickle {path} "
            f"--chrom_sizes FILE --output_dir FOLDER` makes FOLDER/{path.name}.counts.h5 and .profile.h5: read these"
        )
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InterpretError(f"cannot read {path} as HDF5 ({error})") from error
    with file:
        layout = _layout(file)
        if layout is None:
            raise InterpretError(
                f"{path} holds no contributions: neither hyp_scores and input_seqs (ours, bpnet-refactor) nor shap/seq "
                "and raw/seq (chrombpnet)"
            )
        version = int(file.attrs.get("format_version", 0))
        if version > FORMAT_VERSION:
            raise InterpretError(
                f"{path} has format version {version}, this kerasac-ray reads up to {FORMAT_VERSION}; update it"
            )
        yield Contributions(path, file, layout, regions)


def _is_pickle(path: Path) -> bool:
    """Whether a file begins as pickles do, of protocol 2 and later."""
    with path.open("rb") as file:
        begin = file.read(2)
    return begin[:1] == pickle.PROTO and 2 <= begin[-1] <= pickle.HIGHEST_PROTOCOL


def _layout(file: h5py.File) -> _Layout | None:
    return next((one for one in (_CHROMBPNET, _BPNET) if one.scores in file and one.sequence in file), None)
