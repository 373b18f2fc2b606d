import optuna
import pytest
from studies_made import KEYS, raced, study, tried

from kerasac.steps.study_importance import MIN_CONFIGURATIONS, comparable_scores, importance

FILTERS, DEPTH = "model.filters", "model.depth"


def grid(n: int, keys: tuple[str, ...] = (FILTERS, DEPTH)):  # type: ignore[no-untyped-def]
    """n configurations whose objective goes by the filters alone."""
    made = [
        tried(f"c{i}", [[0.5 + 0.1 * (i % 4)]], rank=i + 1, values={FILTERS: 2 ** (i % 4), DEPTH: i // 4})
        for i in range(n)
    ]
    return study(*made, keys=keys)


def test_the_key_that_decides_explains_the_variance() -> None:
    found = importance(grid(16))
    assert found.kind == "share"
    assert list(found.values) == [FILTERS, DEPTH]
    assert found.values[FILTERS] > 0.9 > found.chance[FILTERS]
    assert found.values[DEPTH] < 0.05


def test_the_same_seed_gives_the_same_importance() -> None:
    level = optuna.logging.get_verbosity()
    assert importance(raced(10), seed=3) == importance(raced(10), seed=3)
    assert optuna.logging.get_verbosity() == level


@pytest.mark.parametrize(("n", "keys"), [(MIN_CONFIGURATIONS - 1, (FILTERS, DEPTH)), (16, (FILTERS,))])
def test_too_few_configurations_or_one_key_give_ranges_of_the_mean(n: int, keys: tuple[str, ...]) -> None:
    found = importance(grid(n, keys))
    assert found.kind == "range"
    assert found.values[FILTERS] == pytest.approx(0.3)
    assert not found.chance
    assert "minus the lowest" in found.definition


def test_a_drawn_key_is_split_at_its_median() -> None:
    made = [tried(f"c{i}", [[float(i)]], rank=i + 1, values={FILTERS: 1.5 * i}) for i in range(10)]
    found = importance(study(*made))  # one key: 0–4 against 5–9
    assert found.values == {FILTERS: pytest.approx(5.0)}


def test_configurations_count_by_what_they_had_after_equal_training() -> None:
    result = raced(12)
    found, basis = comparable_scores(result)
    assert len(found) == 12  # the complete ones by their scores of the first pause
    assert basis == "By all 12 configurations, each on 1 fold (1 model), after 4 epochs."
    best = result.winner
    assert best is not None
    score = next(score for one, score in found if one is best)
    assert score == best.units["fold-0/seed-1"].scored_at(4)


def test_values_of_every_kind_are_taken() -> None:
    values = [None, "auto", [1, 2], True, 3, 0.5, {"a": 1}, "x", 7, None]
    made = [
        tried(f"c{i}", [[0.5 + 0.01 * i * i % 0.07]], rank=i + 1, values={FILTERS: value, DEPTH: i % 2})
        for i, value in enumerate(values)
    ]
    found = importance(study(*made, keys=(FILTERS, DEPTH)))
    assert set(found.values) == {FILTERS, DEPTH}


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (study(), "no two configurations"),
        (study(tried("a", [[0.5]])), "no two configurations"),
        (study(*(tried(x, [[None]], values={FILTERS: 1}) for x in "ab")), "no two configurations"),
        (study(*(tried(x, [[0.5]], values={FILTERS: x}) for x in "ab")), "all 2 configurations have the same"),
    ],
)
def test_it_says_why_there_is_none(result, why: str) -> None:  # type: ignore[no-untyped-def]
    assert importance(result).why_none.startswith(why)


def test_racing_finds_the_key_that_was_planted() -> None:
    found = importance(raced(24))
    assert next(iter(found.values)) == KEYS[0]
    assert found.values[KEYS[0]] > found.chance[KEYS[0]]
