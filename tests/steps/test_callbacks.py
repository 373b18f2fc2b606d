from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kerasac.models.backend import prepare_backend
from kerasac.steps.trainers import Group, Vector

pytestmark = pytest.mark.keras


class _WithAnother(Group):
    """A group of two whose other trainer always has three times what this one has."""

    def __init__(self) -> None:
        super().__init__(0, 2, [])

    def sum(self, values: Vector) -> Vector:
        return 4 * values


def test_batch_normalisation_ends_an_epoch_with_the_mean_of_what_the_trainers_saw() -> None:
    prepare_backend(threads=1)
    import keras

    from kerasac.steps.callbacks import _Together

    inputs = keras.Input((3,))
    model: Any = keras.Model(inputs, keras.layers.BatchNormalization(name="norm")(inputs))
    model.compile("adam", "mse")
    norm = model.get_layer("norm")
    norm.moving_mean.assign(np.array([1.0, 2.0, 3.0]))
    callback = _Together(_WithAnother(), steps=5)
    callback.set_model(model)
    callback.on_train_batch_end(3)
    np.testing.assert_array_equal(norm.moving_mean, [1, 2, 3])
    callback.on_train_batch_end(4)
    np.testing.assert_array_equal(norm.moving_mean, [2, 4, 6])
    np.testing.assert_array_equal(norm.moving_variance, [2, 2, 2])
