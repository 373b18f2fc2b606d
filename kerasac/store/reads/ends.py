"""Hold the 5' ends of a piece of a file, and place them on the genome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly, IntArray, naming_hint, renamed_chromosome

BoolArray = npt.NDArray[np.bool_]

UNKNOWN_CHROMOSOME = "on a chromosome that the genome lacks"
OFF_CHROMOSOME = "beyond the end of its chromosome"


class Ends(NamedTuple):
    """5' ends on one strand: ``row`` (N,) genome rows of their bases, ``span`` (N,) what tells duplicates apart.

    The span is the length of the fragment or, where that is not known, of the read, in bases. int64.
    """

    row: IntArray
    span: IntArray


class Chunk(NamedTuple):
    """What a piece of a file holds; ``skipped`` counts the 5' ends that do not count, by reason."""

    plus: Ends
    minus: Ends
    n_records: int
    skipped: Mapping[str, int]


class Sieve:
    """Leaves out rows of a table, one reason after the other, and counts them."""

    def __init__(self, n_rows: int, *, ends_per_row: int) -> None:
        self.kept: BoolArray = np.ones(n_rows, dtype=bool)
        self.skipped: Counter[str] = Counter()
        self._ends_per_row = ends_per_row

    def drop(self, rows: BoolArray, reason: str) -> None:
        """Leave out rows; those that an earlier reason left out are not counted again."""
        self.skipped[reason] += int((rows & self.kept).sum()) * self._ends_per_row
        self.kept &= ~rows

    def placed(self, assembly: Assembly, chrom: IntArray, position: IntArray, span: IntArray, of: BoolArray) -> Ends:
        """Return the 5' ends of the kept rows among ``of`` on the genome; those beyond their chromosome are counted.

        ``chrom`` (N,) indices of the assembly's chromosomes; ``position`` (N,) 0-based.
        """
        rows = np.flatnonzero(self.kept & of)
        chrom, position = chrom[rows], position[rows]
        on = (position >= 0) & (position < assembly.sizes_bp[chrom])
        self.skipped[OFF_CHROMOSOME] += int((~on).sum())
        return Ends((position + assembly.offsets[chrom])[on], span[rows][on])


class Chromosomes:
    """The chromosomes that a file names, as indices of an assembly's; remembers whether any was known."""

    def __init__(self, path: Path, assembly: Assembly) -> None:
        self._path, self._assembly = path, assembly
        self._index = {name: i for i, name in enumerate(assembly.names)}
        self._unknown: dict[str, None] = {}
        self._any_known = False

    def index(self, names: Sequence[str]) -> IntArray:
        """Return the index of each name in the assembly, −1 where it lacks it.

        Raises
        ------
        GenomeError
            When a name differs from one of the assembly's only by ``chr``.
        """
        index = np.array([self._index.get(name, -1) for name in names], dtype=np.int64)
        self._unknown.update(dict.fromkeys(name for name in names if name not in self._index))
        self._any_known = self._any_known or bool((index >= 0).any())
        if renamed_chromosome(self._unknown, self._assembly.names) is not None:
            self._refuse()
        return index

    def check_any(self) -> None:
        """Raise GenomeError when the file named chromosomes, and none was the assembly's."""
        if self._unknown and not self._any_known:
            self._refuse()

    def _refuse(self) -> None:
        unknown = list(self._unknown)
        hint = naming_hint(unknown, self._assembly.names)
        raise GenomeError(f"chromosome {unknown[0]!r} of {self._path} is not in the genome{hint}")
