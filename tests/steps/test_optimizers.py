"""An optimizer has the options that are given, and Keras's own where none are."""

from __future__ import annotations

import gc

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


def test_trainings_leave_no_graph_behind() -> None:
    """A process that trains many models one after another would grow by megabytes with each."""
    import keras
    import numpy as np

    from kerasac.steps.optimizers import make_optimizer

    def train() -> None:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(make_optimizer(TrainingSpec()), "mse")
        model.train_on_batch(np.zeros((2, 4), np.float32), np.zeros((2, 1), np.float32))

    def n_graphs() -> int:
        keras.backend.clear_session()
        gc.collect()
        return sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())

    before = n_graphs()
    train()
    assert n_graphs() == before
