"""Models that Keras 2 saved predict what they did, and code of their files is not run."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kerasac.errors import ModelError
from kerasac.models.backend import prepare_backend

pytestmark = pytest.mark.keras

L, OUT = 60, 20


@pytest.fixture(scope="module")
def load() -> Callable[..., Any]:
    prepare_backend(threads=1)
    from kerasac.models.legacy import load_legacy

    return load_legacy


@pytest.mark.shared
@pytest.mark.parametrize("form", ["hdf5", "arch"])
def test_kerasacs_model_predicts_as_it_did(load: Any, shared_dir: Path, tmp_path: Path, form: str) -> None:
    folder = shared_dir / "reference"
    model = load(folder / f"legacy_chipseq.{form}")
    with np.load(folder / "legacy_chipseq.io.npz") as io:
        inputs, expected = [io[f"x_{i}"] for i in range(3)], [io["pred_0"], io["pred_1"]]
    model.save(tmp_path / "new.keras")
    plain = [sys.executable, "-c", PLAIN, str(tmp_path / "new.keras"), str(folder / "legacy_chipseq.io.npz")]
    found = model.predict(inputs, verbose=0)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    if form == "hdf5":
        subprocess.run(plain, check=True, capture_output=True)


PLAIN = """
import sys, numpy as np, keras
model = keras.models.load_model(sys.argv[1], compile=False)
assert not any(name.startswith("kerasac") for name in sys.modules)
io = np.load(sys.argv[2])
for one, other in zip(model.predict([io["x_0"], io["x_1"], io["x_2"]], verbose=0), (io["pred_0"], io["pred_1"])):
    np.testing.assert_allclose(one, other, atol=1e-5)
"""


def node(*names: str, output: int = 0) -> list[Any]:
    return [[[name, 0, output, {}] for name in names]]


def layer(kind: str, name: str, inbound: list[Any], **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": inbound}


def small_model(name: str, inner: str) -> dict[str, Any]:
    """A model of chrombpnet's form: a convolution, a cropped and flattened profile, and log counts."""
    layers = [
        layer("InputLayer", "sequence", [], batch_input_shape=[None, L, 4], dtype="float32", sparse=False),
        layer(
            "Conv1D", f"{inner}_conv", node("sequence"), filters=3, kernel_size=[5], activation="relu", padding="valid"
        ),
        layer("Conv1D", f"{inner}_prof", node(f"{inner}_conv"), filters=1, kernel_size=[7], padding="valid"),
        layer("Cropping1D", f"{inner}_crop", node(f"{inner}_prof"), cropping=[15, 15]),
        layer("Flatten", f"{inner}_profile", node(f"{inner}_crop")),
        layer("GlobalAveragePooling1D", "gap", node(f"{inner}_conv")),
        layer("Dense", f"{inner}_counts", node("gap"), units=1, activation="linear"),
    ]
    ends = {
        "input_layers": [["sequence", 0, 0]],
        "output_layers": [[f"{inner}_profile", 0, 0], [f"{inner}_counts", 0, 0]],
    }
    return {"class_name": "Functional", "config": {"name": name, "layers": layers, **ends}}


# Bytes as a Lambda's: they would be unmarshalled and run; the name of what it calls is readable in them.
CODE = base64.b64encode(b"\xe3\x01\x00\x00\x00\xda\x04math\xda\x10reduce_logsumexp").decode()


def chrombpnet_config(code: str = CODE) -> dict[str, Any]:
    def nested(name: str, inner: str) -> dict[str, Any]:
        return {**small_model(name, inner), "name": name, "inbound_nodes": node("sequence")}

    # Keras 2 counts the making of a nested model as its call 0, so that the first use is call 1.
    both = [[["model_wo_bias", 1, 1, {}], ["bias_model", 1, 1, {}]]]
    layers = [
        layer("InputLayer", "sequence", [], batch_input_shape=[None, L, 4]),
        nested("bias_model", "bpnet"),
        nested("model_wo_bias", "wo_bias_bpnet"),
        layer("Concatenate", "concatenate", both, axis=-1),
        layer("Add", "logits_profile_predictions", [[["model_wo_bias", 1, 0, {}], ["bias_model", 1, 0, {}]]]),
        layer(
            "Lambda", "logcount_predictions", node("concatenate"), function=[code, None, None], function_type="lambda"
        ),
    ]
    ends = {
        "input_layers": [["sequence", 0, 0]],
        "output_layers": [["logits_profile_predictions", 0, 0], ["logcount_predictions", 0, 0]],
    }
    return {"class_name": "Functional", "config": {"name": "model", "layers": layers, **ends}}


