from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerasac.errors import ModelError
from kerasac.models.contract import Contract, Port
from kerasac.models.export import ExportFormat, export_model

pytestmark = pytest.mark.keras

WIDTH, OUT, TASKS = 60, 20, ("plus", "minus")
CONTRACT = Contract(
    (Port("sequence", "sequence", WIDTH, 4),),
    (Port("profile", "profile", OUT, 2, TASKS), Port("logcount", "counts", OUT, 2, TASKS, "log")),
)
# What a process that has only Keras does with an exported file.
PLAIN = """
import sys, numpy as np, keras
model = keras.models.load_model(sys.argv[1], compile=False)
found = model.predict({"sequence": np.load(sys.argv[2])}, verbose=0)
assert not any(name.split(".")[0] == "kerasac" for name in sys.modules)
np.savez(sys.argv[3], **found)
"""


def bpnet(seed: int = 0) -> Any:
    import keras

    from kerasac.models.registry import build_model, read_parameters

    keras.utils.set_random_seed(seed)
    settings = {"filters": 4, "dilated_layers": 1, "first_kernel": 5, "profile_kernel": 5}
    return build_model("bpnet", CONTRACT, read_parameters("bpnet", settings))


def factorised() -> Any:
    from kerasac.models.bias_factorised import factorised as put_together
    from kerasac.models.bias_factorised import scaled

    return put_together(bpnet(1), scaled(bpnet(2), "logcount", [0.5, -0.5]), CONTRACT, "added")


def saved(model: Any, folder: Path) -> Path:
    from kerasac.models.checkpoint import save_model

    save_model(model, folder / "model.keras")
    return folder / "model.keras"


def tokens(n: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 5, (n, WIDTH)).astype("uint8")


@pytest.mark.slow
@pytest.mark.parametrize("make", [bpnet, factorised])
@pytest.mark.parametrize("one_hot", [False, True])
def test_plain_keras_opens_an_exported_model_that_predicts_the_same(make: Any, one_hot: bool, tmp_path: Path) -> None:
    model = make()
    export_model(saved(model, tmp_path), tmp_path / "new.keras", ExportFormat.KERAS, one_hot=one_hot)
    np.save(tmp_path / "x.npy", np.eye(5, 4, dtype="float32")[tokens()] if one_hot else tokens())
    files = [str(tmp_path / name) for name in ("new.keras", "x.npy", "out.npz")]
    subprocess.run([sys.executable, "-c", PLAIN, *files], check=True, cwd=tmp_path, capture_output=True)
    expected = model.predict({"sequence": tokens()}, verbose=0)
    with np.load(tmp_path / "out.npz") as found:
        for name in ("profile", "logcount"):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)


def test_a_savedmodel_serves_what_the_model_predicts(tmp_path: Path) -> None:
    import tensorflow as tf

    model = factorised()
    export_model(saved(model, tmp_path), tmp_path / "served", ExportFormat.SAVEDMODEL)
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    found, expected = loaded.serve({"sequence": tokens()}), model.predict({"sequence": tokens()}, verbose=0)
    for name in ("profile", "logcount"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)


def test_exported_weights_go_into_a_model_of_the_same_settings(tmp_path: Path) -> None:
    model, other = bpnet(0), bpnet(1)
    export_model(saved(model, tmp_path), tmp_path / "new.weights.h5", ExportFormat.WEIGHTS)
    other.load_weights(tmp_path / "new.weights.h5")
    expected = model.predict({"sequence": tokens()}, verbose=0)
    np.testing.assert_allclose(other.predict({"sequence": tokens()}, verbose=0)["profile"], expected["profile"])


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    path = saved(bpnet(), tmp_path)
    for form in ExportFormat:
        export_model(path, tmp_path / f"new{form.ending}", form)
    assert {one.name for one in tmp_path.iterdir()} == {"model.keras", "new", "new.keras", "new.weights.h5"}


def test_overwrite_replaces_a_savedmodel_and_nothing_else_does(tmp_path: Path) -> None:
    path = saved(bpnet(), tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(ModelError, match="exists; choose another name"):
        export_model(path, tmp_path / "out", ExportFormat.SAVEDMODEL)
    export_model(path, tmp_path / "out", ExportFormat.SAVEDMODEL, overwrite=True)
    assert (tmp_path / "out" / "saved_model.pb").exists()
    assert not (tmp_path / "out" / "mine").exists()


def test_a_layer_that_plain_keras_does_not_have_is_named(tmp_path: Path) -> None:
    import keras

    @keras.saving.register_keras_serializable(package="tests")
    class Doubled(keras.layers.Layer):
        def call(self, tensor: Any) -> Any:
            return 2 * tensor

    inputs = keras.Input((3,), name="x")
    path = saved(keras.Model(inputs, Doubled(name="twice")(inputs)), tmp_path)
    with pytest.raises(ModelError, match=r"layer 'twice' is a .*Doubled, which plain Keras cannot load"):
        export_model(path, tmp_path / "new.keras", ExportFormat.KERAS)
    assert not (tmp_path / "new.keras").exists()
    export_model(path, tmp_path / "served", ExportFormat.SAVEDMODEL)  # the way out that the message names


def test_a_model_that_is_not_functional_is_said(tmp_path: Path) -> None:
    import keras

    chain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="chain")
    with pytest.raises(ModelError, match="model 'chain' cannot be copied layer by layer"):
        export_model(saved(chain, tmp_path), tmp_path / "new.keras", ExportFormat.KERAS)


def test_one_hot_has_to_have_tokens_to_take_the_place_of(tmp_path: Path) -> None:
    export_model(saved(bpnet(), tmp_path), tmp_path / "rows.keras", ExportFormat.KERAS, one_hot=True)
    with pytest.raises(ModelError, match="goes in as one-hot rows already"):
        export_model(tmp_path / "rows.keras", tmp_path / "again.keras", ExportFormat.KERAS, one_hot=True)


@pytest.mark.parametrize(("form", "name"), [(ExportFormat.KERAS, "new.h5"), (ExportFormat.WEIGHTS, "new.h5")])
def test_a_name_has_to_say_what_the_file_is(form: ExportFormat, name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"does not end in {form.ending}"):
        export_model(tmp_path / "model.keras", tmp_path / name, form)


def test_a_copy_that_predicts_otherwise_is_refused() -> None:
    from kerasac.models.plain import checked_difference

    ones = [np.ones((2, 3))]
    assert checked_difference(ones, ones, "new.keras") == 0
    with pytest.raises(ModelError, match="predicts other values"):
        checked_difference(ones, [ones[0] + 1e-3], "new.keras")
    with pytest.raises(ModelError, match="predicts other values"):
        checked_difference(ones, [ones[0] * np.nan], "new.keras")
    with pytest.raises(ModelError, match="other shapes"):
        checked_difference(ones, [np.ones((2, 4))], "new.keras")
