"""The standing is what the losses say, however often the training was interrupted."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasac.config import TrainingSpec
from kerasac.steps.schedule import standing

PLATEAU = TrainingSpec(epochs=40, patience=5, lr_patience=2, lr_factor=0.5, learning_rate=1.0, min_learning_rate=0.1)
COSINE = TrainingSpec(epochs=10, patience=5, schedule="cosine", learning_rate=1.0, min_learning_rate=0.2)

losses = st.lists(st.floats(0, 10), max_size=30)


def test_before_the_first_epoch() -> None:
    assert standing(PLATEAU, []) == (0, math.inf, 1.0, False)


@pytest.mark.parametrize(
    ("history", "best_epoch", "rate", "stop"),
    [
        ([3], 1, 1.0, False),
        ([3, 2, 1], 3, 1.0, False),
        ([3, 4], 1, 1.0, False),
        ([3, 4, 4], 1, 0.5, False),
        ([3, 4, 4, 4], 1, 0.5, False),
        ([3, 4, 4, 4, 4], 1, 0.25, False),
        ([3, 4, 4, 4, 4, 4], 1, 0.25, True),
        ([3, 4, 2, 4, 4], 3, 0.5, False),  # a better epoch starts the count anew
        ([3, 3, 3], 1, 0.5, False),  # an equal loss is not a better one
        ([1], 1, 1.0, False),
    ],
)
def test_plateau(history: list[float], best_epoch: int, rate: float, stop: bool) -> None:
    found = standing(PLATEAU, history)
    assert found == (best_epoch, min(history), rate, stop)


def test_rate_does_not_fall_below_its_least() -> None:
    patient = PLATEAU.model_copy(update={"patience": 99})
    assert standing(patient, [1, *[2] * 20]).learning_rate == 0.1


def test_training_stops_after_all_epochs() -> None:
    short = PLATEAU.model_copy(update={"epochs": 3})
    assert not standing(short, [3, 2]).stop
    assert standing(short, [3, 2, 1]).stop


def test_cosine_falls_from_the_first_rate_to_the_least() -> None:
    patient = COSINE.model_copy(update={"patience": 99})
    rates = [standing(patient, [1.0] * done).learning_rate for done in range(11)]
    assert rates[0] == 1.0
    assert rates[5] == pytest.approx(0.6)
    assert rates[10] == pytest.approx(0.2)
    assert rates == sorted(rates, reverse=True)


def test_cosine_does_not_heed_the_losses_but_patience_does() -> None:
    assert standing(COSINE, [1, 2, 3]).learning_rate == standing(COSINE, [3, 2, 1]).learning_rate
    assert standing(COSINE, [1, *[2] * 5]).stop


@given(losses)
def test_best_epoch_is_the_first_with_the_least_loss(history: list[float]) -> None:
    found = standing(PLATEAU, history)
    assert found.best_epoch == (history.index(min(history)) + 1 if history else 0)


@given(losses)
def test_rate_never_rises(history: list[float]) -> None:
    rates = [standing(PLATEAU, history[:done]).learning_rate for done in range(len(history) + 1)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] >= PLATEAU.min_learning_rate
