"""Compare two configurations on the same folds, and split a spread into what folds and what seeds make of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from kerasac.steps.metric_summary import fold_of, seed_of

LEVEL = 0.95
MAX_FLIPPED = 15  # folds; 2^15 signs take a few milliseconds
_SAME = 1e-9  # differences whose range is below this share of them are the same but for rounding

TEST_DEFINITIONS: Mapping[str, str] = {
    "difference": "Mean over folds of this run's value minus the baseline's, on the same scored chromosomes; a fold's "
    "value is the mean over its seeds, so that a fold counts once.",
    "interval": "95 % confidence interval of the difference by the corrected resampled t-test: difference ± t × √((1/n "
    "+ n_test/n_train) × variance of the n differences), t of n − 1 degrees of freedom (Nadeau and Bengio, Machine "
    "Learning 52:239–281, 2003, doi:10.1023/A:1024068626366). The second term stands for the training chromosomes that "
    "folds share. It is a rule of thumb, and rather too wide where folds hardly correlate: no estimate without bias "
    "exists for one cross-validation (Bengio and Grandvalet, JMLR 5:1089–1105, 2004), and few folds tell little.",
    "p": "Two-sided p of the corrected resampled t-test.",
    "p_holm": "The same, by Holm's method corrected for the runs that are compared with the baseline in this metric; "
    "not for the number of metrics. The verdict goes by it: below 0.05 is called a difference.",
    "p_plain": "Two-sided p of the paired t-test, which takes folds for independent; they are not, so it is too small.",
    "p_sign_flip": "Exact share of the 2^n ways to flip the signs of the fold differences whose mean lies as far from "
    f"0; it cannot be below 2/2^n, which is 0.0625 for 5 folds. Given for up to {MAX_FLIPPED} folds.",
}
SPLIT_DEFINITION = (
    "Variance of a metric over a run's models, split by a two-way analysis of variance of folds × seeds (method of "
    "moments, one value a cell): fold, what differs from one set of scored chromosomes to the next; seed, what a seed "
    "does in all folds alike; rest, what remains, a seed's chance within a fold. An estimate below 0 is set to 0."
)


class Interval(NamedTuple):
    """Ends of a confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """The mean of paired differences, and how sure of it one can be; see :data:`TEST_DEFINITIONS`.

    Everything but ``n`` and ``difference`` is None for one fold; intervals and p of t-tests also where all folds
    differ by the same: there is no spread to judge by.
    """

    n: int
    difference: float
    sd: float | None = None
    interval: Interval | None = None
    p: float | None = None
    plain_interval: Interval | None = None
    p_plain: float | None = None
    p_sign_flip: float | None = None


@dataclass(frozen=True)
class VarianceSplit:
    """Variance components of a metric, and what a reader has to know of them."""

    components: Mapping[str, float]
    """``fold``, ``seed`` and ``rest``, in squared units of the metric; empty when they cannot be told apart."""
    note: str
    """Why there are none, or which were below 0; else empty."""

    @property
    def shares(self) -> dict[str, float]:
        """The components as shares of their sum; empty when that is 0."""
        total = math.fsum(self.components.values())
        return {name: value / total for name, value in self.components.items()} if total else {}


def paired_test(differences: Sequence[float], *, test_to_train: float) -> PairedTest:
    """Test whether the mean of one difference a fold is 0.

    Parameters
    ----------
    test_to_train:
        n_test/n_train of Nadeau and Bengio, the size of a fold's test set as a share of its training set.
    """
    values = np.asarray(differences, dtype=np.float64)
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return PairedTest(n, mean)
    flipped = sign_flip_p(values)
    if np.ptp(values) <= _SAME * np.abs(values).max():
        return PairedTest(n, mean, sd=0.0, p_sign_flip=flipped)
    sd = float(np.std(values, ddof=1))
    interval, p = _t_test(mean, sd * math.sqrt(1 / n + test_to_train), n - 1)
    plain_interval, p_plain = _t_test(mean, sd * math.sqrt(1 / n), n - 1)
    return PairedTest(n, mean, sd, interval, p, plain_interval, p_plain, flipped)


def sign_flip_p(differences: npt.NDArray[np.float64]) -> float | None:
    """Exact two-sided p of the sign-flip permutation test of the mean; None for too many folds to try all signs."""
    n = len(differences)
    if n > MAX_FLIPPED:
        return None
    signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    sums = np.abs(signs @ differences)
    observed = abs(differences.sum())
    return float(np.mean(sums >= observed - _SAME * np.abs(differences).sum()))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p values for their number by Holm's step-down method; None, a test not made, stays and does not count."""
    made = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(made):
        highest = max(highest, min(1.0, (len(made) - rank) * p))
        corrected[i] = highest
    return corrected


def split_variance(values: Mapping[str, float | None]) -> VarianceSplit:
    """Split the variance of values by unit (``fold-0/seed-1``) into fold, seed and rest.

    For n_f folds × n_s seeds with mean squares MS: fold = (MS_fold − MS_rest) / n_s, seed = (MS_seed − MS_rest) / n_f,
    rest = MS_rest (Searle, Casella and McCulloch, Variance Components, 1992, chapter 4).
    """
    folds, seeds = (list(dict.fromkeys(name(unit) for unit in values)) for name in (fold_of, seed_of))
    if len(folds) < 2 or len(seeds) < 2:
        return VarianceSplit({}, f"it takes 2 folds and 2 seeds; there are {len(folds)} and {len(seeds)}")
    by_cell = {(fold_of(unit), seed_of(unit)): value for unit, value in values.items()}
    cells = [[by_cell.get((fold, seed)) for seed in seeds] for fold in folds]
    absent = sum(value is None for row in cells for value in row)
    if absent:
        return VarianceSplit({}, f"it takes every seed in every fold; {absent} of {len(folds) * len(seeds)} have none")
    return _components(np.array(cells, dtype=np.float64))


def _components(table: npt.NDArray[np.float64]) -> VarianceSplit:
    """Components of a complete table, shape (folds, seeds)."""
    n_folds, n_seeds = table.shape
    by_fold, by_seed = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_fold[:, None] - by_seed + table.mean()
    ms_rest = float((rest**2).sum()) / ((n_folds - 1) * (n_seeds - 1))
    raw = {
        "fold": float(by_fold.var(ddof=1)) - ms_rest / n_seeds,
        "seed": float(by_seed.var(ddof=1)) - ms_rest / n_folds,
        "rest": ms_rest,
    }
    below = [name for name, value in raw.items() if value < 0]
    note = f"the estimate of {' and '.join(below)} was below 0 and is set to 0" if below else ""
    return VarianceSplit({name: max(0.0, value) for name, value in raw.items()}, note)


def _t_test(mean: float, error: float, freedom: int) -> tuple[Interval, float]:
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Interval(mean - half, mean + half), float(2 * stats.t.sf(abs(mean) / error, freedom))
