from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from kerasac.errors import ModelError
from kerasac.models.backend import prepare_backend

pytestmark = pytest.mark.keras

NAN = float("nan")
LABELS = np.array([[1, 0], [NAN, 1], [0, NAN]], dtype=np.float32)
PREDICTED = np.array([[0.8, 0.4], [0.3, 0.5], [0.1, 0.9]], dtype=np.float32)


@pytest.fixture(scope="module")
def losses() -> Any:
    prepare_backend(threads=1)
    from kerasac.models import masked_losses

    return masked_losses


@pytest.fixture(params=["crossentropy", "weighted", "mse", "mae", "poisson"])
def loss(request: pytest.FixtureRequest, losses: Any) -> Any:
    return {
        "crossentropy": losses.masked_binary_crossentropy,
        "weighted": losses.weighted_binary_crossentropy([1, 2], [3, 4]),
        "mse": losses.masked_mse,
        "mae": losses.masked_mae,
        "poisson": losses.masked_poisson,
    }[request.param]


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("masked_binary_crossentropy", [-math.log(p) for p in (0.8, 0.6, 0.5, 0.9)]),
        ("masked_mse", [0.2**2, 0.4**2, 0.5**2, 0.1**2]),
        ("masked_mae", [0.2, 0.4, 0.5, 0.1]),
        ("masked_poisson", [math.exp(0.8) - 0.8, math.exp(0.4), math.exp(0.5) - 0.5, math.exp(0.1)]),
    ],
)
def test_loss_is_the_mean_over_the_labels_that_are_not_ambiguous(losses: Any, name: str, terms: list[float]) -> None:
    assert float(getattr(losses, name)(LABELS, PREDICTED)) == pytest.approx(sum(terms) / 4, rel=1e-5)


def test_weights_multiply_the_terms_of_their_class_and_task(losses: Any) -> None:
    loss = losses.weighted_binary_crossentropy([2, 3], [5, 7])
    terms = [5 * -math.log(0.8), 3 * -math.log(0.6), 7 * -math.log(0.5), 2 * -math.log(0.9)]
    assert float(loss(LABELS, PREDICTED)) == pytest.approx(sum(terms) / 4, rel=1e-5)


def test_weights_of_one_change_nothing(losses: Any) -> None:
    weighted = losses.weighted_binary_crossentropy([1, 1], [1, 1])(LABELS, PREDICTED)
    assert float(weighted) == pytest.approx(float(losses.masked_binary_crossentropy(LABELS, PREDICTED)))


def test_batch_without_labels_is_0(loss: Any) -> None:
    assert float(loss(np.full((3, 2), NAN, dtype=np.float32), PREDICTED)) == 0


@pytest.mark.parametrize("labels", [LABELS, np.full((3, 2), NAN, dtype=np.float32)])
def test_ambiguous_labels_have_no_gradient(loss: Any, labels: Any) -> None:
    gradient = gradient_of(loss, labels, PREDICTED)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient == 0, np.isnan(labels))


def test_gradient_of_a_saturated_sigmoid_is_the_error(losses: Any) -> None:
    # Computed from probabilities cut to 1e-7 it would be 0, and a bin that is far off would never be learned.
    import keras

    def from_logits(labels: Any, logits: Any) -> Any:
        return losses.masked_binary_crossentropy(labels, keras.ops.sigmoid(logits))

    labels, logits = np.array([[1], [0]], dtype=np.float32), np.array([[-200], [90]], dtype=np.float32)
    np.testing.assert_allclose(gradient_of(from_logits, labels, logits), [[-0.5], [0.5]])
    assert float(from_logits(labels, keras.ops.convert_to_tensor(logits))) == pytest.approx((200 + 90) / 2)


def test_compiled_model_reports_the_loss(losses: Any, loss: Any) -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    model.compile(loss=loss)
    assert model.evaluate(PREDICTED, LABELS, verbose=0) == pytest.approx(float(loss(LABELS, PREDICTED)), rel=1e-5)


def test_class_weights_give_each_class_of_each_task_the_same_weight(losses: Any) -> None:
    labels = np.array([[1, 0], [0, 1], [0, 1], [NAN, 1], [0, 1]], dtype=np.float32)
    w0, w1 = losses.class_weights(labels)
    np.testing.assert_array_equal(w0, [5 / 3, 5 / 1])
    np.testing.assert_array_equal(w1, [5 / 1, 5 / 4])


@pytest.mark.parametrize(("column", "missing"), [([0, 0, NAN], "positive"), ([1, 1, 1], "negative")])
def test_task_of_one_class_is_named(losses: Any, column: list[float], missing: str) -> None:
    labels = np.array([[0, 1, NAN], column], dtype=np.float32).T
    with pytest.raises(ModelError, match=f"^CTCF has no {missing} among 3 bins"):
        losses.class_weights(labels, ["GATA1", "CTCF"])


def gradient_of(loss: Any, labels: Any, predicted: Any) -> Any:
    import tensorflow as tf

    variable = tf.Variable(predicted)
    with tf.GradientTape() as tape:
        value = loss(labels, variable)
    return tf.convert_to_tensor(tape.gradient(value, variable)).numpy()
