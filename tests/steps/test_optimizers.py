"""An optimizer has the options that are given, and Keras's own where none are."""

from __future__ import annotations

import pytest

from kerasac.config import TrainingSpec

pytestmark = pytest.mark.keras


@pytest.mark.parametrize(
    ("optimizer", "given", "expected"),
    [("adamw", None, 0.004), ("adamw", 0.0, 0.0), ("adamw", 0.01, 0.01), ("adam", None, None), ("adam", 0.01, 0.01)],
)
def test_weight_decay_is_what_is_given_and_0_is_none_at_all(
    optimizer: str, given: float | None, expected: float | None
) -> None:
    from kerasac.steps.optimizers import make_optimizer

    spec = TrainingSpec(optimizer=optimizer, weight_decay=given)
    assert make_optimizer(spec).weight_decay == expected
