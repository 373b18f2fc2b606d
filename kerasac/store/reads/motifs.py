"""Know what Tn5 and DNase I cut, well enough to find where the ends of reads lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kerasac.store.reads.spec import TARGETS, Assay, Shift

FloatArray = npt.NDArray[np.float64]

# log2 of base frequency over background, in A, C, G, T order. Tn5's site is palindromic about the middle of the 9
# bases that it duplicates (Adey et al. 2010, Genome Biol 11:R119), so half of it is enough: from 10 bases before the
# middle to the middle. Measured on the 5' ends of the 414,911 fragments of the nuclear chromosomes of S. cerevisiae
# run SRR1822137 (Schep et al. 2015, Genome Res 25:1757), each position once; both strands and, as reverse
# complements, both halves together; the background is that of the bases 30 to 50 away.
_TN5_HALF = (
    (-0.28, +0.12, +0.08, +0.10),
    (-0.07, -0.07, +0.47, -0.31),
    (-0.13, +0.37, +0.11, -0.29),
    (+0.11, -0.16, +0.16, -0.13),
    (-0.30, +0.62, -0.17, -0.18),
    (+0.20, -0.33, -0.01, -0.00),
    (-0.22, +0.21, +0.71, -0.79),
    (-0.36, +0.13, -0.20, +0.31),
    (-0.17, +0.20, -0.13, +0.10),
    (-0.56, +0.41, -0.41, +0.34),
    (+0.27, -0.51, -0.51, +0.27),
)
# The three bases before and after the cut of DNase I, in the direction of the read that begins with the fourth: the
# hexamer that its preference is described by (Lazarovici et al. 2013, PNAS 110:6376; He et al. 2014, Nat Methods
# 11:73). Means over ENCODE experiments ENCSR025EYJ, ENCSR000EMN, ENCSR014FPY and ENCSR618HFT and both strands, of
# the base frequencies around unshifted reads that the chrombpnet repository tabulates (DNASE.ref.motifs.txt, MIT),
# over those 7 to 10 bases away.
_DNASE = (
    (+0.43, -0.56, -0.19, +0.17),
    (-1.24, +0.79, -0.31, -0.02),
    (+0.06, -0.24, -0.58, +0.55),
    (-0.42, -0.07, +0.09, +0.28),
    (+0.06, +0.12, +0.37, -1.04),
    (+0.03, +0.18, -0.30, +0.01),
)


@dataclass(frozen=True, eq=False)
class CutMotif:
    """The bases around the 5' ends that an enzyme makes, in the direction of the read.

    ``first`` is the position of the first row, the true 5' end being 0. ``known`` are the shifts that files of such
    reads come with, and who makes them.
    """

    enzyme: str
    assay: Assay
    rows: tuple[tuple[float, ...], ...]
    first: int
    known: Mapping[Shift, str]

    @cached_property
    def log_odds(self) -> FloatArray:
        """Log2 of frequency over background, shape (bases, 4)."""
        return np.array(self.rows)

    @property
    def target(self) -> Shift:
        """The shift that tracks of the assay have."""
        return TARGETS[self.assay]


MOTIFS: Mapping[Assay, CutMotif] = {
    Assay.ATAC: CutMotif(
        "Tn5",
        Assay.ATAC,
        (*_TN5_HALF, *(row[::-1] for row in _TN5_HALF[-2::-1])),
        first=4 - 10,
        known={
            Shift(0, 0): "as aligned",
            Shift(+4, -5): "shifted as ENCODE's tagAligns and 10x fragments",  # Buenrostro et al. 2013
            Shift(+4, -4): "shifted as ChromBPNet's tracks",
        },
    ),
    Assay.DNASE: CutMotif(
        "DNase I",
        Assay.DNASE,
        _DNASE,
        first=-3,
        known={Shift(0, 0): "as aligned", Shift(0, +1): "shifted as ChromBPNet's tracks"},
    ),
}
