"""Find held-out windows whose sequence occurs, nearly the same, in a training window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from kerasac.cache import ShardMap, in_threads
from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.folds import SPLITS, Fold
from kerasac.genome.intervals import BoolArray, Spans
from kerasac.genome.kmers import FloatArray, K, KmerArray, Sketch, distinct, ranges, repeated, shared_kmers, sketch
from kerasac.genome.sequence import TokenArray

MIN_SHARED = 0.5  # a copy of half a window, or 97 % identity over all of it
HELD_OUT = ("valid", "test")
_SKETCH_SIZE = 128  # k-mers that stand for a window
_LISTED = 1024  # windows of a group that are looked at for one k-mer
_SURE = 3.0  # standard deviations that a sketch may be off before a pair is left uncompared
_WINDOWS = 1 << 13  # windows gathered at a time
_PRODUCTS = 1 << 24  # shared k-mers counted at a time


@dataclass(frozen=True, eq=False)
class Leaks:
    """What each of N windows shares with its most alike window of each of G groups.

    ``shared`` (N, G) float32, the part of its k-mers, 0 where it was not compared: that is, where sketches share too
    little, or nothing. ``partner`` (N, G) int64, the other window, −1 where there is none. ``undecided`` (N, G) bool:
    the window is made of sequence so frequent that not all its partners were looked at, and those that were share
    less than was asked for.
    """

    shared: FloatArray
    partner: IntArray
    undecided: BoolArray


@dataclass(frozen=True, eq=False)
class SplitLeaks:
    """What the windows of a held-out split share with the most alike training window of the fold.

    ``windows`` (n,) int64 says which windows are in the split; ``shared``, ``partner`` and ``undecided``, (n,), are
    as those of :class:`Leaks`.
    """

    fold: int
    split: str
    windows: IntArray
    shared: FloatArray
    partner: IntArray
    undecided: BoolArray

    def leaking(self, min_shared: float) -> IntArray:
        """Return the places in ``windows`` of those that share so much, the worst first."""
        order = np.argsort(-self.shared, kind="stable")
        return order[self.shared[order] >= min_shared]


def fold_leaks(
    tokens: TokenArray,
    centers: IntArray,
    assembly: Assembly,
    folds: Sequence[Fold],
    *,
    width_bp: int,
    min_shared: float = MIN_SHARED,
) -> tuple[SplitLeaks, ...]:
    """Compare the validation and test windows of each fold with its training windows.

    ``centers`` (N,) are genome rows, of windows that stay on their chromosomes; those on chromosomes that are in no
    split are left alone. See :func:`find_leaks`. Returns validation and test of each fold, in order.
    """
    # Chromosomes that share their split in every fold are one group: most tables have as many as folds.
    roles, group_of_chrom = np.unique(_roles(assembly, folds), axis=0, return_inverse=True)
    groups = group_of_chrom[np.searchsorted(assembly.offsets, centers, side="right") - 1]
    train, held_out = (np.isin(roles, [SPLITS.index(name) for name in names]) for names in (("train",), HELD_OUT))
    compared: BoolArray = np.any(held_out[:, None] & train[None], axis=2)
    leaks = find_leaks(tokens, centers, groups, width_bp=width_bp, compared=compared, min_shared=min_shared)
    return tuple(
        _of_split(leaks, fold.index, split, groups, roles[:, f]) for f, fold in enumerate(folds) for split in HELD_OUT
    )


def find_leaks(
    tokens: TokenArray,
    centers: IntArray,
    groups: IntArray,
    *,
    width_bp: int,
    compared: BoolArray | None = None,
    min_shared: float = MIN_SHARED,
    shards: ShardMap = in_threads,
) -> Leaks:
    """Find, for each window, the window of each other group that shares most of its k-mers, on either strand.

    Windows are first compared by sketches of about 128 k-mers, of which only those in several groups are kept.
    Pairs whose sketches could mean ``min_shared``, with three standard deviations to spare, are then compared by
    all their k-mers. Of windows that are about equally alike, the sketches say which one is named: its share is
    exact, but another's may be a little higher (of yeast's leaks, a few in a thousand are so taken for none). A k-mer
    in more than 1,024 windows of a group is looked up in the first of them: see ``undecided``.

    Parameters
    ----------
    tokens : genome-long uint8 tokens, may be memory-mapped.
    centers : (N,) int64 genome rows; a window is ``center - width_bp // 2`` and the next ``width_bp`` rows.
    groups : (N,) int64, 0 … G - 1.
    compared : (G, G) bool, whether windows of group [q] are looked up in group [t]; default: in all others.
    shards : runs threads of this process, one a group.

    Raises
    ------
    GenomeError
        When a window leaves the genome, or is shorter than a k-mer.
    """
    starts = np.asarray(centers, np.int64) - width_bp // 2
    _check(starts, width_bp, len(tokens))
    if compared is None:
        compared = ~np.eye(int(groups.max(initial=-1)) + 1, dtype=bool)
    members = [np.flatnonzero(groups == group) for group in range(len(compared))]
    index = _index(tokens, [starts[windows] for windows in members], width_bp, shards)
    shape = len(starts), len(compared)
    leaks = Leaks(np.zeros(shape, np.float32), np.full(shape, -1, np.int64), np.zeros(shape, bool))
    for t in np.flatnonzero(compared.any(axis=0)):
        target = _listed(index[t].hits)
        for q in np.flatnonzero(compared[:, t]):
            for found in _candidates(index[q], target, min_shared):
                own, other = members[q][found.query], members[t][found.target]
                exact = shared_kmers(tokens, starts[own], starts[other], width_bp)
                leaks.shared[own, t], leaks.partner[own, t] = exact, other
                leaks.undecided[own, t] = found.open & (exact < min_shared)
    return leaks


class _Group(NamedTuple):
    """A group's windows by the k-mers of their sketches that other groups have too.

    ``hits`` (windows, k-mers) is 1 where a window has one; ``sizes`` (windows,) counts all its sketch's k-mers.
    """

    hits: csr_array
    sizes: IntArray


class _Listed(NamedTuple):
    """The first windows of a group that have each k-mer, as (k-mers, windows), and how many have it."""

    windows: csr_array
    lengths: IntArray


class _Found(NamedTuple):
    """Pairs to compare: places in the two groups, and whether windows that were not looked at could be as alike."""

    query: IntArray
    target: IntArray
    open: BoolArray


def _roles(assembly: Assembly, folds: Sequence[Fold]) -> IntArray:
    """Return the place in SPLITS of each chromosome's split in each fold, −1 for none: (n_chroms, n_folds)."""
    roles = np.full((len(assembly.names), len(folds)), -1)
    for f, fold in enumerate(folds):
        for role, split in enumerate(SPLITS):
            roles[[assembly.index(chrom) for chrom in fold.split(split)], f] = role
    return roles


