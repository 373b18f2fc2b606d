from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasac.errors import ModelError
from kerasac.models.backend import prepare_backend
from kerasac.models.basset_parameters import BassetParameters
from kerasac.models.contract import Contract, Port

SMALL = BassetParameters(filters=(6, 5), kernels=(7, 3), pools=(2, 4), dense=(8,))
TASKS = ("K562", "GM12878")
SEQUENCE = Port("sequence", "sequence", 60, 4)
GC = Port("gc", "values", 0, 1, ("gc",))
LABELS = Port("labels", "classification", 0, 2, TASKS)


@pytest.fixture(scope="module")
def keras() -> Any:
    prepare_backend(threads=1)
    import keras

    keras.utils.set_random_seed(1)
    return keras


def build(contract: Contract, parameters: BassetParameters = SMALL) -> Any:
    from kerasac.models.basset import build_basset

    parameters.check(contract)
    return build_basset(contract, parameters)


def inputs_for(contract: Contract, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        port.name: rng.integers(0, 5, (n, port.width_bp)).astype(np.uint8)
        if port.role == "sequence"
        else rng.random((n, port.n_tracks)).astype(np.float32)
        for port in contract.inputs
    }


# What can be built.


def receptive_field(parameters: BassetParameters) -> int:
    """First and last base that the first position after the last pooling sees, followed back block by block."""
    first, last = 0, 0
    for kernel, pool in list(zip(parameters.kernels, parameters.pools, strict=True))[::-1]:
        first, last = first * pool, last * pool + pool - 1 + kernel - 1
    return last - first + 1


blocks = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), min_size=1, max_size=4)


@st.composite
def parameters(draw: st.DrawFn) -> BassetParameters:
    kernels, pools = zip(*draw(blocks), strict=True)
    padding = draw(st.sampled_from(["valid", "same"]))
    return BassetParameters(filters=(2,) * len(kernels), kernels=kernels, pools=pools, padding=padding)


def test_sizes_of_kerasacs_basset() -> None:
    # 1000 -> 982 -> 327 -> 317 -> 79 -> 73 -> 18, and with padding 1000 -> 333 -> 83 -> 20.
    assert BassetParameters().positions(1000) == 18
    assert BassetParameters(padding="same").positions(1000) == 20
    assert BassetParameters().receptive_bp == 168


@given(parameters())
def test_receptive_field_is_what_the_layers_see(made: BassetParameters) -> None:
    assert made.receptive_bp == receptive_field(made)


@given(parameters())
def test_minimum_is_the_narrowest_window_that_leaves_a_position(made: BassetParameters) -> None:
    assert (made.positions(made.minimum_bp - 1), made.positions(made.minimum_bp)) == (0, 1)


