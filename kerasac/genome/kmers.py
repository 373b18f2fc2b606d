"""Compare sequences by the k-mers that they share, on either strand.

A canonical k-mer is the lesser of a k-mer and its reverse complement. Of a pair of windows that aligns over its whole
length with identity p, about ``p ** K`` of the k-mers are shared: one survives where none of its bases changed (the
model behind the distance of Ondov et al. 2016, Genome Biol 17:132, whose default length is ours). 21-mers are long
enough that windows of a human genome share none by chance.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from kerasac.genome.assembly import IntArray
from kerasac.genome.intervals import Spans
from kerasac.genome.sequence import N, TokenArray, reverse_complement

KmerArray = npt.NDArray[np.uint64]
FloatArray = npt.NDArray[np.float32]
Integer = TypeVar("Integer", np.int64, np.uint64)

K = 21  # odd, so that no k-mer is its own reverse complement
NO_KMER = np.uint64(2**64 - 1)
_KMER_BITS = np.uint64(2 * K)
_BLOCK_BP = 1 << 17  # bases hashed at a time: their arrays stay in the cache of a core
_PAIRS = 1 << 8  # pairs compared at a time, for the same reason


class Sketch(NamedTuple):
    """Some k-mers of a set of bases, the same ones wherever they occur: genome rows in order, and their hashes."""

    rows: IntArray
    hashes: KmerArray


def canonical_kmers(tokens: TokenArray) -> KmerArray:
    """Return the canonical k-mer that starts at each base but the last K - 1, two bits a base.

    Of tokens (…, L), shape (…, L - K + 1), uint64; :data:`NO_KMER` where one of the bases is N.
    """
    forward = _packed(tokens)
    reverse = _packed(reverse_complement(tokens))[..., ::-1]
    kmers = np.minimum(forward, reverse, out=forward)
    unknown = tokens == N
    if unknown.any():
        upto = np.cumsum(unknown, axis=-1, dtype=np.int32)
        first = unknown[..., : kmers.shape[-1]]
        kmers[first | (upto[..., K - 1 :] > upto[..., : kmers.shape[-1]])] = NO_KMER
    return kmers


def shared_kmers(tokens: TokenArray, starts: IntArray, others: IntArray, width_bp: int) -> FloatArray:
    """Return which part of a window's distinct canonical k-mers its partner has too: ``|A ∩ B| / |A|``.

    ``starts`` and ``others`` (P,) are the genome rows where the windows of each pair start. Shape (P,), float32; 0
    for a window without any k-mer, which is N throughout.
    """
    parts = [np.empty(0, np.float32)]
    for low in range(0, len(starts), _PAIRS):
        pairs = slice(low, low + _PAIRS)
        ours, theirs = (_numbered_kmers(tokens, side[pairs], width_bp) for side in (starts, others))
        both = np.sort(np.concatenate([ours, theirs]))
        shared, total = (
            np.bincount((keys >> _KMER_BITS).astype(np.int64), minlength=len(starts[pairs]))
            for keys in (repeated(both), ours)
        )
        parts.append((shared / np.maximum(total, 1)).astype(np.float32))
    return np.concatenate(parts)


def sketch(tokens: TokenArray, spans: Spans, scale: int) -> Sketch:
    """Return the k-mers within the spans whose 64-bit hash is among the lowest ``1 / scale`` of all hashes.

    Hashes are one to one with k-mers, so equal hashes are equal k-mers.
    """
    limit = np.uint64((2**64 - 1) // scale)
    rows, hashes = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for low in range(0, spans.total_bp - K + 1, _BLOCK_BP):
        row = _rows(spans, low, min(low + _BLOCK_BP + K - 1, spans.total_bp))
        kmers = canonical_kmers(tokens[row])
        hashed = _mixed(kmers)
        within = row[K - 1 :] - row[: len(kmers)] == K - 1  # else it runs from one span into the next
        kept = np.flatnonzero((hashed < limit) & within & (kmers != NO_KMER))
        rows.append(row[kept])
        hashes.append(hashed[kept])
    return Sketch(np.concatenate(rows), np.concatenate(hashes))


def ranges(starts: IntArray, lengths: IntArray) -> IntArray:
    """Return start, start + 1, … of each range, one range after the other."""
    ends = np.cumsum(lengths)
    return np.asarray(np.repeat(starts - (ends - lengths), lengths) + np.arange(lengths.sum()), np.int64)


def distinct(ordered: npt.NDArray[Integer]) -> npt.NDArray[Integer]:
    """Return each number of a sorted array once (``np.unique`` would hash them, which takes longer)."""
    once: npt.NDArray[Integer] = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]]
    return once


def repeated(ordered: npt.NDArray[Integer]) -> npt.NDArray[Integer]:
    """Return each number of a sorted array as often as it follows itself."""
    again: npt.NDArray[Integer] = ordered[1:][ordered[1:] == ordered[:-1]]
    return again


def _packed(tokens: TokenArray) -> KmerArray:
    """Write the K bases from each one on as a number of base 4, doubling the length; N counts as A."""
    bases = (tokens & np.uint8(3)).astype(np.uint64)
    code, length = bases, 1
    for bit in f"{K:b}"[1:]:
        code = (code[..., :-length] << np.uint64(2 * length)) | code[..., length:]
        length *= 2
        if bit == "1":
            code = (code[..., :-1] << np.uint64(2)) | bases[..., length:]
            length += 1
    return code


def _mixed(kmers: KmerArray) -> KmerArray:
    """Spread numbers over all 64 bits, one to one (the finaliser of MurmurHash3)."""
    mixed = kmers ^ (kmers >> np.uint64(33))
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed *= np.uint64(factor)
        mixed ^= mixed >> np.uint64(33)
    return mixed


def _numbered_kmers(tokens: TokenArray, starts: IntArray, width_bp: int) -> KmerArray:
    """Return the distinct k-mers of each window, in order, with the window's place in the upper bits."""
    kmers = canonical_kmers(tokens[starts[:, None] + np.arange(width_bp)])
    place = np.arange(len(starts), dtype=np.uint64)[:, None] << _KMER_BITS
    return distinct(np.sort((kmers | place)[kmers != NO_KMER]))


def _rows(spans: Spans, low: int, high: int) -> IntArray:
    """Return the rows at ranks ``low … high - 1`` of the set, in order."""
    before = np.concatenate([[0], np.cumsum(spans.ends - spans.starts)])
    first, last = np.searchsorted(before, low, side="right") - 1, np.searchsorted(before, high)
    cuts = np.clip(before[first : last + 1], low, high)
    return ranges(spans.starts[first:last] + cuts[:-1] - before[first:last], np.diff(cuts))