def _of_split(leaks: Leaks, fold: int, split: str, groups: IntArray, roles: IntArray) -> SplitLeaks:
    windows = np.flatnonzero(roles[groups] == SPLITS.index(split))
    here = np.ix_(windows, np.flatnonzero(roles == SPLITS.index("train")))
    shared = leaks.shared[here]
    worst = np.arange(len(windows)), shared.argmax(axis=1)
    undecided: BoolArray = np.any(leaks.undecided[here], axis=1)
    return SplitLeaks(fold, split, windows, shared[worst], leaks.partner[here][worst], undecided)


def _check(starts: IntArray, width_bp: int, total_bp: int) -> None:
    if width_bp < K:
        raise GenomeError(f"windows of {width_bp} bases cannot be compared by {K}-mers; make them wider")
    outside = int(((starts < 0) | (starts + width_bp > total_bp)).sum())
    if outside:
        raise GenomeError(f"{outside:,} windows of {width_bp:,} bases leave the genome; leave them out")


def _index(tokens: TokenArray, starts: Sequence[IntArray], width_bp: int, shards: ShardMap) -> list[_Group]:
    """Sketch the windows of every group, and keep the k-mers that are in more than one group."""
    scale = max(1, (width_bp - K + 1) // _SKETCH_SIZE)

    def fill(group: int) -> None:
        spans = Spans.from_bounds(starts[group], starts[group] + width_bp)
        sketches[group] = sketch(tokens, spans, scale)

    sketches: dict[int, Sketch] = {}
    for _ in shards(fill, range(len(starts))):
        pass
    each = [np.empty(0, np.uint64), *(distinct(np.sort(found.hashes)) for found in sketches.values())]
    common = distinct(repeated(np.sort(np.concatenate(each))))
    return [_group(sketches.pop(group), of, width_bp, common) for group, of in enumerate(starts)]


def _group(found: Sketch, starts: IntArray, width_bp: int, common: KmerArray) -> _Group:
    """Say which of the common k-mers each window has."""
    kmers, rank = np.unique(found.hashes, return_inverse=True)
    place = np.searchsorted(common, kmers)
    column = np.where(np.append(common, np.uint64(2**64 - 1))[place] == kmers, place, -1)
    sizes, rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for low in range(0, len(starts), _WINDOWS):
        start = starts[low : low + _WINDOWS]
        begin, end = np.searchsorted(found.rows, start), np.searchsorted(found.rows, start + width_bp - K + 1)
        window = np.repeat(np.arange(len(start)), end - begin)
        # A window counts a k-mer once, however often it has it.
        key = distinct(np.sort(window << 32 | rank[ranges(begin, end - begin)]))
        window, hit = key >> 32, column[key & 0xFFFFFFFF]
        sizes.append(np.bincount(window, minlength=len(start)))
        rows.append(window[hit >= 0] + low)
        columns.append(hit[hit >= 0])
    row, col = np.concatenate(rows), np.concatenate(columns)
    hits = csr_array((np.ones(len(row), np.int32), (row, col)), shape=(len(starts), len(common)))
    return _Group(hits, np.concatenate(sizes))


def _listed(hits: csr_array) -> _Listed:
    lists = hits.T.tocsr()
    lists.sort_indices()
    lengths = np.diff(lists.indptr).astype(np.int64)
    kept = np.arange(lists.nnz) - np.repeat(lists.indptr[:-1], lengths) < _LISTED
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, _LISTED))])
    return _Listed(csr_array((lists.data[kept], lists.indices[kept], indptr), shape=lists.shape), lengths)


