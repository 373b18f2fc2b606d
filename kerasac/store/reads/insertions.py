"""Count a file's 5' ends once on each machine, and read them shifted, slab by slab."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from kerasac.cache import digest, entry, file_facts
from kerasac.errors import GenomeError, StoreError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.sequence import TokenGenome
from kerasac.store.reads.counts import (
    STRANDS,
    EndCounts,
    ReadFacts,
    SparseCounts,
    UInt32Array,
    open_counts,
    write_counts,
)
from kerasac.store.reads.files import read_ends, reads_format
from kerasac.store.reads.shift import ShiftEvidence, detect_shift
from kerasac.store.reads.spec import AUTO, TARGETS, Assay, Dedup, ReadsSpec, Shift, Strand

FORMAT_VERSION = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CountedEnds:
    """The unshifted 5' ends of a file in the cache of whichever machine opens them; small and picklable.

    Specs that differ in assay or shift share them.
    """

    path: Path
    assembly: Assembly
    spec: ReadsSpec
    state: str

    @property
    def name(self) -> str:
        """Return the entry's name in the cache."""
        return f"ends/{self.path.name}-{self.state}"

    def open(self) -> EndCounts:
        """Map the counts, after counting when this machine has not yet."""
        return _open(str(entry(self.name, self._build)))

    def _build(self, folder: Path) -> None:
        if _state(self.path, self.assembly, self.spec) != self.state:
            raise StoreError(f"{self.path} changed while it was in use; run the command again")
        logger.info("counting the 5' ends of %s, once", self.path)
        chunks = read_ends(self.path, self.assembly, self.spec)
        facts = write_counts(chunks, folder, unique=self.spec.dedup == Dedup.UNIQUE)
        if facts.plus + facts.minus == 0:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in facts.skipped.items())
            raise StoreError(f"{self.path} has no 5' end that counts; left out: {reasons}")


@dataclass(frozen=True)
class InsertionCounts:
    """5' ends of a file on genome rows, shifted; small and picklable.

    ``evidence`` is None where the shift was given.
    """

    ends: CountedEnds
    shift: Shift
    facts: ReadFacts
    evidence: ShiftEvidence | None = None

    def cells(self, strand: Strand, low: int, high: int) -> UInt32Array:
        """Return the counts of genome rows ``low … high − 1``, shape (high − low,), uint32."""
        cells = np.zeros(high - low, dtype=np.uint32)
        for one in _single(strand):
            rows, counts = self._within(one, low, high)
            cells[rows - low] += counts
        return cells

    def sparse(self, strand: Strand) -> SparseCounts:
        """Return one strand's counts of the whole genome: of plus or minus."""
        rows, counts = self._within(strand, 0, self.ends.assembly.total_bp)
        return SparseCounts(rows.astype(np.uint32), counts)

    def n_shifted_off(self) -> int:
        """Count the 5' ends that the shift moves off their chromosome: no cell has them."""
        return sum(self._n_shifted_off(strand) for strand in STRANDS)

    def _within(self, strand: Strand, low: int, high: int) -> tuple[IntArray, UInt32Array]:
        """Return the rows (int64) in ``low … high − 1`` after the shift, and their counts."""
        rows, counts = self.ends.open().strand(strand)
        assembly, shift = self.ends.assembly, self._shift(strand)
        # As uint32: bounds of another type would have the whole mapped column converted.
        bounds = np.clip([low - shift, high - shift], 0, assembly.total_bp).astype(np.uint32)
        first, last = np.searchsorted(rows, bounds)
        recorded = rows[first:last].astype(np.int64)
        chrom_ends = assembly.offsets + assembly.sizes_bp
        moved = recorded + shift
        stays = np.searchsorted(chrom_ends, recorded, "right") == np.searchsorted(chrom_ends, moved, "right")
        return moved[stays], counts[first:last][stays]

    def _shift(self, strand: Strand) -> int:
        return self.shift.plus if strand == Strand.PLUS else self.shift.minus

    def _n_shifted_off(self, strand: Strand) -> int:
        rows, counts = self.ends.open().strand(strand)
        starts, shift = self.ends.assembly.offsets, self._shift(strand)
        ends = starts + self.ends.assembly.sizes_bp
        low = np.maximum(ends - shift, starts) if shift > 0 else starts
        high = ends if shift > 0 else np.minimum(starts - shift, ends)
        first, last = (np.searchsorted(rows, bounds.astype(np.uint32)).tolist() for bounds in (low, high))
        return sum(int(counts[i:j].sum()) for i, j in zip(first, last, strict=True) if i < j)


def counted_ends(path: Path, assembly: Assembly, spec: ReadsSpec) -> CountedEnds:
    """Return the 5' ends of a file, to be counted where they are first opened."""
    if not path.is_file():
        raise StoreError(f"{path} does not exist")
    if assembly.total_bp > np.iinfo(np.uint32).max:
        raise GenomeError(f"genomes above 4.29 Gb have no 5' end counts; this one has {assembly.total_bp:,} bases")
    return CountedEnds(path, assembly, spec, _state(path, assembly, spec))


def count_reads(
    path: Path, assembly: Assembly, spec: ReadsSpec, *, genome: TokenGenome | None = None
) -> InsertionCounts:
    """Count the 5' ends of a file and find how to shift them.

    Counting is done once on each machine for a state of the file, whatever the shift. Call it for each file before
    workers read the cells: workers that ask for one that is not counted wait for the first of them.

    Parameters
    ----------
    genome: tokens of the assembly; needed where the shift is ``auto`` and the assay cuts with an enzyme.

    Raises
    ------
    StoreError, GenomeError
        When the file cannot be read or is not of this assembly, or its shift is not clear from the data.
    """
    ends = counted_ends(path, assembly, spec)
    facts = ends.open().facts
    if spec.shift != AUTO:
        return InsertionCounts(ends, spec.shift, facts)
    if spec.assay == Assay.CHIP:
        return InsertionCounts(ends, TARGETS[Assay.CHIP], facts)
    if genome is None:
        raise StoreError(f"the shift of {path} is found by its motif, which needs the FASTA; give it, or the shift")
    evidence = detect_shift(ends.open(), genome, spec.assay)
    if evidence.shift is None:
        raise StoreError(f"the shift of {path} is not clear: {evidence.problem}; {evidence.way_out}")
    logger.info("%s: %s", path, evidence.summary)
    if not evidence.is_usual:
        logger.warning("%s: %s, which is unusual; see kerasac-ray shift", path, evidence.summary)
    return InsertionCounts(ends, evidence.shift, facts, evidence)


@lru_cache(maxsize=64)
def _open(folder: str) -> EndCounts:
    return open_counts(Path(folder))


def _single(strand: Strand) -> tuple[Strand, ...]:
    return STRANDS if strand == Strand.UNSTRANDED else (strand,)


def _state(path: Path, assembly: Assembly, spec: ReadsSpec) -> str:
    if spec.format is not None and spec.format == reads_format(path):
        spec = replace(spec, format=None)  # said or found, it is the same, and so are the counts
    sizes = list(assembly.as_dict().items())
    return digest({**file_facts(path), "sizes": sizes, "filters": spec.filters(), "version": FORMAT_VERSION})
