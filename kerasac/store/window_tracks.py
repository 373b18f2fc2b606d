"""Read the values of tracks in windows given by chromosome and centre, from bigWigs or a signal array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyBigWig

from kerasac.cache import local_copy, shown
from kerasac.errors import StoreError
from kerasac.genome.assembly import IntArray, naming_hint
from kerasac.store.readers import TrackReader, make_reader
from kerasac.store.schema import StoreLayout
from kerasac.store.slabs import Track

StrArray = npt.NDArray[np.str_]


class WindowTracks(Protocol):
    """Tracks that can be read in any window."""

    @property
    def n_tracks(self) -> int:
        """Tracks, T."""

    def read(self, chrom: StrArray, center: IntArray, n_bases: int) -> npt.NDArray[np.float32]:
        """Read windows ``center − n_bases // 2`` and on, (n, n_bases, T); a base without a value is 0.

        Raises
        ------
        StoreError
            When a window does not lie on its chromosome, or a file cannot be read.
        """


@dataclass(frozen=True)
class BigWigTracks:
    """A bigWig file for each track; files open where they are read."""

    files: tuple[Path, ...]

    @property
    def n_tracks(self) -> int:
        """See :class:`WindowTracks`."""
        return len(self.files)

    def read(self, chrom: StrArray, center: IntArray, n_bases: int) -> npt.NDArray[np.float32]:
        """See :class:`WindowTracks`."""
        start = center - n_bases // 2
        out = np.empty((len(center), n_bases, self.n_tracks), dtype=np.float32)
        for track, (file, bigwig) in enumerate(zip(self.files, self._open, strict=True)):
            _check_inside(chrom, start, n_bases, bigwig.chroms(), shown(file))
            for row, (name, first) in enumerate(zip(chrom.tolist(), start.tolist(), strict=True)):
                out[row, :, track] = _values(bigwig, name, first, first + n_bases, file)
        return np.nan_to_num(out, copy=False, posinf=np.inf)

    def check(self) -> None:
        """Raise StoreError for a file that is missing or no bigWig."""
        _ = self._open

    @cached_property
    def _open(self) -> list[Any]:
        return [_open_bigwig(file) for file in self.files]

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files}

    def __str__(self) -> str:
        return ", ".join(shown(file) for file in self.files)


@dataclass(frozen=True)
class StoredTracks:
    """Tracks of a signal array, read block by block."""

    layout: StoreLayout
    tracks: tuple[Track, ...]

    @property
    def n_tracks(self) -> int:
        """See :class:`WindowTracks`."""
        return len(self.tracks)

    def read(self, chrom: StrArray, center: IntArray, n_bases: int) -> npt.NDArray[np.float32]:
        """See :class:`WindowTracks`."""
        assembly, start = self.layout.assembly, center - n_bases // 2
        _check_inside(chrom, start, n_bases, assembly.as_dict(), self.layout.path)
        names, index = np.unique(chrom, return_inverse=True)
        offsets = np.array([assembly.offsets[assembly.index(str(name))] for name in names], dtype=np.int64)
        values = self._reader.read(start + offsets[index], n_bases)
        return np.ascontiguousarray(values.transpose(0, 2, 1), dtype=np.float32)

    @cached_property
    def _reader(self) -> TrackReader:
        return make_reader(self.layout, self.tracks, "blocks")

    def __getstate__(self) -> dict[str, Any]:
        return {"layout": self.layout, "tracks": self.tracks}

    def __str__(self) -> str:
        return ", ".join(f"{track.attribute} of {track.dataset}" for track in self.tracks)


def _check_inside(chrom: StrArray, start: IntArray, n_bases: int, sizes: Mapping[str, int], where: str) -> None:
    """Refuse windows that leave their chromosome, or whose chromosome is not known."""
    names, index = np.unique(chrom, return_inverse=True)
    unknown = [name for name in names.tolist() if name not in sizes]
    if unknown:
        raise StoreError(f"{where} has no chromosome {unknown[0]!r}{naming_hint(unknown, sizes)}")
    limits = np.array([sizes[name] for name in names.tolist()], dtype=np.int64)
    outside = (start < 0) | (start + n_bases > limits[index])
    if outside.any():
        row = int(np.argmax(outside))
        raise StoreError(
            f"the window {chrom[row]}:{start[row]}-{start[row] + n_bases} leaves its chromosome, which has "
            f"{limits[index][row]:,} bases in {where}; leave such windows out"
        )


def _values(bigwig: Any, chrom: str, start: int, end: int, file: Path) -> npt.NDArray[np.float32]:
    try:
        values: npt.NDArray[np.float32] = bigwig.values(chrom, start, end, numpy=True)
    except RuntimeError as error:
        raise StoreError(f"{shown(file)} cannot be read at {chrom}:{start}-{end} ({error}); is it whole?") from None
    return values


def _open_bigwig(file: Path) -> Any:
    local = local_copy(file)
    if not local.is_file():
        raise StoreError(f"{shown(file)} does not exist; correct the path of the bigWig")
    try:
        bigwig = pyBigWig.open(str(local))
    except RuntimeError as error:
        raise StoreError(f"{shown(file)} is not a whole bigWig file ({error}); make or download it again") from error
    if not bigwig.isBigWig():
        raise StoreError(f"{shown(file)} is a bigBed; a bigWig is needed")
    return bigwig
