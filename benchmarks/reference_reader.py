"""A plain reader of windows that does what kerasAC's generator does, for the benchmarks to compare with.

A batch has 50 windows. Each channel of each output is one query of the array for all windows of the batch; each
sequence is fetched from the FASTA and encoded by itself. TileDB has one thread (the original leaves it 40, which is
four times slower still). ``lean`` spares the original's repeated work: one query for both channels and both outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import tiledb
from bench_genome import CHROM_BP, INPUT_FLANK, OUTPUT_FLANK

BATCH = 50
CHANNELS = ("plus", "minus")
_ROWS = np.zeros((256, 4))
for _i, _letter in enumerate("ACGT"):
    _ROWS[[ord(_letter), ord(_letter.lower())], _i] = 1


class ReferenceReader:
    """Reads batches of windows, given by genome row of their centre."""

    def __init__(self, folder: Path) -> None:
        config = tiledb.Config(
            {
                "sm.compute_concurrency_level": 1,
                "sm.io_concurrency_level": 1,
                # Else windows that overlap come back as one.
                "sm.merge_overlapping_ranges_experimental": "false",
            }
        )
        self.array = tiledb.open(str(folder / "signal.tdb"), ctx=tiledb.Ctx(config))
        self.fasta = pysam.FastaFile(str(folder / "genome.fa"))

    def read(self, centers: np.ndarray, *, lean: bool = False) -> None:
        """Read windows, a batch at a time; nothing is kept."""
        outputs = self._lean_outputs if lean else self._outputs
        for low in range(0, len(centers), BATCH):
            self.batch(centers[low : low + BATCH], outputs)

    def batch(self, centers: np.ndarray, outputs: Callable[[list[slice]], list[np.ndarray]]) -> list[Any]:
        """Return sequence, profile and log counts of one batch."""
        rows = [slice(center - OUTPUT_FLANK, center + OUTPUT_FLANK - 1) for center in centers.tolist()]
        profile, counts = outputs(rows)
        return [self._sequences(centers), profile, np.log(counts.sum(axis=1) + 0.001)]

    def _outputs(self, rows: list[slice]) -> list[np.ndarray]:
        return [np.concatenate([self._query(rows, [name])[name] for name in CHANNELS], axis=-1) for _ in range(2)]

    def _lean_outputs(self, rows: list[slice]) -> list[np.ndarray]:
        found = self._query(rows, list(CHANNELS))
        both = np.concatenate([found[name] for name in CHANNELS], axis=-1)
        return [both, both]

    def _query(self, rows: list[slice], names: list[str]) -> dict[str, np.ndarray]:
        # Windows that overlap come back one after the other, as they were asked for.
        found = self.array.query(attrs=names).multi_index[rows, 0]
        return {name: found[name].astype(np.float64).reshape(-1, 2 * OUTPUT_FLANK, 1) for name in names}

    def _sequences(self, centers: np.ndarray) -> np.ndarray:
        fetched = []
        for center in centers.tolist():
            chrom, position = divmod(center, CHROM_BP)
            fetched.append(self.fasta.fetch(f"chr{chrom + 1}", position - INPUT_FLANK, position + INPUT_FLANK))
        return np.array([_ROWS[np.frombuffer(sequence.encode(), dtype=np.uint8)] for sequence in fetched])
