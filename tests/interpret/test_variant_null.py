"""Effects are judged by those of the same kind of change in shuffled sequence."""

from __future__ import annotations

import numpy as np
import pytest

from kerasac.interpret.variant_null import null_draws, p_values, q_values
from kerasac.interpret.variants import Variants


def table(n_snvs: int, n_indels: int) -> Variants:
    n = n_snvs + n_indels
    return Variants(
        name=(".",) * n,
        chrom=np.zeros(n, np.int64),
        position=np.arange(n),
        ref=("A",) * n,
        alt=("C",) * n_snvs + ("AC",) * n_indels,
        swapped=np.zeros(n, bool),
    )


def test_p_counts_the_shuffles_that_do_at_least_as_much() -> None:
    null = np.array([0.1, -0.5, 0.3, 0.5])
    snv = np.zeros(4, bool)
    found = p_values(np.array([0.5, -0.31, 0.0, 2.0, np.nan]), np.zeros(5, bool), null, snv)
    np.testing.assert_allclose(found, [3 / 5, 3 / 5, 1, 1 / 5, np.nan])


def test_indels_are_judged_by_indels() -> None:
    null, is_indel = np.array([0.1, 0.1, 5.0, 5.0, 5.0]), np.array([False, False, True, True, True])
    found = p_values(np.array([1.0, 1.0]), np.array([False, True]), null, is_indel)
    np.testing.assert_allclose(found, [1 / 3, 1.0])
    assert np.isnan(p_values(np.array([1.0]), np.array([True]), null[:2], is_indel[:2])).all()


def test_p_of_what_is_drawn_from_the_null_is_uniform() -> None:
    rng = np.random.default_rng(0)
    found = p_values(rng.normal(size=2000), np.zeros(2000, bool), rng.normal(size=2000), np.zeros(2000, bool))
    assert abs((found <= 0.1).mean() - 0.1) < 0.03
    assert (q_values(found) < 0.05).mean() < 0.01


def test_q_is_benjamini_and_hochberg_s_without_what_is_unknown() -> None:
    found = q_values(np.array([0.01, np.nan, 0.04, 0.02]))
    np.testing.assert_allclose(found, [0.03, np.nan, 0.04, 0.03])
    assert np.isnan(q_values(np.full(3, np.nan))).all()


@pytest.mark.parametrize("n", [0, 3, 10, 25])
def test_draws_are_spread_evenly_and_no_shuffle_is_drawn_twice(n: int) -> None:
    variants = table(10, 4)
    draws = null_draws(variants, n, seed=1)
    assert len(draws) == 2 * n
    assert len(set(zip(draws.rows.tolist(), draws.number.tolist(), strict=True))) == 2 * n
    for rows in (range(10), range(10, 14)):
        times = [int((draws.rows == row).sum()) for row in rows]
        assert sum(times) == n
        assert max(times) - min(times) <= 1