def _candidates(query: _Group, target: _Listed, min_shared: float) -> Iterator[_Found]:
    """Find the target window that shares most of the sketch, for each query window that could share enough."""
    spare = _SURE * np.sqrt(min_shared * (1 - min_shared) / np.maximum(query.sizes, 1))
    needed = np.maximum((min_shared - spare) * query.sizes, 1)
    windows = np.flatnonzero(query.hits @ (target.lengths > 0).astype(np.int32) >= needed)
    hits = query.hits[windows]
    unseen = hits @ (target.lengths > _LISTED).astype(np.int32)
    for part in _parts(hits @ np.minimum(target.lengths, _LISTED)):
        own = windows[part]
        count, partner = _most(hits[part] @ target.windows)
        at_most = count + unseen[part]
        likely = (count > 0) & (at_most >= needed[own])
        is_open = (unseen[part] > 0) & (at_most >= min_shared * query.sizes[own])
        yield _Found(own[likely], partner[likely], is_open[likely])


def _most(counts: csr_array) -> tuple[IntArray, IntArray]:
    """Return each row's highest count and the first column that has it; 0 and −1 for an empty row."""
    top, column = np.zeros(counts.shape[0], np.int64), np.full(counts.shape[0], -1, np.int64)
    lengths = np.diff(counts.indptr)
    filled = lengths > 0
    if filled.any():
        begin = counts.indptr[:-1][filled]
        top[filled] = np.maximum.reduceat(counts.data, begin)
        is_top = counts.data == np.repeat(top, lengths)
        column[filled] = np.minimum.reduceat(np.where(is_top, counts.indices, counts.shape[1]), begin)
    return top, column


def _parts(work: IntArray) -> Iterator[slice]:
    """Cut rows into runs of about equal work."""
    bounds = (np.flatnonzero(np.diff(np.cumsum(work) // _PRODUCTS)) + 1).tolist()
    for low, high in zip([0, *bounds], [*bounds, len(work)], strict=True):
        yield slice(low, high)