def test_flank_in_the_error_is_the_smallest_that_works() -> None:
    with pytest.raises(ModelError, match="input sequence of 60 bases is too short for kernels 19, 11, 7") as caught:
        BassetParameters().check(Contract((SEQUENCE,), (LABELS,)))
    found = re.search(r"which need 168; set its flank to at least (\d+)", str(caught.value))
    assert found is not None
    for flank, fits in ((int(found[1]), True), (int(found[1]) - 1, False)):
        contract = Contract((replace(SEQUENCE, width_bp=2 * flank),), (LABELS,))
        if fits:
            BassetParameters().check(contract)
        else:
            with pytest.raises(ModelError, match="too short"):
                BassetParameters().check(contract)


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        (Contract((GC,), (LABELS,)), "basset needs an input with 'source: seq'"),
        (Contract((SEQUENCE, GC, replace(GC, name="at")), (LABELS,)), r"2 of role values \(gc and at\)"),
        (
            Contract((SEQUENCE, Port("control", "profile", 20, 1)), (LABELS,)),
            "input control is profile of tracks; basset takes the sequence and values of bins",
        ),
        (
            Contract((SEQUENCE,), (Port("profile", "profile", 20, 1), Port("logcount", "counts", 20, 1))),
            r"basset has one output.*outputs has profile \(profile\), logcount \(counts\)",
        ),
        (Contract((SEQUENCE,), (LABELS, replace(LABELS, name="more"))), r"outputs has labels \(classification\), more"),
    ],
)
def test_contract_that_basset_cannot_fulfil_is_refused(contract: Contract, expected: str) -> None:
    with pytest.raises(ModelError, match=expected):
        SMALL.check(contract)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"filters": (300, 200)}, "model.filters has 2 numbers, model.kernels 3 and model.pools 3"),
        ({"filters": (), "kernels": (), "pools": ()}, "model.filters has 0 numbers"),
        ({"pools": (3, 0, 4)}, "model.pools has 0; it is a list of whole numbers from 1 up"),
        ({"kernels": (19, 11.0, 7)}, "model.kernels has 11.0; it is"),
        ({"dense": ("1000",)}, "model.dense has '1000'; it is"),
        ({"dropout": 1.0}, "model.dropout is 1.0; it must be in 0"),
        ({"norm_momentum": 1.0}, "model.norm_momentum is 1.0; it must be in 0"),
        ({"padding": "vaild"}, "model.padding is 'vaild'; did you mean 'valid'?"),
        ({"layout": "3d"}, "model.layout is '3d'; known: 1d, 2d"),
    ],
)
def test_wrong_parameter_is_named(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(ModelError, match=re.escape(expected)):
        BassetParameters(**values)


def test_parameters_load_no_keras() -> None:
    script = "import sys, kerasac.models.basset_parameters\nassert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


# What is built.


@pytest.mark.keras
@pytest.mark.parametrize("layout", ["1d", "2d"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("role", "n_tasks"), [("classification", 2), ("regression", 1)])
@pytest.mark.parametrize("values", [0, 3])
def test_output_has_one_value_a_task(
    keras: Any, layout: str, padding: str, role: Any, n_tasks: int, values: int
) -> None:
    inputs = (SEQUENCE, replace(GC, n_tracks=values)) if values else (SEQUENCE,)
    contract = Contract(inputs, (replace(LABELS, role=role, n_tracks=n_tasks),))
    model = build(contract, replace(SMALL, layout=layout, padding=padding))
    predicted = model(inputs_for(contract, 3))
    assert {name: tuple(value.shape) for name, value in predicted.items()} == {"labels": (3, n_tasks)}
    assert str(predicted["labels"].dtype) == "<dtype: 'float32'>"
    assert model.get_layer("flatten").output.shape == (None, 5 * SMALL_POSITIONS[padding])


SMALL_POSITIONS = {"valid": 6, "same": 7}  # 60 -> 54 -> 27 -> 25 -> 6, and 60 -> 30 -> 7


@pytest.mark.keras
def test_default_has_the_layers_of_kerasacs_basset(keras: Any) -> None:
    model = build(Contract((replace(SEQUENCE, width_bp=1000),), (LABELS,)), BassetParameters())
    weights = {weight.path: tuple(weight.shape) for weight in model.trainable_weights if "norm" not in weight.path}
    assert {name: shape for name, shape in weights.items() if name.endswith("kernel")} == {
        "conv_1/kernel": (19, 4, 300),
        "conv_2/kernel": (11, 300, 200),
        "conv_3/kernel": (7, 200, 200),
        "dense_1/kernel": (3600, 1000),
        "dense_2/kernel": (1000, 1000),
        "labels_logits/kernel": (1000, 2),
    }
    assert [layer.rate for layer in model.layers if "dropout" in layer.name] == [0.3, 0.3]
    assert sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers) == 5


@pytest.mark.keras
def test_narrowest_window_that_passes_the_check_builds(keras: Any) -> None:
    narrowest = Contract((replace(SEQUENCE, width_bp=SMALL.minimum_bp),), (LABELS,))
    assert build(narrowest).get_layer("flatten").output.shape == (None, 5)


@pytest.mark.keras
def test_layouts_are_the_same_model(keras: Any) -> None:
    contract = Contract((GC, SEQUENCE), (LABELS,))
    flat, square = build(contract), build(contract, replace(SMALL, layout="2d"))
    pairs = zip(flat.get_weights(), square.weights, strict=True)
    square.set_weights([weight.reshape(tuple(like.shape)) for weight, like in pairs])
    given = inputs_for(contract, 5)
    np.testing.assert_allclose(square(given)["labels"], flat(given)["labels"], rtol=1e-5)


@pytest.mark.keras
def test_classification_is_the_sigmoid_of_the_layer_before(keras: Any) -> None:
    contract = Contract((SEQUENCE,), (LABELS,))
    model = build(contract)
    logits = keras.Model(model.input, model.layers[-2].output)(inputs_for(contract, 5))
    assert model.layers[-2].name == "labels_logits"
    np.testing.assert_allclose(model(inputs_for(contract, 5))["labels"], 1 / (1 + np.exp(-logits)), rtol=1e-5)


@pytest.mark.keras
def test_output_stays_float32_in_mixed_precision(keras: Any) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(Contract((SEQUENCE, GC), (LABELS,)))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("conv_1").compute_dtype == "bfloat16"
    assert model.output["labels"].dtype == "float32"


@pytest.mark.keras
def test_values_add_to_each_logit_in_proportion(keras: Any) -> None:
    contract = Contract((SEQUENCE, GC), (replace(LABELS, role="regression"),))
    model = build(contract)
    given = inputs_for(contract, 4)
    at = [np.asarray(model({**given, "gc": 0 * given["gc"] + gc})["labels"]) for gc in (0, 1, 2)]
    np.testing.assert_allclose(at[2] - at[1], at[1] - at[0], atol=1e-6)
    np.testing.assert_allclose(at[1] - at[0], np.tile(model.get_layer("labels").kernel[-1], (4, 1)), atol=1e-6)


@pytest.mark.keras
@pytest.mark.parametrize("role", ["classification", "regression"])
def test_saved_model_predicts_the_same(keras: Any, tmp_path: Path, role: Any) -> None:
    from kerasac.models.checkpoint import load_model, save_model

    contract = Contract((GC, SEQUENCE), (replace(LABELS, role=role),))
    model = build(contract, replace(SMALL, layout="2d"))
    save_model(model, tmp_path / "model.keras")
    given = inputs_for(contract, 4)
    again = load_model(tmp_path / "model.keras").predict(given, verbose=0)
    np.testing.assert_array_equal(again["labels"], model.predict(given, verbose=0)["labels"])


@pytest.mark.keras
def test_saturated_model_still_learns(keras: Any) -> None:
    # Of the probability e^-200, which is 0 in float32, the loss could not tell in which direction to go.
    from kerasac.models.masked_losses import masked

    contract = Contract((SEQUENCE,), (LABELS,))
    model = build(contract)
    bias = model.get_layer("labels_logits").bias
    bias.assign([-200.0, -200.0])
    model.compile(keras.optimizers.SGD(1.0), {"labels": masked("crossentropy")})
    model.fit(inputs_for(contract, 4), {"labels": np.ones((4, 2), dtype=np.float32)}, batch_size=4, verbose=0)
    np.testing.assert_allclose(np.asarray(bias), [-199.5, -199.5])


@pytest.mark.keras
@pytest.mark.parametrize("role", ["classification", "regression"])
def test_learns_which_motif_each_task_has_from_labels_with_gaps(keras: Any, role: Any) -> None:
    from kerasac.models.masked_losses import masked

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    contract = Contract((SEQUENCE,), (replace(LABELS, role=role),))
    tokens = rng.integers(0, 4, (1_000, 60)).astype(np.uint8)
    present = rng.random((1_000, 2)) < 0.5
    tokens[present[:, 0], 10:17] = [0, 1, 2, 3, 2, 1, 0]
    tokens[present[:, 1], 40:47] = [3, 3, 1, 0, 2, 2, 1]
    labels = present.astype(np.float32)
    labels[rng.random((1_000, 2)) < 0.2] = np.nan
    model = build(contract)
    loss = masked("crossentropy" if role == "classification" else "mse")
    model.compile(keras.optimizers.Adam(0.01), {"labels": loss})
    history = model.fit({"sequence": tokens[:800]}, {"labels": labels[:800]}, epochs=8, batch_size=32, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    held_out = model.predict({"sequence": tokens[800:]}, verbose=0)["labels"]
    assert ((held_out > 0.5) == present[800:]).mean(axis=0).min() > 0.9