def random_weights(inner: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {f"{inner}_conv": (5, 4, 3), f"{inner}_prof": (7, 3, 1), f"{inner}_counts": (3, 1)}
    made = {}
    for name, shape in shapes.items():
        made[f"{name}/kernel:0"] = rng.normal(size=shape).astype(np.float32)
        made[f"{name}/bias:0"] = rng.normal(size=shape[-1:]).astype(np.float32)
    return made


def write_model(path: Path, config: dict[str, Any], weights: dict[str, dict[str, np.ndarray]]) -> Path:
    """Write a file as Keras 2 does."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.8.0"
        file.attrs["training_config"] = json.dumps({"loss": ["multinomial_nll", "mse"]})
        group = file.create_group("model_weights")
        names = [one["config"]["name"] for one in config["config"]["layers"]]
        group.attrs["layer_names"] = [name.encode() for name in names]
        for name in names:
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [weight.encode() for weight in weights.get(name, {})]
            for weight, values in weights.get(name, {}).items():
                inner[weight] = values
    return path


def expected_of(weights: dict[str, np.ndarray], inner: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    def convolved(values: np.ndarray, name: str) -> np.ndarray:
        kernel = weights[f"{name}/kernel:0"]
        windows = np.lib.stride_tricks.sliding_window_view(values, len(kernel), axis=1)  # (n, L', C, K)
        return np.einsum("nlck,kcf->nlf", windows, kernel) + weights[f"{name}/bias:0"]

    features = np.maximum(convolved(x, f"{inner}_conv"), 0)
    profile = convolved(features, f"{inner}_prof")[:, 15:-15, 0]
    counts = features.mean(axis=1) @ weights[f"{inner}_counts/kernel:0"] + weights[f"{inner}_counts/bias:0"]
    return profile, counts


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict[str, dict[str, np.ndarray]]]:
    rng = np.random.default_rng(0)
    weights = {"bias_model": random_weights("bpnet", rng), "model_wo_bias": random_weights("wo_bias_bpnet", rng)}
    return write_model(tmp_path / "chrombpnet.h5", chrombpnet_config(), weights), weights


def test_chrombpnets_model_is_rebuilt(load: Any, saved: Any) -> None:
    path, weights = saved
    x = np.eye(4, dtype=np.float32)[np.random.default_rng(1).integers(0, 4, (5, L))]
    profile, counts = load(path).predict(x, verbose=0)
    bias = expected_of(weights["bias_model"], "bpnet", x)
    rest = expected_of(weights["model_wo_bias"], "wo_bias_bpnet", x)
    np.testing.assert_allclose(profile, bias[0] + rest[0], atol=1e-4)
    np.testing.assert_allclose(counts, np.logaddexp(bias[1], rest[1]), atol=1e-4)


def test_the_output_of_the_lambda_keeps_its_name(load: Any, saved: Any) -> None:
    assert load(saved[0]).output_names == ["logits_profile_predictions", "logcount_predictions"]


def test_saved_again_it_is_plain_keras(load: Any, saved: Any, tmp_path: Path) -> None:
    model = load(saved[0])
    model.save(tmp_path / "new.keras")
    script = "import sys, keras; keras.models.load_model(sys.argv[1], compile=False).summary()"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "new.keras")], check=True, capture_output=True)


def test_code_of_the_file_is_not_run(load: Any, tmp_path: Path) -> None:
    import marshal

    ran = tmp_path / "ran"
    evil = compile(f"(lambda x: open({str(ran)!r}, 'w'))(0)", "evil", "eval")
    code = base64.b64encode(marshal.dumps(evil)).decode()
    path = write_model(tmp_path / "evil.h5", chrombpnet_config(code), {})
    with pytest.raises(ModelError, match="layer logcount_predictions is a Lambda: code of the file, which is not run"):
        load(path)
    also = base64.b64encode(marshal.dumps(evil) + b"reduce_logsumexp").decode()
    rng = np.random.default_rng(0)
    weights = {"bias_model": random_weights("bpnet", rng), "model_wo_bias": random_weights("wo_bias_bpnet", rng)}
    load(write_model(tmp_path / "also.h5", chrombpnet_config(also), weights)).predict(np.zeros((1, L, 4)), verbose=0)
    assert not ran.exists()


def dense_model(name: str, activation: str) -> dict[str, Any]:
    layers = [
        layer("InputLayer", name, [], batch_input_shape=[None, 2]),
        layer("Dense", "dense", node(name), units=1, activation=activation, use_bias=False),
    ]
    ends = {"input_layers": [[name, 0, 0]], "output_layers": [["dense", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}


def test_names_with_a_slash_and_variables_of_another_scope_are_read(load: Any, tmp_path: Path) -> None:
    weights = {"dense": {"dense_1/kernel:0": np.array([[2.0], [3.0]])}}
    model = load(write_model(tmp_path / "m.h5", dense_model("data/genome_data_dir", "linear"), weights))
    assert [tensor.name for tensor in model.inputs] == ["data_genome_data_dir"]
    assert model.predict(np.array([[1.0, 1.0]]), verbose=0).tolist() == [[5.0]]


def test_an_activation_that_keras_3_computes_otherwise_is_refused(load: Any, tmp_path: Path) -> None:
    weights = {"dense": {"dense/kernel:0": np.ones((2, 1))}}
    with pytest.raises(ModelError, match="layer dense has activation 'hard_sigmoid'"):
        load(write_model(tmp_path / "m.h5", dense_model("a", "hard_sigmoid"), weights))


def without(weights: Any, layer: str, name: str) -> Any:
    return {**weights, layer: {key: value for key, value in weights[layer].items() if key != name}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: without(w, "bias_model", "bpnet_conv/bias:0"), "has no weights bias of layer bpnet_conv"),
        (
            lambda w: {**w, "bias_model": {**w["bias_model"], "bpnet_prof/kernel:0": np.zeros((9, 3, 1))}},
            r"kernel of layer bpnet_prof has shape \(9, 3, 1\) in the weights, \(7, 3, 1\) in the architecture",
        ),
    ],
)
def test_weights_that_do_not_fit_name_layer_and_shapes(
    load: Any, saved: Any, tmp_path: Path, change: Any, said: str
) -> None:
    path = write_model(tmp_path / "changed.h5", chrombpnet_config(), change(saved[1]))
    with pytest.raises(ModelError, match=said):
        load(path)


def changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    config = small_model("model", "bpnet")
    change(config)
    return config


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            changed(lambda c: c["config"]["layers"][4].update(class_name="MyLayer")),
            "layer bpnet_profile is of class MyLayer, which is not known here, and code of the file is not run",
        ),
        (
            changed(lambda c: c["config"]["layers"][1]["config"].update(activation="my_function")),
            "layer bpnet_conv has activation 'my_function'",
        ),
        (
            changed(lambda c: c["config"]["layers"][1]["config"].update(data_format="channels_first")),
            "layer bpnet_conv has data_format channels_first",
        ),
        (
            changed(lambda c: c["config"]["layers"][3].update(inbound_nodes=node("nowhere"))),
            "layer bpnet_crop has an input that no layer gives",
        ),
        ({"class_name": "MyModel", "config": {"layers": []}}, "MyModel is no model that can be rebuilt"),
    ],
)
def test_what_cannot_be_rebuilt_is_named(load: Any, tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load(write_model(tmp_path / "model.h5", config, {}))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.h5", None, "does not exist"),
        ("model.h5", b"not hdf5", "is neither HDF5 nor JSON"),
        ("model.arch", b"\xff\xfe", "is neither HDF5 nor JSON"),
        ("model.arch", b"[1]", "describes no model"),
        ("model.arch", b'{"class_name": "Model", "config": {}}', "its weights .*model.weights do not exist"),
    ],
)
def test_file_that_is_no_model_is_named(load: Any, tmp_path: Path, name: str, content: Any, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=said):
        load(tmp_path / name)


def test_weights_alone_are_said_to_be(load: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "only.h5", "w") as file:
        file.attrs["layer_names"] = [b"a"]
        file.create_group("a")
    with pytest.raises(ModelError, match="holds weights alone"):
        load(tmp_path / "only.h5")


def test_sequential_model_with_2d_convolutions_and_normalisation(load: Any, tmp_path: Path) -> None:
    """Basset as kerasAC built it at first."""
    rng = np.random.default_rng(0)
    layers = [
        layer(
            "Conv2D", "c", [], filters=2, kernel_size=[1, 3], batch_input_shape=[None, 1, 12, 4], activation="linear"
        ),
        layer("BatchNormalization", "n", [], axis=[3], epsilon=0.001),
        layer("Activation", "a", [], activation="relu"),
        layer("MaxPooling2D", "p", [], pool_size=[1, 2]),
        layer("Flatten", "f", []),
        layer("Dense", "d", [], units=1, activation="sigmoid"),
    ]
    weights = {
        "c": {"c/kernel:0": rng.normal(size=(1, 3, 4, 2)), "c/bias:0": rng.normal(size=2)},
        "n": {f"n/{name}:0": rng.uniform(0.5, 1.5, 2) for name in ("gamma", "beta", "moving_mean", "moving_variance")},
        "d": {"d/kernel:0": rng.normal(size=(10, 1)), "d/bias:0": rng.normal(size=1)},
    }
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    x = rng.normal(size=(3, 1, 12, 4)).astype(np.float32)
    found = load(write_model(tmp_path / "s.hdf5", config, weights)).predict(x, verbose=0)
    windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], 3, axis=1)
    z = np.einsum("nlck,kcf->nlf", windows, weights["c"]["c/kernel:0"][0]) + weights["c"]["c/bias:0"]
    n = {key.split("/")[1][:-2]: values for key, values in weights["n"].items()}
    z = (z - n["moving_mean"]) / np.sqrt(n["moving_variance"] + 0.001) * n["gamma"] + n["beta"]
    z = np.maximum(z, 0).reshape(3, 5, 2, 2).max(axis=2).reshape(3, 10)
    z = z @ weights["d"]["d/kernel:0"] + weights["d"]["d/bias:0"]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-z)), atol=1e-5)


def test_architecture_and_weights_in_two_places(load: Any, saved: Any, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(chrombpnet_config()))
    shutil.copy(saved[0], tmp_path / "w.h5")
    one, other = load(tmp_path / "a.json", tmp_path / "w.h5"), load(saved[0])
    x = np.random.default_rng(0).random((2, L, 4)).astype(np.float32)
    for a, b in zip(one.predict(x, verbose=0), other.predict(x, verbose=0), strict=True):
        np.testing.assert_array_equal(a, b)
