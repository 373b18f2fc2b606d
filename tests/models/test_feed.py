"""What the training graph derives from raw windows is what the host derives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from kerasac.config import Aggregate, OutputSpec, TrackSpec, Transform
from kerasac.models.backend import prepare_backend
from kerasac.sampling import batches
from kerasac.sampling.batches import Recipe

pytestmark = pytest.mark.keras

COUNTS = np.random.default_rng(0).poisson(2.0, (5, 2, 12)).astype(np.uint8)
COUNTS[0] = 0
COMBINATIONS = [
    (aggregate, transform)
    for aggregate, transform in itertools.product(Aggregate.__args__, Transform.__args__)  # type: ignore[attr-defined]
    if aggregate == "none" or transform != "counts_to_logit"
]


def output(name: str, *, flank: int = 6, **rules: Any) -> OutputSpec:
    return OutputSpec(name=name, source=("plus", "minus"), flank=flank, pseudocount=0.5, **rules)


@pytest.mark.parametrize(("aggregate", "transform"), COMBINATIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
def test_graph_and_host_derive_the_same(aggregate: Aggregate, transform: Transform, dtype: type) -> None:
    prepare_backend(threads=1)
    from kerasac.models import feed

    spec = output("x", aggregate=aggregate, transform=transform)
    found = np.asarray(feed.derive(spec, COUNTS.astype(dtype)))
    expected = batches.derive(spec, COUNTS.astype(dtype))
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_sums_do_not_overflow() -> None:
    prepare_backend(threads=1)
    from kerasac.models import feed

    spec = output("x", flank=500, aggregate="sum")
    assert np.asarray(feed.derive(spec, np.full((1, 1, 1_000), 255, dtype=np.uint8))).item() == 255_000


def test_each_input_and_output_is_fed_from_its_own_group() -> None:
    prepare_backend(threads=1)
    from kerasac.models.feed import fed

    sequence = TrackSpec(name="sequence", source=("seq",), flank=8)
    control = TrackSpec(name="control", source=("c",), flank=2)
    recipe = Recipe(
        (sequence, control),
        (output("profile"), output("narrow", flank=2), output("total", aggregate="sum")),
        {"control": "controls", "profile": "cuts", "narrow": "cuts", "total": "cuts"},
    )
    tokens = np.arange(16, dtype=np.uint8)[None] % 5
    controls = np.arange(8, dtype=np.uint16).reshape(1, 1, 8)
    inputs, outputs = fed(recipe, {"sequence": tokens, "controls": controls, "cuts": COUNTS[1:2]})
    np.testing.assert_array_equal(inputs["sequence"], tokens)
    np.testing.assert_array_equal(inputs["control"], [[[2], [3], [4], [5]]])
    np.testing.assert_array_equal(outputs["profile"], COUNTS[1:2].swapaxes(1, 2))
    np.testing.assert_array_equal(outputs["narrow"], COUNTS[1:2, :, 4:8].swapaxes(1, 2))
    np.testing.assert_array_equal(outputs["total"], COUNTS[1:2].sum(axis=2))


def test_model_in_training_shares_weights_with_the_one_that_is_saved() -> None:
    prepare_backend(threads=1)
    import keras
    import tensorflow as tf

    from kerasac.models.feed import FedModel

    tokens = keras.Input((16,), dtype="uint8", name="sequence")
    counts = keras.layers.Dense(2, name="total")(keras.ops.cast(tokens, "float32"))
    model = keras.Model({"sequence": tokens}, {"total": counts})
    sequence = TrackSpec(name="sequence", source=("seq",), flank=8)
    fed_model = FedModel(model, Recipe((sequence,), (output("total", aggregate="sum"),), {"total": "cuts"}))
    fed_model.compile("sgd", {"total": "mse"})
    raw = {"sequence": np.ones((5, 16), np.uint8), "cuts": COUNTS}
    before = [weight.copy() for weight in model.get_weights()]
    fed_model.fit(tf.data.Dataset.from_tensors(raw), verbose=0)
    assert any((one != other).any() for one, other in zip(before, model.get_weights(), strict=True))
    loss = fed_model.evaluate(tf.data.Dataset.from_tensors(raw), verbose=0)
    predicted = model.predict({"sequence": raw["sequence"]}, verbose=0)["total"]
    assert loss == pytest.approx(((predicted - COUNTS.sum(axis=2)) ** 2).mean(), rel=1e-5)
