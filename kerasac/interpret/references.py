"""Make the sequences that a window is compared with: the same wherever, and in whatever order, it is explained."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from kerasac.genome.sequence import C, G, N, TokenArray, one_hot
from kerasac.interpret.settings import ReferenceKind

FloatArray = npt.NDArray[np.float32]


def window_rng(seed: int, chrom: str, center: int) -> np.random.Generator:
    """Return the random numbers of a window; no other window or order of windows changes them."""
    return np.random.default_rng([seed, int.from_bytes(chrom.encode(), "little"), center])


def references_of(kind: ReferenceKind, tokens: TokenArray, n: int, rng: np.random.Generator) -> FloatArray:
    """Return one-hot references of a window's tokens (L,): (n, L, 4) float32; ``gc`` and ``zero`` have one.

    Where the window has N all references have rows of zeros, as it has itself.
    """
    if kind is ReferenceKind.SHUFFLED:
        return one_hot(dinucleotide_shuffles(tokens, n, rng)).astype(np.float32)
    rows = np.zeros((1, len(tokens), 4), dtype=np.float32)
    if kind is ReferenceKind.GC:
        known = tokens < N
        share = np.isin(tokens[known], (C, G)).mean() if known.any() else 0.0
        rows[0, known] = np.array([1 - share, share, share, 1 - share]) / 2
    return rows


def dinucleotide_shuffles(tokens: TokenArray, n: int, rng: np.random.Generator) -> TokenArray:
    """Return ``n`` shuffles of tokens (L,) with the same counts of dinucleotides, (n, L) uint8.

    Each is drawn uniformly from all sequences with these counts and the same first base: the last edge out of each base
    is that of a uniform spanning tree (Wilson 1996), the others are in random order (Altschul & Erickson 1985; Jiang et
    al. 2008). The last base then is the same too. N stays where it is, and each stretch between is shuffled by itself.
    Of tokens without N, the first of many shuffles are those of few.
    """
    shuffled = np.tile(np.asarray(tokens, dtype=np.uint8), (n, 1))
    _shuffle_stretches(shuffled, rng)
    return shuffled


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _shuffle_stretches(rows: Any, rng: Any) -> None:
    """Shuffle the stretches of A, C, G and T of rows (n, L) that are all the same, in place."""
    if not len(rows):
        return
    width, start = rows.shape[1], 0
    while start < width:
        end = start
        while end < width and rows[0, end] < 4:
            end += 1
        if end - start > 3:  # shorter ones have one order
            _shuffle_stretch(rows[:, start:end], rng)
        start = end + 1


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _shuffle_stretch(rows: Any, rng: Any) -> None:
    """Walk a random Euler path of the bases' multigraph for each row; ``edges`` holds the next bases, base by base."""
    first, degree, edges = _edges(rows[0])
    width, start, root = rows.shape[1], rows[0, 0], rows[0, -1]
    for row in range(len(rows)):
        last = _last_edges(first, degree, edges, root, rng)
        for base in range(4):
            low, high = first[base], first[base] + degree[base]
            if base != root and degree[base] > 0:
                high -= 1
                edges[last[base]], edges[high] = edges[high], edges[last[base]]
            for i in range(high - 1, low, -1):
                j = low + int(rng.random() * (i - low + 1))
                edges[i], edges[j] = edges[j], edges[i]
        at, base = first.copy(), start
        for i in range(1, width):
            follower = edges[at[base]]
            at[base] += 1
            rows[row, i] = follower
            base = follower


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _edges(bases: Any) -> Any:
    """Return where each base's followers start, how many they are (4,) int64, and the followers (L - 1,) uint8."""
    degree = np.zeros(4, dtype=np.int64)
    for i in range(len(bases) - 1):
        degree[bases[i]] += 1
    first = np.zeros(4, dtype=np.int64)
    for base in range(1, 4):
        first[base] = first[base - 1] + degree[base - 1]
    edges, at = np.empty(len(bases) - 1, dtype=np.uint8), first.copy()
    for i in range(len(bases) - 1):
        edges[at[bases[i]]] = bases[i + 1]
        at[bases[i]] += 1
    return first, degree, edges


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _last_edges(first: Any, degree: Any, edges: Any, root: Any, rng: Any) -> Any:
    """Return the place of each base's edge in a uniform spanning tree that leads to the root, by loop-erased walks."""
    last = np.zeros(4, dtype=np.int64)
    reached = np.zeros(4, dtype=np.bool_)
    reached[root] = True
    for leaf in range(4):
        if degree[leaf] == 0:
            continue
        base = leaf
        while not reached[base]:
            last[base] = first[base] + int(rng.random() * degree[base])
            base = edges[last[base]]
        base = leaf
        while not reached[base]:
            reached[base] = True
            base = edges[last[base]]
    return last
