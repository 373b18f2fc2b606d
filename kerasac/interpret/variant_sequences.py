"""Write both alleles of variants into the sequence around them, as wide as a model's input."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.sequence import TokenArray, encode
from kerasac.interpret.references import dinucleotide_shuffles
from kerasac.interpret.variants import Change, Variants


class AlleleSequences(NamedTuple):
    """Both alleles of some variants in their windows.

    ``tokens`` (n, 2, L) uint8: reference, alternate. The first changed base is in the middle, at L / 2: what lies to
    its left is the same in both. ``n_ref`` and ``n_alt`` (n,) int64 are the changed bases of each; what follows them is
    the genome's, so that the window of a deletion ends further on, that of an insertion earlier.
    """

    tokens: TokenArray
    n_ref: IntArray
    n_alt: IntArray


def allele_sequences(variants: Variants, assembly: Assembly, genome: TokenArray, flank: int) -> AlleleSequences:
    """Return windows of 2 × ``flank`` bases, out of a genome's tokens (total_bp,)."""
    changes = variants.changes()
    rows = first_rows(variants, changes, assembly)
    contexts = [_context(genome, row, change, flank) for row, change in zip(rows.tolist(), changes, strict=True)]
    return _sequences(contexts, changes, flank)


def shuffled_alleles(
    variants: Variants, draws: IntArray, assembly: Assembly, genome: TokenArray, flank: int, seed: int
) -> AlleleSequences:
    """Return both alleles in dinucleotide shuffles of what is around them.

    ``draws`` (n,) int64 number the shuffles of one variant. A shuffle follows from the seed, the place and its number,
    whatever else is shuffled: alternate alleles of one place have the same one.
    """
    changes = variants.changes()
    rows = first_rows(variants, changes, assembly)
    contexts = []
    for row, draw, change in zip(rows.tolist(), draws.tolist(), changes, strict=True):
        rng = np.random.default_rng([seed, row, draw])
        contexts.append(dinucleotide_shuffles(_context(genome, row, change, flank), 1, rng)[0])
    return _sequences(contexts, changes, flank)


def first_rows(variants: Variants, changes: list[Change], assembly: Assembly) -> IntArray:
    """Return the genome row of each variant's first changed base: its window's centre."""
    skipped = np.array([change.skipped for change in changes], dtype=np.int64)
    rows: IntArray = assembly.offsets[variants.chrom] + variants.position + skipped
    return rows


def _context(genome: TokenArray, row: int, change: Change, flank: int) -> TokenArray:
    """Return the reference's window, longer by what a deletion's needs further on."""
    spare = max(0, len(change.ref) - len(change.alt))
    return np.ascontiguousarray(genome[row - flank : row + flank + spare])


def _sequences(contexts: list[TokenArray], changes: list[Change], flank: int) -> AlleleSequences:
    tokens = np.empty((len(changes), 2, 2 * flank), dtype=np.uint8)
    for both, context, change in zip(tokens, contexts, changes, strict=True):
        after = context[flank + len(change.ref) :]
        for sequence, letters in zip(both, (change.ref, change.alt), strict=True):
            sequence[:] = np.concatenate([context[:flank], encode(letters), after])[: 2 * flank]
    lengths = [(len(change.ref), len(change.alt)) for change in changes]
    n_ref, n_alt = np.array(lengths, dtype=np.int64).reshape(-1, 2).T
    return AlleleSequences(tokens, n_ref, n_alt)
