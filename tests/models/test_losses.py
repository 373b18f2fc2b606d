"""The loss of each output is its role's, weighed as the experiment says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kerasac.config import LossSpec
from kerasac.errors import ModelError
from kerasac.models.backend import prepare_backend
from kerasac.models.class_weights import ClassWeights
from kerasac.models.contract import Contract, Port
from kerasac.models.loss_names import check_losses

TASKS = ("plus", "minus")
SEQUENCE = Port("sequence", "sequence", 100, 4)
WINDOWS = Contract((SEQUENCE,), (Port("profile", "profile", 10, 2, TASKS), Port("logcount", "counts", 10, 2, TASKS)))
CLASSES = Contract((SEQUENCE,), (Port("open", "classification", 0, 2, TASKS),))
VALUES = Contract((SEQUENCE,), (Port("signal", "regression", 0, 2, TASKS),))


@pytest.fixture(scope="module")
def losses_of() -> Any:
    prepare_backend(threads=1)
    from kerasac.models.losses import losses_of

    return losses_of


@pytest.mark.keras
def test_factors_weigh_tasks_of_profile_and_counts(losses_of: Any) -> None:
    rng = np.random.default_rng(0)
    counts, logits = rng.poisson(3.0, (4, 10, 2)).astype(np.float32), rng.normal(size=(4, 10, 2)).astype(np.float32)
    labels, predicted = (rng.normal(size=(4, 2)).astype(np.float32) for _ in range(2))
    log_probability = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    by_task = -(counts * log_probability).sum(axis=1)
    for spec, factors in ((LossSpec(), [1, 1]), (LossSpec(tasks={"minus": 0.25}), [1, 0.25])):
        losses = losses_of(WINDOWS, spec)
        expected = (by_task * factors).sum(axis=1).mean()
        assert float(losses["profile"](counts, logits)) == pytest.approx(expected, rel=1e-5)
        expected = ((labels - predicted) ** 2 * factors).mean()
        assert float(losses["logcount"](labels, predicted)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.keras
def test_loss_with_factors_is_saved_and_read(losses_of: Any) -> None:
    import keras

    for loss in losses_of(WINDOWS, LossSpec(tasks={"plus": 3})).values():
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
        assert again.factors == (3.0, 1.0)


@pytest.mark.keras
def test_labels_have_the_loss_that_is_asked_for(losses_of: Any) -> None:
    labels, predicted = np.array([[1, 0], [0, np.nan]], np.float32), np.array([[0.5, 0.25], [0.75, 0.5]], np.float32)
    weights = {"open": ClassWeights(np.array([1.0, 2.0]), np.array([3.0, 4.0]))}
    crossentropy = losses_of(CLASSES, LossSpec(), weights)["open"]
    expected = (-3 * np.log(0.5) - 2 * np.log(0.75) - np.log(0.25)) / 3
    assert float(crossentropy(labels, predicted)) == pytest.approx(expected, rel=1e-5)
    absolute = losses_of(VALUES, LossSpec(labels="mae"))["signal"]
    assert float(absolute(labels, predicted)) == pytest.approx((0.5 + 0.25 + 0.75) / 3, rel=1e-5)


@pytest.mark.parametrize(
    ("contract", "spec", "said"),
    [
        (WINDOWS, {"tasks": {"plsu": 2}}, "there is no task 'plsu'; did you mean 'plus'? (plus, minus)"),
        (WINDOWS, {"labels": "mae"}, "are of binned labels"),
        (WINDOWS, {"class_weights": "auto"}, "are of binned labels"),
        (CLASSES, {"labels": "mse"}, "loss.labels is mse, output open a classification"),
        (VALUES, {"labels": "crossentropy"}, "loss.labels is crossentropy, output signal a regression"),
        (VALUES, {"class_weights": "auto"}, "output signal is a regression"),
    ],
)
def test_loss_that_does_not_go_with_the_outputs_is_named(contract: Contract, spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError) as raised:
        check_losses(LossSpec.model_validate(spec), contract)
    assert said in str(raised.value)


def test_defaults_go_with_all_outputs() -> None:
    for contract in (WINDOWS, CLASSES, VALUES):
        check_losses(LossSpec(), contract)
    check_losses(LossSpec(labels="poisson", tasks={"plus": 2}), VALUES)
