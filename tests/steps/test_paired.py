import itertools
import math

import numpy as np
import pytest
from scipy import stats

from kerasac.steps.paired import LEVEL, holm, paired_test, sign_flip_p, split_variance

DIFFERENCES = [0.012, -0.003, 0.02, 0.015, 0.009]


def table(cells: list[list[float]]) -> dict[str, float | None]:
    """Values by unit of a table, folds down and seeds across."""
    return {f"fold-{f}/seed-{s}": value for f, row in enumerate(cells) for s, value in enumerate(row)}


def test_without_shared_training_data_it_is_the_paired_t_test() -> None:
    found = paired_test(DIFFERENCES, test_to_train=0.0)
    theirs = stats.ttest_1samp(DIFFERENCES, 0.0)
    assert (found.p, found.p_plain) == (pytest.approx(theirs.pvalue), pytest.approx(theirs.pvalue))
    assert found.interval == pytest.approx(theirs.confidence_interval(LEVEL))
    assert found.plain_interval == found.interval


def test_shared_training_data_widens_the_interval_as_nadeau_and_bengio_say() -> None:
    found = paired_test(DIFFERENCES, test_to_train=1 / 3)
    error = math.sqrt((1 / 5 + 1 / 3) * np.var(DIFFERENCES, ddof=1))
    assert found.difference == pytest.approx(np.mean(DIFFERENCES))
    assert found.p == pytest.approx(2 * stats.t.sf(np.mean(DIFFERENCES) / error, 4))
    assert found.interval == pytest.approx(stats.t.interval(0.95, 4, np.mean(DIFFERENCES), error))
    assert found.p_plain == pytest.approx(stats.ttest_1samp(DIFFERENCES, 0.0).pvalue)


def test_the_interval_covers_the_truth_95_of_100_times_when_folds_correlate_as_assumed() -> None:
    """Folds that share training data correlate by n_test / (n_test + n_train); the plain interval covers too rarely."""
    rng, ratio, truth, n = np.random.default_rng(7), 1 / 3, 0.5, 3000
    rho = ratio / (1 + ratio)
    shared, own = rng.normal(size=(n, 1)), rng.normal(size=(n, 5))
    draws = truth + math.sqrt(rho) * shared + math.sqrt(1 - rho) * own
    tests = [paired_test(row, test_to_train=ratio) for row in draws.tolist()]
    covered = [t.interval is not None and t.interval.low <= truth <= t.interval.high for t in tests]
    plain = [t.plain_interval is not None and t.plain_interval.low <= truth <= t.plain_interval.high for t in tests]
    assert np.mean(covered) == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / n))
    assert np.mean(plain) < 0.85


def test_one_fold_has_a_difference_and_no_test() -> None:
    found = paired_test([0.1], test_to_train=0.3)
    assert (found.n, found.difference) == (1, 0.1)
    assert (found.sd, found.interval, found.p, found.p_plain, found.p_sign_flip) == (None, None, None, None, None)


@pytest.mark.parametrize("values", [[0.6 - 0.5, 0.7 - 0.6, 0.3 - 0.2], [0.0, 0.0, 0.0]])
def test_differences_that_are_all_the_same_have_no_interval(values: list[float]) -> None:
    found = paired_test(values, test_to_train=0.3)
    assert (found.sd, found.interval, found.p, found.p_plain) == (0.0, None, None, None)
    assert found.p_sign_flip == (1.0 if values[0] == 0 else 0.25)


@pytest.mark.parametrize("seed", range(3))
def test_sign_flips_are_all_tried(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.5, 1.0, 7)
    means = [abs(np.dot(signs, values)) for signs in itertools.product((1, -1), repeat=7)]
    assert sign_flip_p(values) == np.mean(np.array(means) >= abs(values.sum()) - 1e-12)
    theirs = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(values) == pytest.approx(theirs.pvalue)


def test_too_many_folds_have_no_exact_p() -> None:
    assert sign_flip_p(np.ones(16)) is None


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # 3 × 0.01, 2 × 0.03, then no less than that
        ([0.01, None, 0.04], [0.02, None, 0.04]),
        ([0.6, 0.9], [1.0, 1.0]),
        ([None], [None]),
        ([], []),
    ],
)
def test_holm_steps_down(p_values: list[float | None], corrected: list[float | None]) -> None:
    assert holm(p_values) == pytest.approx(corrected)


def test_an_additive_table_is_folds_and_seeds_without_rest() -> None:
    split = split_variance(table([[1.0, 2.0], [3.0, 4.0]]))
    assert split.components == pytest.approx({"fold": 2.0, "seed": 0.5, "rest": 0.0})
    assert split.shares == pytest.approx({"fold": 0.8, "seed": 0.2, "rest": 0.0})
    assert split.note == ""


def test_components_are_those_of_the_sums_of_squares() -> None:
    cells = np.array([[0.71, 0.74, 0.70], [0.62, 0.66, 0.69], [0.80, 0.78, 0.83], [0.68, 0.75, 0.66]])
    n_folds, n_seeds = cells.shape
    mean = cells.mean()
    ss_fold = sum(n_seeds * (row.mean() - mean) ** 2 for row in cells)
    ss_seed = sum(n_folds * (column.mean() - mean) ** 2 for column in cells.T)
    ss_rest = ((cells - mean) ** 2).sum() - ss_fold - ss_seed
    ms_rest = ss_rest / ((n_folds - 1) * (n_seeds - 1))
    split = split_variance(table(cells.tolist()))
    assert split.components["rest"] == pytest.approx(ms_rest)
    assert split.components["fold"] == pytest.approx((ss_fold / (n_folds - 1) - ms_rest) / n_seeds)
    assert split.components["seed"] == pytest.approx(max(0, (ss_seed / (n_seeds - 1) - ms_rest) / n_folds))


def test_components_are_right_on_average() -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        cells = rng.normal(0, 3, (12, 1)) + rng.normal(0, 2, (1, 12)) + rng.normal(0, 1, (12, 12))
        found.append(list(split_variance(table(cells.tolist())).components.values()))
    assert np.mean(found, axis=0) == pytest.approx([9, 4, 1], rel=0.08)


def test_an_estimate_below_zero_is_set_to_zero_and_said() -> None:
    split = split_variance(table([[1.0, 2.0], [2.0, 1.0]]))
    assert split.components == {"fold": 0.0, "seed": 0.0, "rest": 1.0}
    assert split.note == "the estimate of fold and seed was below 0 and is set to 0"


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"fold-0/seed-1": 0.1, "fold-1/seed-1": 0.2}, "it takes 2 folds and 2 seeds; there are 2 and 1"),
        ({"fold-0/seed-1": 0.1, "fold-0/seed-2": 0.2}, "it takes 2 folds and 2 seeds; there are 1 and 2"),
        (
            {"fold-0/seed-1": 0.1, "fold-0/seed-2": 0.2, "fold-1/seed-1": 0.3},
            "it takes every seed in every fold; 1 of 4 have none",
        ),
        (
            {"fold-0/seed-1": 0.1, "fold-0/seed-2": 0.2, "fold-1/seed-1": 0.3, "fold-1/seed-2": None},
            "it takes every seed in every fold; 1 of 4 have none",
        ),
    ],
)
def test_what_cannot_be_split_is_said(values: dict[str, float | None], note: str) -> None:
    split = split_variance(values)
    assert (split.components, split.shares, split.note) == ({}, {}, note)
