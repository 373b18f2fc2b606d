"""Choose windows of a genome whose shuffles serve as backgrounds."""

from __future__ import annotations

import numpy as np

from kerasac.errors import InterpretError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.sequence import N, TokenArray

_MAX_ROUNDS = 100


def random_centers(assembly: Assembly, genome: TokenArray, flank: int, n: int, rng: np.random.Generator) -> IntArray:
    """Draw n centres of windows of ± ``flank`` bases without N, genome rows (n,), each base alike.

    Raises
    ------
    InterpretError
        When the genome hardly has such windows.
    """
    room = np.maximum(assembly.sizes_bp - 2 * flank + 1, 0)
    if not room.any():
        raise InterpretError(f"no chromosome has {2 * flank:,} bases, as a background has")
    before = np.concatenate([[0], np.cumsum(room)])
    found: list[int] = []
    for _ in range(_MAX_ROUNDS):
        ranks = rng.integers(0, before[-1], size=n)
        chrom = np.searchsorted(before, ranks, side="right") - 1
        centers = assembly.offsets[chrom] + flank + ranks - before[chrom]
        found += centers[without_n(genome, centers, flank)].tolist()
        if len(found) >= n:
            return np.array(found[:n], dtype=np.int64)
    raise InterpretError(
        f"of {_MAX_ROUNDS * n:,} random windows only {len(found):,} had no N; name some: --backgrounds"
    )


def chosen_centers(centers: IntArray, genome: TokenArray, flank: int, n: int, rng: np.random.Generator) -> IntArray:
    """Choose n of the centres (m,) whose windows have no N; each as often as the others, where n is more than m.

    Raises
    ------
    InterpretError
        When all windows have N.
    """
    whole = centers[without_n(genome, centers, flank)]
    if not len(whole):
        raise InterpretError(f"all {len(centers):,} windows of --backgrounds have N; name others")
    order = rng.permutation(len(whole))
    return np.sort(whole[order[np.arange(n) % len(whole)]])


def without_n(genome: TokenArray, centers: IntArray, flank: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say of each window whether it has no N, (n,) bool."""
    return np.array([not (genome[row - flank : row + flank] == N).any() for row in centers.tolist()], dtype=bool)
