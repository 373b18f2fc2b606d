"""Write predictions in parts, in kerasAC's HDF5 layout, and join the parts without decoding them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import h5py
import numpy as np
import numpy.typing as npt

from kerasac import __version__
from kerasac.cache import whole_file
from kerasac.errors import ScoreError
from kerasac.genome.assembly import Assembly, read_chrom_sizes
from kerasac.steps.hdf5_rows import create_rows, join_rows
from kerasac.steps.predictions import FORMAT_VERSION

SHARD_WINDOWS = 4096  # a minute of a BPNet on two cores; what a killed prediction does again at most
_STRING = "S256"  # of a coordinate, as in kerasAC

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PredictionFacts:
    """What all windows of a file share: names of tasks, and how counts were transformed.

    ``chrom_sizes`` are the lengths of the chromosomes in bases, by name; ``attrs`` further facts, written as they are.
    """

    tasks: tuple[str, ...]
    transform: str
    pseudocount: float
    chrom_sizes: Mapping[str, int]
    attrs: Mapping[str, Any]


class Block(NamedTuple):
    """Some windows, predicted; labels are None where none were asked for.

    ``chrom`` (n,) str, ``center`` (n,) int64, ``reverse`` and ``is_peak`` (n,) bool; ``logits`` and ``label_profile``
    (n, L, T), ``logcount``, ``label_logcount`` and, where counts were calibrated, ``raw_logcount`` (n, T), float32.
    """

    chrom: npt.NDArray[np.str_]
    center: npt.NDArray[np.int64]
    reverse: npt.NDArray[np.bool_]
    is_peak: npt.NDArray[np.bool_]
    logits: Array
    logcount: Array
    label_profile: Array | None = None
    label_logcount: Array | None = None
    raw_logcount: Array | None = None

    def columns(self) -> dict[str, Array]:
        """Return the block's datasets, by their names in the file."""
        strand = np.where(self.reverse, "r", ".")
        coords = [column.astype(_STRING) for column in (self.chrom, self.center, strand)]
        found = {
            "coords": np.stack(coords, axis=1),
            "lab_0": self.label_profile,
            "pred_0": self.logits,
            "lab_1": self.label_logcount,
            "pred_1": self.logcount,
            "pred_1_uncalibrated": self.raw_logcount,
            "is_peak": self.is_peak.astype(np.uint8),
        }
        return {name: values for name, values in found.items() if values is not None}


def joined_blocks(blocks: Sequence[Block], order: npt.NDArray[np.int64]) -> Block:
    """Return the rows of all blocks, one after the other, in another order."""
    columns = zip(*blocks, strict=True)
    joined: Any = [None if column[0] is None else np.concatenate(column)[order] for column in columns]
    return Block(*joined)


class PredictionWriter(AbstractContextManager["PredictionWriter"]):
    """Writes blocks one after the other to a file of ``n_windows``; memory does not grow with them.

    The file at ``path`` is written as it grows: give a path beside the final one, and rename. ``shard_windows``, a
    power of two, is what its chunks have to divide.
    """

    def __init__(self, path: Path, n_windows: int, shard_windows: int = SHARD_WINDOWS) -> None:
        self._file = h5py.File(path, "w")
        self._n_windows, self._shard_windows, self._at = n_windows, shard_windows, 0

    def write(self, block: Block) -> None:
        """Append a block."""
        columns = block.columns()
        if not self._at:
            for name, values in columns.items():
                create_rows(self._file, name, self._n_windows, values, self._shard_windows)
        rows = slice(self._at, self._at + len(block.center))
        for name, values in columns.items():
            self._file[name][rows] = values
        self._at = rows.stop

    def finish(self, facts: PredictionFacts, **extra: Array | None) -> None:
        """Write what all windows share; ``extra`` are further datasets, as ``mean_profile``."""
        for name, values in extra.items():
            if values is not None:
                self._file.create_dataset(name, data=values)
        _describe(self._file, facts)

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self


def write_blocks(
    path: Path, blocks: Iterable[Block], n_windows: int, facts: PredictionFacts, **extra: Array | None
) -> None:
    """Write a whole file, block by block; it appears when it is complete."""
    with whole_file(path) as beside, PredictionWriter(beside, n_windows) as writer:
        for block in blocks:
            writer.write(block)
        writer.finish(facts, **extra)


def join_shards(parts: Sequence[Path], out: Path, facts: PredictionFacts, shard_windows: int = SHARD_WINDOWS) -> None:
    """Join files of ``shard_windows`` windows each, but the last, into one; it appears when it is complete.

    Compressed chunks are copied as they are, which is as fast as the disk.
    """
    with whole_file(out) as beside, h5py.File(beside, "w") as joined:
        join_rows(parts, joined, shard_windows)
        _describe(joined, facts)


def stored_chrom_sizes(path: Path) -> dict[str, int]:
    """Return the lengths of chromosomes by name that a file of ours keeps; none of another tool's."""
    with h5py.File(path, "r") as file:
        if "chroms" not in file:
            return {}
        return dict(zip(file["chroms"].asstr()[:].tolist(), file["chrom_sizes"][:].tolist(), strict=True))


def genome_of(path: Path, chrom_sizes: Path | None) -> Assembly:
    """Return the genome that the windows of a file lie on: of chromosome sizes, or as the file keeps it.

    Raises
    ------
    ScoreError
        When neither says it.
    """
    if chrom_sizes is not None:
        return read_chrom_sizes(chrom_sizes)
    sizes = stored_chrom_sizes(path)
    if not sizes:
        raise ScoreError(f"{path} does not say how long chromosomes are; give --chrom-sizes FILE")
    return Assembly(tuple(sizes), tuple(sizes.values()))


def write_chrom_sizes(file: h5py.File, sizes: Mapping[str, int]) -> None:
    """Keep the lengths of chromosomes in a file."""
    file.create_dataset("chroms", data=list(sizes), dtype=h5py.string_dtype())
    file.create_dataset("chrom_sizes", data=np.array(list(sizes.values()), dtype=np.int64))


def _describe(file: h5py.File, facts: PredictionFacts) -> None:
    write_chrom_sizes(file, facts.chrom_sizes)
    for name, value in facts.attrs.items():
        file.attrs[name] = value if isinstance(value, str | int | float | bool) else json.dumps(value)
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["kerasac_version"] = __version__
    file.attrs["transform"] = facts.transform
    file.attrs["pseudocount"] = float(facts.pseudocount)
    file.attrs.create("tasks", list(facts.tasks), dtype=h5py.string_dtype())
