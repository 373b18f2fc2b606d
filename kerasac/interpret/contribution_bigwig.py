"""Turn contributions of windows into a bigWig track, from our files or those of chrombpnet and bpnet-refactor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasac.cache import with_ending
from kerasac.errors import InterpretError
from kerasac.genome.assembly import IntArray
from kerasac.interpret.contributions import Contributions, open_contributions
from kerasac.steps.prediction_shards import genome_of
from kerasac.store.bigwig_tracks import Written, write_bigwigs

TRACK = "contributions"


def contribution_bigwig(
    source: Path, prefix: Path, *, regions: Path | None, chrom_sizes: Path | None, overwrite: bool = False
) -> Written:
    """Write ``<prefix>.contributions.bw``: at each base the contribution of the base that is there.

    ``regions`` say where the windows of chrombpnet's files are: see
    :func:`kerasac.interpret.contributions.open_contributions`.

    Raises
    ------
    InterpretError
        When places are missing, or there are more regions than windows.
    ScoreError, GenomeError
        When chromosome sizes are missing, or a window lies outside of them.
    """
    path = with_ending(prefix, f"{TRACK}.bw")
    if path.exists() and not overwrite:
        raise InterpretError(f"{path} is there already; choose another --out, or --overwrite")
    assembly = genome_of(source, chrom_sizes)
    with open_contributions(source, regions=regions) as file:
        return write_bigwigs(_Tracks(file), {TRACK: path}, assembly)[0]


class _Tracks:
    """Windows of a file of contributions, as the one track that is written of them."""

    names = (TRACK,)

    def __init__(self, file: Contributions) -> None:
        self._file = file

    @property
    def chrom(self) -> npt.NDArray[np.str_]:
        """Chromosomes of the windows."""
        return self._file.chrom

    @property
    def start(self) -> IntArray:
        """First bases of the windows."""
        return self._file.start

    @property
    def width_bp(self) -> int:
        """Bases of a window."""
        return self._file.width_bp

    @property
    def row_bytes(self) -> int:
        """Bytes that reading a window takes: scores, sequence and their product of four bases."""
        return 4 * 4 * 3 * self._file.width_bp

    def values(self, rows: slice) -> Mapping[str, npt.NDArray[Any]]:
        """Read contributions of the bases that are there, (n, L) float32."""
        return {TRACK: self._file.actual(rows)}
