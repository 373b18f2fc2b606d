"""Compare predicted with observed profiles, window by window."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from kerasac.steps.predictions import Predictions

Floats = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
MnllTrials = Literal["profile", "logcount"]

_TINY = np.finfo(np.float64).tiny
_NO_DISTANCE = 1e-7  # what rounding leaves of a distance of 0


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

    def take(self, member: BoolArray) -> ProfileScores:
        """The scores of some of the windows."""
        return ProfileScores(**{f.name: getattr(self, f.name)[member] for f in fields(self)})

    @property
    def jsd_norm(self) -> Floats:
        """1 − jsd / jsd_uniform, never below 0: chrombpnet's min–max scaling."""
        # The same count at every base is the uniform profile itself, but for rounding: nothing to scale by.
        scale = np.where(self.jsd_uniform > _NO_DISTANCE, self.jsd_uniform, np.nan)
        return np.clip((scale - self.jsd) / scale, 0.0, 1.0)


def score_profiles(
    predictions: Predictions, task: int, chunks: list[IntArray], rng: np.random.Generator, trials: MnllTrials
) -> ProfileScores:
    """Score the profiles of one task, a chunk of rows at a time; results are in the order of the chunks.

    ``rng`` shuffles positions for ``jsd_shuffled``; ``trials`` says what the multinomial's trials are.
    """
    mean = None if predictions.mean_profile is None else predictions.mean_profile[:, task].astype(np.float64)
    parts = [
        _score_chunk(
            predictions.label_profile[rows, :, task],
            predictions.logits[rows, :, task],
            mean_profile=mean,
            trials=np.exp(predictions.label_logcount[rows, task], dtype=np.float64) if trials == "logcount" else None,
            rng=rng,
        )
        for rows in chunks
    ]
    columns = {f.name: [getattr(part, f.name) for part in parts] for f in fields(ProfileScores)}
    return ProfileScores(**{name: np.concatenate([np.empty(0), *column]) for name, column in columns.items()})


def _score_chunk(
    counts: npt.NDArray[np.float32],
    logits: npt.NDArray[np.float32],
    *,
    mean_profile: Floats | None,
    trials: Floats | None,
    rng: np.random.Generator,
) -> ProfileScores:
    """Score some windows of one task, visiting only the bases that have counts: labels are mostly zeros."""
    n, length = counts.shape
    seen_at = np.flatnonzero(counts)
    row, column = np.divmod(seen_at, length)
    seen = counts.ravel()[seen_at].astype(np.float64)
    total: Floats = np.bincount(row, seen, minlength=n).astype(np.float64)
    observed = seen / total[row]

    def distance(reference: Floats) -> Floats:
        return np.where(total > 0, _distance(observed, reference, row, n), np.nan)

    log_predicted = (logits - _log_sum_exp(logits)[:, None]).ravel()[seen_at]
    mean = np.full(length, np.nan) if mean_profile is None else _normalised(mean_profile)
    shuffled = rng.permuted(counts, axis=1).ravel()[seen_at] / total[row]
    cross_entropy = -np.bincount(row, seen * log_predicted, minlength=n)
    arrangements = gammaln((total if trials is None else trials) + 1.0)
    arrangements -= np.bincount(row, gammaln(seen + 1.0), minlength=n)
    return ProfileScores(
        counts=total,
        jsd=distance(np.exp(log_predicted)),
        jsd_mean_profile=distance(mean[column]),
        jsd_uniform=distance(np.full(len(column), 1.0 / length)),
        jsd_shuffled=distance(shuffled),
        mnll=np.where(total > 0, cross_entropy - arrangements, np.nan),
        cross_entropy=np.where(total > 0, cross_entropy, np.nan),
    )


def _distance(observed: Floats, reference: Floats, row: IntArray, n: int) -> Floats:
    """Jensen–Shannon distance of n windows, from the probabilities at the bases where something was observed.

    Where nothing was observed, m is half the reference q, and q log(q / m) = q log 2: those bases add
    log 2 times the rest of the reference, without being visited.
    """
    middle = (observed + reference) / 2
    divergence = observed * np.log(observed / middle)
    divergence += reference * np.log(np.maximum(reference / middle, _TINY))  # 0 log 0 = 0
    rest = 1.0 - np.bincount(row, reference, minlength=n)
    at_seen = np.bincount(row, divergence, minlength=n)
    return np.sqrt(np.maximum(at_seen + math.log(2) * rest, 0.0) / 2)


def _log_sum_exp(logits: npt.NDArray[np.float32]) -> Floats:
    highest = logits.max(axis=1).astype(np.float64)
    sums = np.exp(logits - highest[:, None]).sum(axis=1)
    return np.asarray(highest + np.log(sums), dtype=np.float64)


def _normalised(profile: Floats) -> Floats:
    total = profile.sum()
    return profile / total if total > 0 else np.full(len(profile), np.nan)
