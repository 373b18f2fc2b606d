"""Judge effects by those of the same changes in shuffled sequence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from kerasac.genome.assembly import IntArray
from kerasac.interpret.variants import BoolArray, Variants

Floats = npt.NDArray[np.floating]

DEFINITION = (
    "p: (1 + number of shuffles whose effect is at least as large, either way) / (1 + number of shuffles). The "
    "shuffles are of all variants of a kind together, substitutions or indels: each keeps both alleles and shuffles "
    "what is around them, with the counts of dinucleotides kept. q: Benjamini and Hochberg's, over a task's variants."
)


class NullDraws(NamedTuple):
    """Which variants are put into shuffled sequence: their places (m,) int64, and the shuffle's number, (m,) int64."""

    rows: IntArray
    number: IntArray

    def __len__(self) -> int:
        return len(self.rows)


def null_draws(variants: Variants, n: int, seed: int) -> NullDraws:
    """Draw ``n`` shuffles of substitutions and as many of indels, spread evenly over the variants of each kind."""
    rows, numbers = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    is_indel = variants.is_indel
    for kind, places in enumerate((np.flatnonzero(~is_indel), np.flatnonzero(is_indel))):
        if len(places):
            order = np.random.default_rng([seed, kind]).permutation(places)
            at = np.arange(n)
            rows.append(order[at % len(places)])
            numbers.append(at // len(places))
    return NullDraws(np.concatenate(rows), np.concatenate(numbers))


def p_values(effects: Floats, is_indel: BoolArray, null: Floats, null_is_indel: BoolArray) -> npt.NDArray[np.float64]:
    """Return p of effects (n,), by the null effects (m,) of their kind; NaN where either is unknown."""
    found = np.full(len(effects), np.nan)
    for kind in (False, True):
        drawn = np.sort(np.abs(null[(null_is_indel == kind) & ~np.isnan(null)]))
        of_kind = (is_indel == kind) & ~np.isnan(effects)
        if len(drawn):
            as_large = len(drawn) - np.searchsorted(drawn, np.abs(effects[of_kind]), side="left")
            found[of_kind] = (1 + as_large) / (1 + len(drawn))
    return found


def q_values(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return Benjamini and Hochberg's false discovery rates of p values (n,); NaN stays NaN and does not count."""
    found = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    if known.any():
        found[known] = stats.false_discovery_control(p[known], method="bh")
    return found
