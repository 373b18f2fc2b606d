from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from kerasac.models.backend import prepare_backend
from kerasac.models.class_weights import ClassWeights

pytestmark = pytest.mark.keras

NAN = float("nan")
LABELS = np.array([[1, 0], [NAN, 1], [0, NAN]], dtype=np.float32)
PREDICTED = np.array([[0.8, 0.4], [0.3, 0.5], [0.1, 0.9]], dtype=np.float32)
WEIGHTS = ClassWeights(np.array([2.0, 3.0]), np.array([5.0, 7.0]))  # w0, w1


@pytest.fixture(scope="module")
def losses() -> Any:
    prepare_backend(threads=1)
    from kerasac.models import masked_losses

    return masked_losses


@pytest.fixture(params=["crossentropy", "weighted", "mse", "mae", "poisson"])
def loss(request: pytest.FixtureRequest, losses: Any) -> Any:
    if request.param == "weighted":
        return losses.masked("crossentropy", classes=WEIGHTS, tasks=[2, 0.5])
    return losses.masked(request.param)


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("crossentropy", [-math.log(p) for p in (0.8, 0.6, 0.5, 0.9)]),
        ("mse", [0.2**2, 0.4**2, 0.5**2, 0.1**2]),
        ("mae", [0.2, 0.4, 0.5, 0.1]),
        ("poisson", [math.exp(0.8) - 0.8, math.exp(0.4), math.exp(0.5) - 0.5, math.exp(0.1)]),
    ],
)
def test_loss_is_the_mean_over_the_labels_that_are_not_ambiguous(losses: Any, name: str, terms: list[float]) -> None:
    assert float(losses.masked(name)(LABELS, PREDICTED)) == pytest.approx(sum(terms) / 4, rel=1e-5)


def test_weights_multiply_the_terms_of_their_class_and_task(losses: Any) -> None:
    loss = losses.masked("crossentropy", classes=WEIGHTS)
    terms = [5 * -math.log(0.8), 3 * -math.log(0.6), 7 * -math.log(0.5), 2 * -math.log(0.9)]
    assert float(loss(LABELS, PREDICTED)) == pytest.approx(sum(terms) / 4, rel=1e-5)


def test_factors_multiply_the_terms_of_their_task(losses: Any) -> None:
    loss = losses.masked("mae", tasks=[2, 10])
    assert float(loss(LABELS, PREDICTED)) == pytest.approx((2 * 0.2 + 10 * 0.4 + 10 * 0.5 + 2 * 0.1) / 4, rel=1e-5)


def test_weights_of_one_change_nothing(losses: Any) -> None:
    weighted = losses.masked("crossentropy", classes=ClassWeights(np.ones(2), np.ones(2)), tasks=[1, 1])(
        LABELS, PREDICTED
    )
    assert float(weighted) == pytest.approx(float(losses.masked("crossentropy")(LABELS, PREDICTED)))


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
        return losses.masked("crossentropy")(labels, keras.ops.sigmoid(logits))

    labels, logits = np.array([[1], [0]], dtype=np.float32), np.array([[-200], [90]], dtype=np.float32)
    np.testing.assert_allclose(gradient_of(from_logits, labels, logits), [[-0.5], [0.5]])
    assert float(from_logits(labels, keras.ops.convert_to_tensor(logits))) == pytest.approx((200 + 90) / 2)


def test_compiled_model_reports_the_loss(losses: Any, loss: Any) -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    model.compile(loss=loss)
    assert model.evaluate(PREDICTED, LABELS, verbose=0) == pytest.approx(float(loss(LABELS, PREDICTED)), rel=1e-5)


def gradient_of(loss: Any, labels: Any, predicted: Any) -> Any:
    import tensorflow as tf

    variable = tf.Variable(predicted)
    with tf.GradientTape() as tape:
        value = loss(labels, variable)
    return tf.convert_to_tensor(tape.gradient(value, variable)).numpy()
