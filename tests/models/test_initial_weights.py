from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerasac.errors import ModelError
from kerasac.models.backend import prepare_backend
from kerasac.models.contract import Contract, Port
from kerasac.models.registry import build_model, read_parameters

pytestmark = pytest.mark.keras

SMALL = {"filters": [3], "kernels": [5], "pools": [4], "dense": [6], "padding": "same"}
CONTRACT = Contract((Port("sequence", "sequence", 20, 4),), (Port("labels", "regression", 0, 2),))


def published(folder: Path, **changes: Any) -> str:
    rng = np.random.default_rng(0)
    arrays = {
        "0.Conv/weights:0": rng.normal(size=(1, 5, 4, 3)),
        "1.BatchNorm/beta:0": rng.normal(size=3),
        "2.BatchNorm/gamma:0": rng.normal(size=3),
        "9.fc0/fully_connected/weights:0": rng.normal(size=(15, 6)),
        "10.fc0/BatchNorm/beta:0": rng.normal(size=6),
        "11.fc0/BatchNorm/gamma:0": rng.normal(size=6),
    }
    np.savez(folder / "basset.npz", **(arrays | changes))
    return str(folder / "basset.npz")


def build(path: str, **changes: Any) -> Any:
    prepare_backend(threads=1)
    parameters = read_parameters("basset", SMALL | changes | {"initial_weights": path})
    return build_model("basset", CONTRACT, parameters)


@pytest.mark.parametrize("layout", ["1d", "2d"])
def test_published_arrays_are_the_first_weights(tmp_path: Path, layout: str) -> None:
    path = published(tmp_path)
    model, arrays = build(path, layout=layout), np.load(path)
    kernel = np.asarray(model.get_layer("conv_1").kernel)
    np.testing.assert_allclose(kernel.reshape(1, 5, 4, 3), arrays["0.Conv/weights:0"], rtol=1e-6)
    np.testing.assert_allclose(model.get_layer("dense_1_norm").beta, arrays["10.fc0/BatchNorm/beta:0"], rtol=1e-6)


def test_weights_of_another_shape_are_named_with_both(tmp_path: Path) -> None:
    path = published(tmp_path, **{"0.Conv/weights:0": np.zeros((1, 7, 4, 3))})
    with pytest.raises(
        ModelError, match=r"kernel of layer conv_0 .* \(1, 7, 4, 3\), that of the model's conv_1 \(5, 4, 3\)"
    ):
        build(path)


def test_trunk_of_a_saved_model_is_taken_and_its_head_is_not(tmp_path: Path) -> None:
    from kerasac.models.checkpoint import save_model

    first = build(published(tmp_path))
    save_model(first, tmp_path / "first.keras")
    again = build(str(tmp_path / "first.keras"))
    np.testing.assert_array_equal(again.get_layer("dense_1").kernel, first.get_layer("dense_1").kernel)
    assert not np.allclose(again.get_layer("labels").kernel, first.get_layer("labels").kernel)


def test_missing_file_is_named() -> None:
    with pytest.raises(ModelError, match=r"nowhere\.npz does not exist"):
        read_parameters("basset", {"initial_weights": "nowhere.npz"})
