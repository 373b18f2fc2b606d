"""What every architecture must do; so far there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerasac.config import TrainingSpec
from kerasac.models.backend import prepare_backend
from kerasac.models.contract import Contract, Port
from kerasac.models.registry import BPNetParameters, build_model
from kerasac.sampling.batches import Batch

pytestmark = pytest.mark.keras

SMALL = BPNetParameters(filters=8, dilated_layers=2, first_kernel=7, profile_kernel=5)


@pytest.fixture(scope="module")
def keras() -> Any:
    prepare_backend(threads=1)
    import keras

    keras.utils.set_random_seed(1)
    return keras


def contract(*, width: int = 60, out: int = 20, tasks: int = 2, controls: bool = False) -> Contract:
    inputs = [Port("sequence", "sequence", width, 4)]
    if controls:
        inputs += [Port("control_profile", "profile", out, tasks), Port("control_logcount", "counts", out, tasks)]
    names = tuple(f"task{i}" for i in range(tasks))
    outputs = (Port("profile", "profile", out, tasks, names), Port("logcount", "counts", out, tasks, names))
    return Contract(tuple(inputs), outputs)


def inputs_for(contract: Contract, n: int, rng: np.random.Generator) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for port in contract.inputs:
        if port.role == "sequence":
            made[port.name] = rng.integers(0, 5, (n, port.width_bp)).astype(np.uint8)
        else:
            shape = (n, port.width_bp, port.n_tracks) if port.role == "profile" else (n, port.n_tracks)
            made[port.name] = rng.poisson(2.0, shape).astype(np.float32)
    return made


@pytest.mark.parametrize("controls", [False, True])
@pytest.mark.parametrize(("width", "out", "tasks"), [(60, 20, 2), (101, 33, 1)])
def test_outputs_have_the_contracts_shapes(keras: Any, width: int, out: int, tasks: int, controls: bool) -> None:
    asked = contract(width=width, out=out, tasks=tasks, controls=controls)
    predicted = build_model("bpnet", asked, SMALL)(inputs_for(asked, 3, np.random.default_rng(0)))
    assert predicted["profile"].shape == (3, out, tasks)
    assert predicted["logcount"].shape == (3, tasks)
    assert {str(value.dtype) for value in predicted.values()} == {"<dtype: 'float32'>"}


def test_narrowest_input_that_passes_the_check_builds(keras: Any) -> None:
    narrowest = contract(width=20 + SMALL.loss_bp)
    assert build_model("bpnet", narrowest, SMALL).output["profile"].shape == (None, 20, 2)


def test_unknown_bases_are_no_base(keras: Any) -> None:
    from kerasac.models.layers import OneHotDNA

    encoded = np.asarray(OneHotDNA()(np.array([[0, 1, 2, 3, 4]], dtype=np.uint8)))
    np.testing.assert_array_equal(encoded[0], np.vstack([np.eye(4), np.zeros(4)]))


def test_controls_change_the_predictions(keras: Any) -> None:
    asked = contract(controls=True)
    model = build_model("bpnet", asked, SMALL)
    given = inputs_for(asked, 4, np.random.default_rng(0))
    without = {
        **given,
        "control_profile": 0 * given["control_profile"],
        "control_logcount": 0 * given["control_logcount"],
    }
    for name, value in model.predict(given, verbose=0).items():
        assert not np.allclose(value, model.predict(without, verbose=0)[name]), name


def test_multinomial_loss_equals_its_formula(keras: Any) -> None:
    from kerasac.models.losses import MultinomialNLL

    rng = np.random.default_rng(0)
    counts, logits = rng.poisson(3.0, (4, 10, 2)).astype(np.float32), rng.normal(size=(4, 10, 2)).astype(np.float32)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -(counts * np.log(probability)).sum(axis=(1, 2)).mean()
    assert float(MultinomialNLL()(counts, logits)) == pytest.approx(expected, rel=1e-5)


def test_saved_model_predicts_the_same(keras: Any, tmp_path: Path) -> None:
    from kerasac.models.checkpoint import load_model, save_model

    asked = contract(controls=True)
    model = build_model("bpnet", asked, SMALL)
    save_model(model, tmp_path / "model.keras")
    given = inputs_for(asked, 4, np.random.default_rng(0))
    again = load_model(tmp_path / "model.keras").predict(given, verbose=0)
    for name, value in model.predict(given, verbose=0).items():
        np.testing.assert_array_equal(again[name], value)
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_learns_where_a_motif_is_and_how_many(keras: Any) -> None:
    from kerasac.steps.train import compile_model, start_at_mean

    rng = np.random.default_rng(0)
    asked = contract(tasks=1)
    given = inputs_for(asked, 512, rng)
    present = rng.random(512) < 0.5
    given["sequence"][present, 26:34] = [0, 1, 2, 3, 2, 1, 0, 3]
    profile = (
        rng.poisson(0.2, (512, 20, 1)) + rng.poisson(40.0, (512, 20, 1)) * _bump(6)[:, None] * present[:, None, None]
    )
    wanted = {"profile": profile.astype(np.float32), "logcount": np.log1p(profile.sum(axis=1)).astype(np.float32)}
    model = build_model("bpnet", asked, SMALL)
    compile_model(model, asked, TrainingSpec(learning_rate=0.01), {"profile": 1.0, "logcount": 20.0})
    start_at_mean(model, asked, Batch(given, wanted))
    model.fit(given, wanted, epochs=25, batch_size=32, verbose=0)
    predicted = model.predict(given, verbose=0)
    assert np.corrcoef(predicted["logcount"][:, 0], wanted["logcount"][:, 0])[0, 1] > 0.9
    assert (predicted["profile"][present, :, 0].argmax(axis=1) == 6).mean() > 0.9


def _bump(position: int) -> Any:
    return np.eye(20)[position]
