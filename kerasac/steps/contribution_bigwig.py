"""Turn contribution scores of windows into a bigWig track, from the files of chrombpnet or bpnet-refactor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from kerasac.errors import ScoreError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.centering import Center
from kerasac.genome.peak_centers import read_peaks
from kerasac.steps.prediction_shards import genome_of
from kerasac.store.bigwig_tracks import Written, write_bigwigs

Array = npt.NDArray[Any]

TRACK = "contributions"


@dataclass(frozen=True)
class _Layout:
    """Datasets of hypothetical contributions and of one-hot sequence, and their axis of the four bases."""

    scores: str
    sequence: str
    bases_axis: int
    located: bool


_CHROMBPNET = _Layout("shap/seq", "raw/seq", 1, located=False)
_BPNET = _Layout("hyp_scores", "input_seqs", 2, located=True)


def is_contributions(path: Path) -> bool:
    """Whether an HDF5 file holds contribution scores, by its keys."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return _layout(file) is not None


def contribution_bigwig(
    source: Path, prefix: Path, *, regions: Path | None, chrom_sizes: Path | None, overwrite: bool = False
) -> Written:
    """Write ``<prefix>.contributions.bw``: at each base the contribution of the base that is there.

    bpnet's files say where their windows are; chrombpnet's do not: ``regions`` is the narrowPeak file of their windows,
    in the same order, centred at summits (``<prefix>.interpreted_regions.bed``).

    Raises
    ------
    ScoreError
        When places or chromosome sizes are missing, or there are more regions than windows.
    """
    path = prefix.with_name(f"{prefix.name}.{TRACK}.bw")
    if path.exists() and not overwrite:
        raise ScoreError(f"{path} is there already; choose another --out, or --overwrite")
    assembly = genome_of(source, chrom_sizes)
    with h5py.File(source, "r") as file:
        layout = _layout(file)
        assert layout is not None, "the file was told apart by its keys"
        return write_bigwigs(_tracks(file, layout, source, regions, assembly), {TRACK: path}, assembly)[0]


@dataclass(frozen=True)
class _Contributions:
    """Windows of a file of contributions."""

    file: h5py.File
    layout: _Layout
    chrom: npt.NDArray[np.str_]
    start: IntArray
    width_bp: int
    names: tuple[str, ...] = (TRACK,)

    @property
    def row_bytes(self) -> int:
        """Bytes that reading a window takes: scores, sequence and their product of four bases."""
        return 4 * 4 * 3 * self.width_bp

    def values(self, rows: slice) -> Mapping[str, Array]:
        """Read contributions of the bases that are there, (n, L) float32."""
        scores, sequence = (self.file[name][rows] for name in (self.layout.scores, self.layout.sequence))
        return {TRACK: (scores.astype(np.float32) * sequence).sum(axis=self.layout.bases_axis)}


def _layout(file: h5py.File) -> _Layout | None:
    return next((one for one in (_CHROMBPNET, _BPNET) if one.scores in file and one.sequence in file), None)


def _tracks(file: h5py.File, layout: _Layout, source: Path, regions: Path | None, assembly: Assembly) -> _Contributions:
    n, width = len(file[layout.scores]), int(file[layout.scores].shape[3 - layout.bases_axis])
    if layout.located and "coords_chrom" in file:
        chrom = np.array(file["coords_chrom"].asstr()[:], dtype=np.str_)
        return _Contributions(file, layout, chrom, file["coords_start"][:].astype(np.int64), width)
    if regions is None:
        raise ScoreError(f"{source} does not say where its windows are; give the file of their --regions")
    peaks = read_peaks(regions, assembly, Center.SUMMIT)
    if len(peaks.centers) != n or peaks.skipped:
        skipped = "".join(f", {count:,} {why}" for why, count in peaks.skipped.items())
        raise ScoreError(
            f"{regions} has {peaks.n_read:,} regions{skipped}, {source} {n:,} windows; give those it was made of"
        )
    place = np.searchsorted(assembly.offsets, peaks.centers, side="right") - 1
    start = peaks.centers - assembly.offsets[place] - width // 2
    return _Contributions(file, layout, np.asarray(assembly.names)[place], start, width)
