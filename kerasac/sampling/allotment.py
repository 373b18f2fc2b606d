"""Allot supplies to demands along an axis of bins: as much as can be met, from as near as can be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kerasac.genome.assembly import IntArray


class Allotment(NamedTuple):
    """``met``: what each bin's demand gets. ``taken``: what each bin's supply gives. Both (n_bins,) int64."""

    met: IntArray
    taken: IntArray


def allot(demand: IntArray, supply: IntArray, reach: int) -> Allotment:
    """Meet the demand of each bin, (n_bins,), from the supplies of bins at most ``reach`` away.

    No other allotment meets more in all, and none that meets as much has a smaller sum of distances: it is the
    optimum of the transportation problem, as in matching within a caliper (Rosenbaum 1989, J Am Stat Assoc 84:1024).
    """
    wants, gives = _pairs_in_reach(demand, supply, reach)
    amounts = _transport(demand, supply, wants, gives, reach)
    met, taken = (np.bincount(side, amounts, minlength=len(demand)).astype(np.int64) for side in (wants, gives))
    return Allotment(met, taken)


def _pairs_in_reach(demand: IntArray, supply: IntArray, reach: int) -> tuple[IntArray, IntArray]:
    """Return the (demanding, supplying) bins that may be paired."""
    demanding = np.flatnonzero(demand)
    wants = np.repeat(demanding, 2 * reach + 1)
    gives = (demanding[:, None] + np.arange(-reach, reach + 1)).reshape(-1)
    there = (gives >= 0) & (gives < len(supply))
    there[there] = supply[gives[there]] > 0
    return wants[there], gives[there]


def _transport(demand: IntArray, supply: IntArray, wants: IntArray, gives: IntArray, reach: int) -> IntArray:
    """Return the amount of each pair of bins, whole numbers: the corners of this problem's polytope have no others."""
    # Imported here: half a second, which every command would take to start.
    from scipy.optimize import LinearConstraint, milp
    from scipy.sparse import csr_array

    n_pairs, n_bins = len(wants), len(demand)
    if not n_pairs:
        return np.empty(0, np.int64)
    limits = np.concatenate([demand, supply])
    pair = np.arange(n_pairs)
    sums = csr_array(
        (np.ones(2 * n_pairs), (np.concatenate([wants, n_bins + gives]), np.concatenate([pair, pair]))),
        shape=(2 * n_bins, n_pairs),
    )
    # One more that is met outweighs what it can move the others: each demanding bin, by at most twice the reach.
    gain = (2 * reach + 1) * (1 + np.count_nonzero(demand))
    used = np.flatnonzero(limits)
    solved = milp(np.abs(wants - gives) - gain, constraints=LinearConstraint(sums[used], ub=limits[used]))
    amounts: IntArray = np.rint(np.asarray(solved.x)).astype(np.int64)
    return amounts
