"""Simulate 5' ends of reads of Tn5 and DNase I on a random genome, from measured base frequencies.

The frequencies are not those that the package's motifs were made of: Tn5's are of human naive ESC ATAC-seq
(GSE101074), DNase I's of ENCODE experiment ENCSR109DTU, both as the chrombpnet repository tabulates them
(ATAC.ref.motifs.txt, DNASE.ref.motifs.txt), rows around the plus strand's cuts, A C G T.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kerasac.genome.assembly import Assembly
from kerasac.genome.sequence import TokenGenome, reverse_complement, token_genome
from kerasac.store.reads.counts import EndCounts, ReadFacts, SparseCounts
from kerasac.store.reads.spec import Assay, Shift

CHROM_BP = 150_000
UNSHIFTED = Shift(0, 0)

# Bases −6 … +6 from the middle of the 9 that Tn5 duplicates, which is 4 downstream of the 5' end.
_TN5 = (
    (0.2012, 0.3824, 0.2020, 0.2144),
    (0.3758, 0.1410, 0.1945, 0.2887),
    (0.2124, 0.2557, 0.4140, 0.1179),
    (0.2087, 0.2536, 0.1922, 0.3456),
    (0.2289, 0.2810, 0.1963, 0.2938),
    (0.1685, 0.3422, 0.1563, 0.3330),
    (0.3401, 0.1602, 0.1577, 0.3420),
    (0.3369, 0.1467, 0.3426, 0.1738),
    (0.2838, 0.1995, 0.3005, 0.2163),
    (0.3334, 0.2022, 0.2571, 0.2073),
    (0.1479, 0.3869, 0.2510, 0.2142),
    (0.2859, 0.2259, 0.1659, 0.3222),
    (0.2293, 0.2181, 0.3295, 0.2232),
)
# Bases −3 … +2 from the 5' end.
_DNASE = (
    (0.3120, 0.1867, 0.2440, 0.2573),
    (0.1026, 0.4320, 0.2468, 0.2186),
    (0.2641, 0.2388, 0.1933, 0.3039),
    (0.1318, 0.2981, 0.3260, 0.2442),
    (0.1835, 0.3548, 0.3470, 0.1148),
    (0.1952, 0.3739, 0.2060, 0.2248),
)
_FREQUENCIES = {
    Assay.ATAC: (np.array(_TN5), 4 - 6, np.array([0.254, 0.246, 0.246, 0.254])),
    Assay.DNASE: (np.array(_DNASE), -3, np.array([0.222, 0.277, 0.275, 0.226])),
}


def write_random_fasta(path: Path) -> TokenGenome:
    """Write a genome of two random chromosomes and return its tokens."""
    rng = np.random.default_rng(7)
    assembly = Assembly(("chr1", "chr2"), (CHROM_BP, CHROM_BP))
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    text = (f">{name}\n{letters[rng.integers(0, 4, CHROM_BP)].tobytes().decode()}\n" for name in assembly.names)
    path.write_text("".join(text))
    return token_genome(path, assembly)


def simulate_cuts(genome: TokenGenome, assay: Assay | None, n: int, shift: Shift = UNSHIFTED) -> EndCounts:
    """Draw ``n`` 5' ends a strand by the enzyme's preference (None: anywhere), recorded with a shift."""
    rng = np.random.default_rng(n)
    tokens = np.array(genome.open())
    plus = _draw(tokens, assay, n, rng)
    minus = len(tokens) - 1 - _draw(reverse_complement(tokens), assay, n, rng)
    return EndCounts(_counted(plus + shift.plus), _counted(minus + shift.minus), ReadFacts(n, n, n, {}))


def merged(one: EndCounts, other: EndCounts) -> EndCounts:
    """Return what a file that was put together of two others holds."""
    plus, minus = (
        _counted(np.r_[_ends(getattr(one, strand)), _ends(getattr(other, strand))]) for strand in ("plus", "minus")
    )
    return EndCounts(plus, minus, one.facts)


def _draw(tokens: np.ndarray, assay: Assay | None, n: int, rng: np.random.Generator) -> np.ndarray:
    if assay is None:
        return rng.integers(100, len(tokens) - 100, n)
    frequencies, first, background = _FREQUENCIES[assay]
    odds = frequencies / background
    weights = np.ones(len(tokens))
    weights[:100] = weights[-100:] = 0
    inner = np.arange(100, len(tokens) - 100)
    for i, row in enumerate(odds):
        weights[inner] *= row[tokens[inner + first + i]]
    return np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(n))


def _counted(rows: np.ndarray) -> SparseCounts:
    rows, counts = np.unique(rows, return_counts=True)
    return SparseCounts(rows.astype(np.uint32), counts.astype(np.uint32))


def _ends(counts: SparseCounts) -> np.ndarray:
    return np.repeat(counts.rows.astype(np.int64), counts.counts)
