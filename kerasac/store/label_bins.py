"""Keep the labels of a genome's bins where every process of a machine can look them up by the bin's centre."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.cache import digest, entry, file_facts, local_copy, shown
from kerasac.errors import SamplingError, StoreError
from kerasac.genome.assembly import Assembly, IntArray, naming_hint, renamed_chromosome
from kerasac.store.labels.read import BinLabels, read_labels

FORMAT_VERSION = 1
_MAX_ROWS = (1 << 32) - 1  # of a uint32
_CENTER, _VALUES, _FACTS = "center.npy", "values.npy", "facts.txt"

FloatArray = npt.NDArray[np.float32]

logger = logging.getLogger(__name__)


class BinTable(NamedTuple):
    """Bins in genome order, mapped: ``center`` (n,) uint32 genome rows, rising; ``values`` (n, n_tasks) float32."""

    center: npt.NDArray[np.uint32]
    values: FloatArray

    def at(self, centers: IntArray) -> FloatArray:
        """Return the values of the bins with these centres, (len(centers), n_tasks).

        Raises
        ------
        SamplingError
            When there is no bin with such a centre.
        """
        rows = self._place(centers)
        rows = np.minimum(rows, max(0, len(self.center) - 1))
        found = self.center[rows] == centers if len(self.center) else np.zeros(len(centers), dtype=bool)
        if not found.all():
            raise SamplingError(f"no bin has its centre at genome row {centers[~found][0]:,}; see labels and file")
        return self.values[rows]

    def between(self, first: int, last: int) -> slice:
        """Return which bins have their centre at genome rows ``first`` to ``last``, both included."""
        low, high = self._place(np.array([first])), self._place(np.array([last]), side="right")
        return slice(int(low[0]), int(high[0]))

    def _place(self, rows: IntArray, side: Literal["left", "right"] = "left") -> IntArray:
        # Rows of another type would have the whole column copied to theirs.
        return np.searchsorted(self.center, rows.astype(self.center.dtype), side)


@dataclass(frozen=True)
class LabelBins:
    """Some tasks of a label file, in the cache of whichever machine opens them; small and picklable.

    ``path`` may hold a URL: each machine fetches its own copy. The centre of a bin is the middle of START … END,
    rounded down. ``bin_bp`` is END − START, of all bins.
    """

    path: Path
    tasks: tuple[str, ...]
    assembly: Assembly
    state: str

    @cached_property
    def name(self) -> str:
        """Return the entry's name in the cache."""
        readable = re.sub(r"[^\w-]", "_", self.path.name.split("?")[0].split(".")[0])[:80]
        return f"labels/{readable}-{self.state}"

    def ensure(self, *, verify: bool = False) -> Path:
        """Return the entry's folder on this machine, reading the file when it is not there.

        Raises
        ------
        StoreError
            When the file is no label file, lacks a task, does not fit the genome, or has a bin twice.
        """
        return entry(self.name, self._build, verify=verify)

    def open(self) -> BinTable:
        """Map the bins."""
        folder = self.ensure()
        return BinTable(*(np.load(folder / name, mmap_mode="r") for name in (_CENTER, _VALUES)))

    @property
    def bin_bp(self) -> int:
        """Length of every bin with its flanks."""
        return int(self._facts[0])

    def content(self) -> str:
        """Return what changes when the bins or their values do."""
        return self._facts[1]

    @cached_property
    def _facts(self) -> list[str]:
        return (self.ensure() / _FACTS).read_text(encoding="utf-8").split()

    def _build(self, folder: Path) -> None:
        if self.assembly.total_bp > _MAX_ROWS:
            raise StoreError(
                f"the genome has {self.assembly.total_bp:,} bases, of which bins can be numbered up to {_MAX_ROWS:,}; "
                "leave out chromosomes (genome.chrom_sizes)"
            )
        if _state(self.path, self.tasks, self.assembly) != self.state:
            raise StoreError(f"{shown(self.path)} changed while the run was going on; run the command again")
        path = local_copy(self.path)
        labels = read_labels(path, tasks=self.tasks)
        kept, offsets = _on_genome(labels, self.assembly, path)
        rows = offsets[labels.chrom_index[kept]] + (labels.start[kept] + labels.end[kept]) // 2
        order = np.argsort(rows, kind="stable")
        center = rows[order]
        _check_distinct(center, self.assembly, path)
        values = labels.values[kept][order]
        np.save(folder / _CENTER, center.astype(np.uint32))
        np.save(folder / _VALUES, values)
        content = hashlib.sha256(center.tobytes())
        content.update(np.ascontiguousarray(values).tobytes())
        (folder / _FACTS).write_text(f"{labels.window_bp} {content.hexdigest()}", encoding="utf-8")


def label_bins(path: Path, tasks: tuple[str, ...], assembly: Assembly) -> LabelBins:
    """Return the bins of a label file, to be read where they are first opened."""
    if not local_copy(path).is_file():
        raise StoreError(f"label file {path} does not exist")
    return LabelBins(path, tasks, assembly, _state(path, tasks, assembly))


def _state(path: Path, tasks: tuple[str, ...], assembly: Assembly) -> str:
    sizes = list(assembly.as_dict().items())
    return digest({**file_facts(path), "tasks": list(tasks), "sizes": sizes, "version": FORMAT_VERSION})


def _on_genome(labels: BinLabels, assembly: Assembly, path: Path) -> tuple[npt.NDArray[np.bool_], IntArray]:
    """Return which bins are on chromosomes of the genome, and the genome row of base 0 of each of theirs."""
    unknown = [chrom for chrom in labels.chroms if chrom not in assembly]
    if unknown and (len(unknown) == len(labels.chroms) or renamed_chromosome(unknown, assembly.names) is not None):
        hint = naming_hint(unknown, assembly.names)
        raise StoreError(f"chromosome {unknown[0]!r} of {path} is not in the genome{hint}")
    known = np.array([chrom in assembly for chrom in labels.chroms])
    index = [assembly.index(chrom) if chrom in assembly else 0 for chrom in labels.chroms]
    kept = known[labels.chrom_index]
    if unknown:
        logger.warning("%s: %d bins on chromosomes that the genome lacks skipped: %s", path, (~kept).sum(), unknown)
    beyond = labels.end > assembly.sizes_bp[index][labels.chrom_index]
    if (beyond & kept).any():
        i = int(np.flatnonzero(beyond & kept)[0])
        where = f"{labels.chroms[labels.chrom_index[i]]}:{labels.start[i]}-{labels.end[i]}"
        raise StoreError(f"{path}: bin {where} ends beyond its chromosome; the file is of another assembly")
    return kept, assembly.offsets[index]


def _check_distinct(center: IntArray, assembly: Assembly, path: Path) -> None:
    same = np.flatnonzero(center[1:] == center[:-1])
    if len(same):
        row = int(center[same[0]])
        index = int(np.searchsorted(assembly.offsets, row, side="right")) - 1
        where = f"{assembly.names[index]}:{row - int(assembly.offsets[index])}"
        raise StoreError(f"{path} has {len(same):,} bins twice, the first around {where}; keep one row each")
