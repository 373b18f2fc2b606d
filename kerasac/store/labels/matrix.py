"""Keep the labels of all tasks and bins on disk while they are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerasac.cache import reserve
from kerasac.errors import StoreError

_DTYPE = np.dtype("<f4")


@dataclass(frozen=True)
class LabelMatrix:
    """A file of float32, (n_tasks, n_bins), that several processes write parts of."""

    path: Path
    n_tasks: int
    n_bins: int

    def create(self) -> None:
        """Make the file; raises StoreError when the disk has no room for it."""
        n_bytes = self.n_tasks * self.n_bins * _DTYPE.itemsize
        try:
            with self.path.open("wb") as out:
                reserve(out, n_bytes)
        except OSError as error:
            raise StoreError(
                f"no room for {n_bytes / 1e9:.1f} GB of labels in {self.path.parent} ({error.strerror});"
                " write to another disk, or label fewer tasks or chromosomes at a time"
            ) from None

    def write(self, task: int, low: int, labels: npt.NDArray[np.float32]) -> None:
        """Write labels of bins ``low …`` of a task."""
        with self.path.open("r+b") as out:
            out.seek((task * self.n_bins + low) * _DTYPE.itemsize)
            out.write(labels.astype(_DTYPE).tobytes())

    def read(self, tasks: Sequence[int], low: int, high: int) -> npt.NDArray[np.float32]:
        """Return labels of bins ``low … high - 1``, shape (high − low, n tasks asked for)."""
        cells = np.memmap(self.path, _DTYPE, "r", shape=(self.n_tasks, self.n_bins))
        return np.asarray(cells[list(tasks), low:high]).T
