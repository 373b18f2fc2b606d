"""Say which reads of a file count, and by how much their 5' ends are shifted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, NamedTuple

from kerasac.cache import file_facts
from kerasac.errors import StoreError

MAX_SHIFT_BP = 100
AUTO: Final = "auto"


class Assay(StrEnum):
    """What made the ends of the fragments."""

    ATAC = "atac"
    DNASE = "dnase"
    CHIP = "chip"


class ReadsFormat(StrEnum):
    """How reads are written down.

    ``bam``: alignments. ``fragments``: chrom, start, end and, in single-cell files, barcode and count; each line is
    a fragment with two 5' ends. ``tagalign``: BED6, each line is a read with one.
    """

    BAM = "bam"
    FRAGMENTS = "fragments"
    TAGALIGN = "tagalign"


class Dedup(StrEnum):
    """Which copies of a read count.

    ``marked``: all but those that a BAM file marks as duplicates; lines of text files have no marks. ``unique``: one
    of each chromosome, start, end and strand, whatever its barcode, and none that is marked. ``none``: all.
    """

    MARKED = "marked"
    UNIQUE = "unique"
    NONE = "none"


class Strand(StrEnum):
    """Which 5' ends a track counts."""

    PLUS = "plus"
    MINUS = "minus"
    UNSTRANDED = "unstranded"


class Shift(NamedTuple):
    """Bases that are added to the positions of 5' ends.

    The 5' end of a read on the plus strand is its first base, ``start``; on the minus strand its last one,
    ``end − 1``. Shift (p, m) counts ``start + p`` and ``end − 1 + m``. It is the same number whether a base or BED's
    ``end`` is moved, so it is that of chrombpnet's ``reads_to_bigwig.py``, which moves ``start`` and ``end`` and
    counts with ``bedtools genomecov -5``. (The bigWigs that 5' ends of an ATAC-seq sample with +4/−4 give hold
    ``start + 4`` and ``end − 5``.)
    """

    plus: int
    minus: int

    def __str__(self) -> str:
        return "/".join(f"{bases:+d}".replace("-", "−") if bases else "0" for bases in self)


# Where tracks count the cut of an enzyme. Tn5 leaves 9 bases between the 5' ends of the two fragments that it makes,
# whose middle one both strands then count; DNase I cuts between two bases, of which both count the right one.
# These are chrombpnet's conventions. ChIP fragments are sheared, and nothing says where their protein was.
TARGETS: Mapping[Assay, Shift] = {
    Assay.ATAC: Shift(+4, -4),
    Assay.DNASE: Shift(0, +1),
    Assay.CHIP: Shift(0, 0),
}


def parse_shift(text: str) -> Shift | Literal["auto"]:
    """Read ``auto`` or two numbers: ``+4/-4``, ``4,-4``, ``0/+1``; raises StoreError for anything else."""
    if text.strip().lower() == AUTO:
        return AUTO
    found = re.fullmatch(r"\s*([+-]?\d+)\s*[/,]\s*([+-]?\d+)\s*", text.replace("−", "-"))
    if found is None:
        raise StoreError(f"shift {text!r} is neither 'auto' nor two numbers such as +4/-4")
    return Shift(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class ReadsSpec:
    """Which reads of a file count, and where.

    Of BAM files, reads that are unmapped, secondary, supplementary or failed quality control never count; reads
    that are not properly paired do.

    Attributes
    ----------
    shift: what is added to the positions in the file; ``auto`` finds what brings them to the assay's target.
    min_mapq: of BAM files; 255 there means unknown and passes.
    min_fragment_bp: of fragments, and of pairs in BAM files.
    barcodes: of fragment files: a text file whose lines begin with the barcodes that count. None: all.
    format: None takes it from the file's content.
    """

    assay: Assay = Assay.ATAC
    shift: Shift | Literal["auto"] = AUTO
    dedup: Dedup = Dedup.MARKED
    min_mapq: int = 30
    min_fragment_bp: int = 0
    barcodes: Path | None = None
    format: ReadsFormat | None = None

    def __post_init__(self) -> None:
        if self.shift != AUTO and max(map(abs, self.shift)) > MAX_SHIFT_BP:
            raise StoreError(f"shift {self.shift} moves reads by more than {MAX_SHIFT_BP} bases; ATAC takes +4/−4")
        if not 0 <= self.min_mapq <= 255:
            raise StoreError(f"min_mapq is {self.min_mapq}; mapping qualities are 0 to 255")
        if self.min_fragment_bp < 0:
            raise StoreError(f"min_fragment_bp is {self.min_fragment_bp}; it takes 0 or more bases")
        if self.barcodes is not None and not self.barcodes.is_file():
            raise StoreError(f"barcodes {self.barcodes} does not exist")

    def filters(self) -> dict[str, object]:
        """Return what decides which reads are taken; neither the assay nor the shift does."""
        return {
            "dedup": self.dedup,
            "min_mapq": self.min_mapq,
            "min_fragment_bp": self.min_fragment_bp,
            "barcodes": self.barcodes and file_facts(self.barcodes),
            "format": self.format,
        }
