"""Compare predicted with observed profiles, window by window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Floats = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
MnllTrials = Literal["profile", "logcount"]

SHUFFLES = 1024  # permutations that windows share: enough for a mean, and a window's is found without drawing it

_CELLS = 1 << 17  # cells compared at a time: what is made on the way stays in the processor's cache
_TINY = np.finfo(np.float64).tiny
_NO_DISTANCE = 1e-6  # what rounding leaves of a distance of 0
_LOG_FACTORIALS: Floats = gammaln(np.arange(1 << 12) + 1.0)  # counts a base are small integers, but for smoothed ones


@dataclass(frozen=True, eq=False)
class ProfileScores:
    """One task's profile scores, one value a window; NaN where a window has no counts and so no profile.

    ``mnll`` has the combinatorial term of the multinomial, ``cross_entropy`` has not; both in nats a window.
    """

    counts: Floats
    jsd: Floats
    jsd_mean_profile: Floats
    jsd_uniform: Floats
    jsd_shuffled: Floats
    mnll: Floats
    cross_entropy: Floats

    def take(self, member: BoolArray | IntArray) -> ProfileScores:
        """The scores of some of the windows."""
        return ProfileScores(**{f.name: getattr(self, f.name)[member] for f in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[ProfileScores]) -> ProfileScores:
        """Put windows after one another."""
        columns = {f.name: [np.empty(0), *(getattr(part, f.name) for part in parts)] for f in fields(cls)}
        return cls(**{name: np.concatenate(column) for name, column in columns.items()})

    @property
    def jsd_norm(self) -> Floats:
        """1 − jsd / jsd_uniform, never below 0: chrombpnet's min–max scaling."""
        # The same count at every base is the uniform profile itself, but for rounding: nothing to scale by.
        scale = np.where(self.jsd_uniform > _NO_DISTANCE, self.jsd_uniform, np.nan)
        return np.clip((scale - self.jsd) / scale, 0.0, 1.0)


class ProfileScorer:
    """Scores windows of one task, in any order and number at a time: each by itself.

    A window's shuffle is one of :data:`SHUFFLES` permutations, drawn from ``seed`` and picked by where it lies.
    """

    def __init__(self, n_bases: int, mean_profile: npt.NDArray[Any] | None, seed: Sequence[int]) -> None:
        mean = np.full(n_bases, np.nan) if mean_profile is None else _normalised(mean_profile.astype(np.float64))
        self._mean, self._mean_entropy = mean, _times_log(mean)
        positions = np.tile(np.arange(n_bases), (SHUFFLES, 1))
        self._shuffles = np.random.default_rng(seed).permuted(positions, axis=1)

    def score(
        self, counts: npt.NDArray[Any], logits: npt.NDArray[Any], keys: IntArray, trials: Floats | None = None
    ) -> ProfileScores:
        """Score profiles of windows, from counts and logits, (n, L) each.

        ``keys`` are those of :func:`window_keys`; ``trials`` of the multinomial, (n,), are by default the counts.
        """
        step = max(1, _CELLS // max(counts.shape[1], 1))
        parts = [slice(low, low + step) for low in range(0, len(counts), step)]
        return ProfileScores.joined(
            [
                self._score(counts[rows], logits[rows], keys[rows], None if trials is None else trials[rows])
                for rows in parts
            ]
        )

    def _score(
        self, counts: npt.NDArray[Any], logits: npt.NDArray[Any], keys: IntArray, trials: Floats | None
    ) -> ProfileScores:
        """Visit only the bases that have counts: labels are mostly zeros."""
        counts, logits = np.ascontiguousarray(counts), np.ascontiguousarray(logits)
        seen = _Seen.of(counts)
        column, row = seen.column, seen.row
        observed = seen.counts / seen.total[row]
        pair = _Pair(seen, observed, _times_log(observed))
        log_predicted = logits.ravel()[seen.at] - _log_sum_exp(logits)[row]
        predicted = np.exp(log_predicted)
        even = np.float64(1.0 / counts.shape[1])
        shuffled = counts.ravel()[row * counts.shape[1] + self._shuffles[keys[row], column]] / seen.total[row]
        cross_entropy = seen.defined(-seen.sums(seen.counts * log_predicted))
        arrangements = gammaln((seen.total if trials is None else trials) + 1.0)
        arrangements -= seen.sums(_log_factorial(seen.counts))
        return ProfileScores(
            counts=seen.total,
            jsd=pair.distance(predicted, predicted * log_predicted),
            jsd_mean_profile=pair.distance(self._mean[column], self._mean_entropy[column]),
            jsd_uniform=pair.distance(np.full(len(row), even), np.full(len(row), _times_log(even))),
            jsd_shuffled=pair.distance(shuffled, _times_log(shuffled)),
            mnll=cross_entropy - arrangements,
            cross_entropy=cross_entropy,
        )


def window_keys(chrom: npt.NDArray[np.str_], center: IntArray, strand: npt.NDArray[np.str_]) -> IntArray:
    """Return a number below :data:`SHUFFLES` for each window, (n,), that follows from where it lies alone."""
    names, index = np.unique(np.char.add(chrom, strand), return_inverse=True)
    of_name = np.array([int.from_bytes(str(name).encode()[-7:], "big") for name in names], dtype=np.uint64)
    mixed = (center.astype(np.uint64) ^ (of_name[index] << np.uint64(8))) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(40)).astype(np.int64) % SHUFFLES


