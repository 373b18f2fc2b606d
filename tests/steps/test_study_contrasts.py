import math

import pytest
from scipy import stats
from studies_made import study, tried, unit

from kerasac.steps.study_contrasts import compared_epochs, contrasts_to
from kerasac.steps.study_results import StudyResult, Tried

BEST = tried("best", [[0.50, 0.52], [0.54, 0.56], [0.60, 0.62]])  # fold means 0.51, 0.55, 0.61


def against_best(other: Tried, ratio: float = 0.25):  # type: ignore[no-untyped-def]
    return contrasts_to(study(BEST, other), BEST, name="the best", scored_to_train=ratio)[other.name]


def test_the_mean_and_its_error_have_the_fold_as_the_unit() -> None:
    means = [0.51, 0.55, 0.61]
    mean = sum(means) / 3
    sd = math.sqrt(sum((x - mean) ** 2 for x in means) / 2)
    assert BEST.summary.mean == pytest.approx(mean)
    assert BEST.summary.se == pytest.approx(sd / math.sqrt(3))


def test_differences_are_paired_by_fold_with_the_corrected_interval() -> None:
    contrast = against_best(tried("other", [[0.51, 0.53], [0.56, 0.58], [0.63, 0.65]], rank=2))
    assert [pair.difference for pair in contrast.pairs] == pytest.approx([0.01, 0.02, 0.03])
    half = stats.t.ppf(0.975, 2) * math.sqrt((1 / 3 + 0.25) * 0.01**2)
    assert contrast.test is not None
    assert contrast.test.difference == pytest.approx(0.02)
    assert contrast.test.interval == pytest.approx((0.02 - half, 0.02 + half))
    assert not contrast.is_different  # half is 0.033


def test_only_units_of_both_count() -> None:
    other = Tried("other", {}, {"fold-1/seed-2": unit(0.50), "fold-9/seed-1": unit(0.1)}, 2, "complete")
    contrast = against_best(other)
    assert [(pair.fold, pair.difference) for pair in contrast.pairs] == [("fold-1", pytest.approx(-0.06))]
    assert contrast.test is not None
    assert contrast.test.interval is None


def test_a_dropped_configuration_is_not_set_against_more_training() -> None:
    dropped = tried("dropped", [[0.7]], rank=None, epochs=4, state="dropped", level="1 fold, 4 epochs")
    contrast = against_best(dropped)
    assert contrast.test is None
    assert contrast.refused.startswith("it was dropped after 1 fold, 4 epochs")


def test_a_dropped_configuration_is_set_against_equally_long_training() -> None:
    best = Tried("best", {}, {"fold-0/seed-1": unit(0.5, 10, earlier=((4, 0.65),))}, 1, "complete")
    dropped = tried("dropped", [[0.7]], rank=None, epochs=4, state="dropped", level="1 fold, 4 epochs")
    contrast = contrasts_to(study(best, dropped), best, name="the best", scored_to_train=0.25)["dropped"]
    assert contrast.test is not None
    assert contrast.test.difference == pytest.approx(0.05)
    assert compared_epochs(dropped, best) == (4,)


def test_the_score_of_a_pause_is_kept_while_the_training_goes_on() -> None:
    best = Tried("best", {}, {"fold-0/seed-1": unit(None, 4, earlier=((4, 0.65),))}, None, "unfinished")
    assert best.units["fold-0/seed-1"].scored_at(4) == 0.65
    assert best.units["fold-0/seed-1"].score is None


def test_trainings_that_stopped_early_are_compared_where_both_came_to_their_end() -> None:
    dropped = Tried("dropped", {}, {"fold-0/seed-1": unit(0.6, 7, is_done=True)}, None, "dropped")
    assert against_best(dropped).test is not None
    assert compared_epochs(dropped, BEST) == ()


@pytest.mark.parametrize("score", [None, math.nan, math.inf])
def test_a_unit_without_a_score_is_left_out(score: float | None) -> None:
    contrast = against_best(tried("other", [[0.51, score], [score, score], [0.63, 0.65]], rank=2))
    assert {pair.fold: pair.difference for pair in contrast.pairs} == pytest.approx({"fold-0": 0.01, "fold-2": 0.03})


def test_p_values_are_corrected_for_the_complete_configurations_alone() -> None:
    a, b = (tried(name, [[0.51, 0.53], [0.56, 0.58], [0.63, 0.65]], rank=2) for name in "ab")
    c = tried("c", [[0.51, 0.53], [0.56, 0.58], [0.64, 0.66]], rank=None, state="dropped")
    found = contrasts_to(study(BEST, a, b, c), BEST, name="the best", scored_to_train=0.25)
    assert [found[name].n_tests for name in "abc"] == [2, 2, 1]
    test = found["a"].test
    assert test is not None
    assert test.p is not None
    assert found["a"].p_holm == pytest.approx(2 * test.p)


def test_the_winner_is_the_first_rank_that_has_a_score() -> None:
    none = tried("none", [[None]], rank=1)
    assert study(none, tried("second", [[0.5]], rank=2)).winner.name == "second"  # type: ignore[union-attr]
    assert study(none).winner is None
    assert isinstance(study(), StudyResult)
