"""Read a peak file, and where windows on its peaks are centred."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.centering import Center
from kerasac.genome.intervals import BoolArray, Intervals, Spans, read_bed, summit_outside


@dataclass(frozen=True, eq=False)
class PeakFile:
    """The peaks of a file that lie on the assembly, in their order, cut at chromosome ends.

    ``centers`` (n,) int64 are genome rows; ``usable`` (n,) bool tells those whose summit is one of their bases.
    ``n_read`` counts the rows of the file, ``skipped``, by reason, those that are missing here or not usable.
    """

    assembly: Assembly
    intervals: Intervals
    centers: IntArray
    usable: BoolArray
    n_read: int
    skipped: dict[str, int]

    def spans(self, margin_bp: int = 0) -> Spans:
        """Return the bases of all peaks, and those within ``margin_bp`` of one on its chromosome."""
        sizes = self.assembly.sizes_bp[self.intervals.chrom_index(self.assembly)]
        offsets = self.intervals.offsets(self.assembly)
        starts = np.maximum(self.intervals.start - margin_bp, 0)
        ends = np.minimum(self.intervals.end + margin_bp, sizes)
        return Spans.from_bounds(offsets + starts, offsets + ends)


def read_peaks(path: Path, assembly: Assembly, center: Center = Center.SUMMIT) -> PeakFile:
    """Read peaks from a narrowPeak file, or with ``Center.CENTER`` from any BED file; gzipped or not.

    Raises
    ------
    GenomeError
        When the file has no interval, none on the assembly, no summits where they are needed, or does not fit it.
    """
    read = read_bed(path, summits=center is Center.SUMMIT)
    if not len(read):
        raise GenomeError(f"{path} holds no interval; check what wrote it")
    known = read.known(assembly, path).clipped(assembly, path)
    usable = ~summit_outside(known)
    skipped = {
        "on chromosomes that the genome lacks": len(read) - len(known),
        "with a summit outside": int((~usable).sum()),
    }
    middle = (known.start + known.end) // 2
    centers = np.where(known.summit >= 0, known.summit, middle) + known.offsets(assembly)
    return PeakFile(assembly, known, centers, usable, len(read), {why: n for why, n in skipped.items() if n})


def read_spans(path: Path, assembly: Assembly) -> Spans:
    """Read a BED file as a set of bases; an empty file is the empty set.

    Raises
    ------
    GenomeError
        When the file does not fit the assembly.
    """
    return Spans.from_intervals(read_bed(path).known(assembly, path).clipped(assembly, path), assembly)