def profile_distances(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Floats:
    """Jensen–Shannon distance between two measured profiles a window, (n, L) each; NaN where one has no counts."""
    step = max(1, _CELLS // max(a.shape[1], 1))
    parts = [_distances(a[low : low + step], b[low : low + step]) for low in range(0, len(a), step)]
    return np.concatenate([np.empty(0), *parts])


def _distances(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Floats:
    seen = _Seen.of(np.ascontiguousarray(a))
    observed = seen.counts / seen.total[seen.row]
    totals = b.sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        other = np.ascontiguousarray(b).ravel()[seen.at] / totals[seen.row]
    found = _Pair(seen, observed, _times_log(observed)).distance(other, _times_log(other))
    return np.where(totals > 0, found, np.nan)


@dataclass(frozen=True, eq=False)
class _Seen:
    """The bases of some windows that have counts, in the order of windows and bases."""

    at: IntArray
    row: IntArray
    column: IntArray
    counts: Floats
    total: Floats
    """Of each window, (n,)"""
    first: IntArray
    """Where the bases of each window that has any begin."""
    filled: IntArray
    """The windows that have any."""

    @classmethod
    def of(cls, counts: npt.NDArray[Any]) -> _Seen:
        at = np.flatnonzero(counts)
        row, column = np.divmod(at, counts.shape[1])
        seen = counts.ravel()[at].astype(np.float64)
        first = np.flatnonzero(np.diff(row, prepend=-1))
        total = np.zeros(len(counts))
        total[row[first]] = np.add.reduceat(seen, first) if len(first) else 0
        return cls(at, row, column, seen, total, first, row[first])

    def sums(self, values: Floats) -> Floats:
        """Sum values of the bases by window, (n,)."""
        out = np.zeros(len(self.total))
        if len(self.first):
            out[self.filled] = np.add.reduceat(values, self.first)
        return out

    def defined(self, values: Floats) -> Floats:
        """Values of windows, NaN where there are no counts."""
        return np.where(self.total > 0, values, np.nan)


@dataclass(frozen=True, eq=False)
class _Pair:
    """What a reference is compared with: the observed shares p where there are counts, and p log p."""

    seen: _Seen
    observed: Floats
    observed_entropy: Floats

    def distance(self, reference: Floats, reference_entropy: Floats) -> Floats:
        """Jensen–Shannon distance of windows, from the reference's shares q and q log q where there are counts.

        2 D² = Σ p log p + q log q − (p + q) log((p + q) / 2). Where nothing was observed, that is q log 2: those
        bases add log 2 times the rest of the reference, without being visited.
        """
        both = self.observed + reference
        terms = self.observed_entropy + reference_entropy
        terms -= both * np.log(both / 2)
        rest = 1.0 - self.seen.sums(reference)
        twice = self.seen.sums(terms) + math.log(2) * rest
        return self.seen.defined(np.sqrt(np.maximum(twice, 0.0) / 2))


def _times_log(shares: Any) -> Any:
    """Return q log q, 0 where q is 0."""
    return shares * np.log(np.maximum(shares, _TINY))


def _log_factorial(counts: Floats) -> Floats:
    """Return log(counts!), by a table where all are small integers."""
    index = counts.astype(np.int64)
    if len(counts) and index.max() < len(_LOG_FACTORIALS) and np.array_equal(index, counts):
        return _LOG_FACTORIALS[index]
    return np.asarray(gammaln(counts + 1.0), dtype=np.float64)


def _log_sum_exp(logits: npt.NDArray[Any]) -> Floats:
    highest = logits.max(axis=1, initial=-np.inf).astype(np.float64)
    sums = np.exp(logits - highest[:, None]).sum(axis=1)
    return np.asarray(highest + np.log(sums), dtype=np.float64)


def _normalised(profile: Floats) -> Floats:
    total = profile.sum()
    return profile / total if total > 0 else np.full(len(profile), np.nan)
