from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kerasac.errors import ModelError
from kerasac.models.backend import prepare_backend
from kerasac.models.contract import Contract, Port
from kerasac.models.registry import BPNetParameters, build_model

pytestmark = pytest.mark.keras

CONTRACT = Contract(
    (Port("sequence", "sequence", 60, 4),),
    (Port("profile", "profile", 10, 1, ("cuts",)), Port("logcount", "counts", 10, 1, ("cuts",))),
)


@pytest.fixture(autouse=True)
def _float32_after() -> Iterator[None]:
    prepare_backend(threads=1)
    import keras

    yield
    keras.config.set_dtype_policy("float32")


def mixed() -> Any:
    from kerasac.models.precision import keep_outputs_float32, use_precision

    use_precision("mixed_bfloat16")
    model = build_model("bpnet", CONTRACT, BPNetParameters(4, 1, 5, 3, 5))
    keep_outputs_float32(model)
    return model


def predicted(model: Any) -> dict[str, np.ndarray]:
    tokens = np.random.default_rng(0).integers(0, 4, (3, 60)).astype(np.uint8)
    return {name: np.asarray(values) for name, values in model({"sequence": tokens}).items()}


def test_outputs_and_weights_are_float32_and_the_trunk_is_not() -> None:
    model = mixed()
    assert {values.dtype for values in predicted(model).values()} == {np.dtype("float32")}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    weighted = [layer for layer in model.layers if layer.weights]
    assert {layer.compute_dtype for layer in weighted} == {"bfloat16", "float32"}
    assert weighted[0].compute_dtype == "bfloat16"


def test_controls_reach_the_outputs_in_float32() -> None:
    """Controls that bfloat16 would round: 1,001 counts, a log count of 7.4321."""
    from kerasac.models.precision import keep_outputs_float32, use_precision

    contract = Contract(
        (
            *CONTRACT.inputs,
            Port("control", "profile", 10, 1, ("control",)),
            Port("control_logcount", "counts", 10, 1, ("control",)),
        ),
        CONTRACT.outputs,
    )
    use_precision("mixed_bfloat16")
    model = build_model("bpnet", contract, BPNetParameters(4, 1, 5, 3, 5))
    keep_outputs_float32(model)
    for name in ("profile", "logcount"):
        kernel, bias = model.get_layer(name).get_weights()
        kernel[:] = 0
        kernel[..., -1, :] = 1  # the control alone
        model.get_layer(name).set_weights([kernel, bias * 0])
    given = {
        "sequence": np.zeros((1, 60), np.uint8),
        "control": np.full((1, 10, 1), 1001, np.float32),
        "control_logcount": np.full((1, 1), 7.4321, np.float32),
    }
    found = model(given)
    assert np.asarray(found["profile"]).max() == np.float32(1001)
    assert np.asarray(found["logcount"]).item() == np.float32(7.4321)


def test_trained_model_is_given_back_in_float32() -> None:
    """It predicts what a float32 model of its weights does, bit for bit, and bfloat16 comes near that."""
    from kerasac.models.precision import back_to_float32

    model = mixed()
    rounded = predicted(model)
    back_to_float32(model)
    exact = predicted(model)
    plain = build_model("bpnet", CONTRACT, BPNetParameters(4, 1, 5, 3, 5))
    plain.set_weights(model.get_weights())
    for name, values in predicted(plain).items():
        np.testing.assert_array_equal(exact[name], values)
        assert 0 < np.abs(rounded[name] - values).max() < 0.1


def test_float16_on_a_cpu_is_refused_with_the_reason() -> None:
    from kerasac.models.precision import use_precision

    with pytest.raises(ModelError, match=r"mixed_float16, which CPUs have no arithmetic for; take mixed_bfloat16"):
        use_precision("mixed_float16")
