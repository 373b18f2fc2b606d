from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from kerasac.sampling.allotment import allot

_amounts = st.lists(st.integers(0, 4), min_size=1, max_size=7)


@pytest.mark.parametrize(
    ("demand", "supply", "reach", "met", "taken"),
    [
        ([2, 0, 1], [3, 0, 1], 1, [2, 0, 1], [2, 0, 1]),  # all from their own bin
        ([2, 0, 0], [0, 1, 1], 1, [1, 0, 0], [0, 1, 0]),  # no farther than the reach
        ([2, 0, 0], [0, 1, 1], 2, [2, 0, 0], [0, 1, 1]),
        ([1, 1, 0], [0, 1, 1], 1, [1, 1, 0], [0, 1, 1]),  # the second gives way, so that both are met
        ([0, 0, 0], [1, 1, 1], 1, [0, 0, 0], [0, 0, 0]),
        ([1, 1, 1], [0, 0, 0], 1, [0, 0, 0], [0, 0, 0]),
    ],
)
def test_supplies_are_allotted(
    demand: list[int], supply: list[int], reach: int, met: list[int], taken: list[int]
) -> None:
    allotment = allot(np.array(demand), np.array(supply), reach)
    assert (allotment.met.tolist(), allotment.taken.tolist()) == (met, taken)


@settings(deadline=None, max_examples=60)
@given(demand=_amounts, supply=_amounts, reach=st.integers(0, 3))
def test_no_assignment_meets_more_or_the_same_from_nearer(demand: list[int], supply: list[int], reach: int) -> None:
    n = max(len(demand), len(supply))
    wants, gives = (np.pad(side, (0, n - len(side))) for side in (demand, supply))
    allotment = allot(wants, gives, reach)
    assert (allotment.met <= wants).all()
    assert (allotment.taken <= gives).all()
    assert allotment.met.sum() == allotment.taken.sum()
    best = _assign(wants, gives, reach)
    assert best == _assign(allotment.met, allotment.taken, reach)
    assert best[0] == allotment.met.sum()


def _assign(wants: np.ndarray, gives: np.ndarray, reach: int) -> tuple[int, int]:
    """Assign unit by unit: (how many are met, sum of the distances)."""
    units = [np.repeat(np.arange(len(side)), side) for side in (wants, gives)]
    apart = np.abs(np.subtract.outer(*units))
    rows, columns = linear_sum_assignment(np.where(apart <= reach, apart, 10_000))
    distances = apart[rows, columns]
    within = distances <= reach
    return int(within.sum()), int(distances[within].sum())
