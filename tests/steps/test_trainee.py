"""Losses of labels of which some are ambiguous do not depend on how windows are cut into batches and parts."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerasac.config import OutputSpec, TrackSpec, TrainingSpec
from kerasac.models.backend import prepare_backend
from kerasac.models.class_weights import ClassWeights
from kerasac.models.contract import Contract, Port
from kerasac.sampling.batches import Recipe, Signature
from kerasac.steps.history import read_history
from kerasac.steps.trainers import Group, Vector

pytestmark = pytest.mark.keras

N_VALUES = 3
CLASSES = Port("open", "classification", 0, 2, ("a", "b"))
VALUES = Port("signal", "regression", 0, 1, ("c",))
LOSS_WEIGHTS = {"open": 0.7, "signal": 2.0}
WEIGHTS = ClassWeights(np.array([2.0, 3.0]), np.array([5.0, 7.0]))  # w0, w1
OUTPUTS = [(CLASSES,), (VALUES,), (CLASSES, VALUES)]


class Threads(Group):
    """One of several trainers in threads of one process."""

    def __init__(self, rank: int, barrier: threading.Barrier, given: list[Any]) -> None:
        super().__init__(rank, barrier.parties, [])
        self.barrier, self.given = barrier, given

    def sum(self, values: Vector) -> Vector:
        """Add up what all threads give."""
        self.given[self.rank] = values
        self.barrier.wait(timeout=30)
        total = np.sum(self.given, axis=0, dtype=np.float32)
        self.barrier.wait(timeout=30)
        return total


def trainee(ports: Sequence[Port], group: Group | None = None, **spec: Any) -> Any:
    """Return a compiled model of one layer an output; it is the same each time."""
    prepare_backend(threads=1)
    import keras

    from kerasac.models.masked_losses import masked
    from kerasac.steps.train import compile_model
    from kerasac.steps.trainee import Trainee

    keras.utils.set_random_seed(3)
    inputs = keras.Input((N_VALUES,), name="values")
    heads = {
        port.name: keras.layers.Dense(port.n_tracks, activation="sigmoid" if port == CLASSES else None)(inputs)
        for port in ports
    }
    recipe = Recipe(
        (TrackSpec(name="values", source=tuple("xyz"), file=Path("values.tsv")),),
        tuple(OutputSpec(name=port.name, source=port.tasks, kind=port.role) for port in ports),
        {},
    )
    model = Trainee(keras.Model({"values": inputs}, heads), recipe, group)
    known = {"open": masked("crossentropy", classes=WEIGHTS, tasks=[2, 0.5]), "signal": masked("mse")}
    names = [port.name for port in ports]
    compile_model(
        model,
        Contract((Port("values", "values", 0, N_VALUES, tuple("xyz")),), tuple(ports)),
        TrainingSpec(optimizer="sgd", **spec),
        {name: LOSS_WEIGHTS[name] for name in names},
        {name: known[name] for name in names},
    )
    return model


def windows(n: int, *, seed: int = 0) -> dict[str, Any]:
    """Return windows of both outputs, without an ambiguous label."""
    rng = np.random.default_rng(seed)
    return {
        "values": rng.normal(size=(n, N_VALUES)).astype(np.float32),
        "open": rng.integers(0, 2, (n, 2)).astype(np.float32),
        "signal": rng.normal(size=(n, 1)).astype(np.float32),
    }


def ambiguous(raw: dict[str, Any], *, open: slice, signal: slice) -> dict[str, Any]:
    """Take labels of these windows away; of the first task of ``open``."""
    raw["open"][open, 0] = np.nan
    raw["signal"][signal] = np.nan
    return raw


def stepped(model: Any, raw: dict[str, Any]) -> dict[str, Any]:
    """Take a step, and return the loss and all weights."""
    import tensorflow as tf

    model.train_step({name: tf.constant(values) for name, values in raw.items()})
    return {"loss": float(model._loss_tracker.result()), "weights": model.get_weights()}


@pytest.mark.parametrize("ports", OUTPUTS)
@pytest.mark.parametrize(
    "lacking",
    [
        {"open": slice(0, 3), "signal": slice(2, 3)},
        {"open": slice(0, 4), "signal": slice(0, 4)},  # all of the first trainer's of a task, or all of its labels
        {"open": slice(2, 8), "signal": slice(0, 9)},  # all labels of an output
    ],
)
def test_step_of_several_trainers_is_that_of_the_whole_batch(ports: Sequence[Port], lacking: dict[str, slice]) -> None:
    raw = ambiguous(windows(9), **lacking)
    whole = stepped(trainee(ports, learning_rate=0.5), raw)
    barrier, given = threading.Barrier(2), [None, None]
    models = [trainee(ports, Threads(rank, barrier, given), learning_rate=0.5) for rank in range(2)]
    parts = [{name: values[low:high] for name, values in raw.items()} for low, high in ((0, 4), (4, 9))]
    found: list[Any] = [None, None]

    def train(rank: int) -> None:
        found[rank] = stepped(models[rank], parts[rank])

    threads = [threading.Thread(target=train, args=(rank,), daemon=True) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for one in found:
        assert one["loss"] == pytest.approx(whole["loss"], rel=1e-5)
        for weight, expected in zip(one["weights"], whole["weights"], strict=True):
            np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


def mean_losses(model: Any, raw: dict[str, Any]) -> dict[str, float]:
    """Return each output's mean over its labels, worked out at once and by hand."""
    predicted = {name: np.asarray(values) for name, values in model({"values": raw["values"]}).items()}
    found = {}
    if "open" in predicted:
        label, p = raw["open"], predicted["open"]
        terms = -WEIGHTS.w1 * label * np.log(p) - WEIGHTS.w0 * (1 - label) * np.log(1 - p)
        found["open"] = float(np.nanmean(terms * np.array([2, 0.5])))
    if "signal" in predicted:
        found["signal"] = float(np.nanmean((raw["signal"] - predicted["signal"]) ** 2))
    return found


def validated(folder: Path, model: Any, valid: dict[str, Any]) -> dict[str, float]:
    """Train for an epoch that changes nothing, and return its row."""
    from kerasac.steps.train import TrainData, train

    def stream(epochs: Sequence[int]) -> Iterator[dict[str, Any]]:
        yield from (windows(8, seed=epoch) for epoch in epochs)

    signature = {name: Signature(values.shape[1:], values.dtype) for name, values in valid.items()}
    spec = TrainingSpec(optimizer="sgd", epochs=1, learning_rate=1e-30, min_learning_rate=0, warmup_steps=0)
    train(model, TrainData(stream, 1, signature, valid), spec, folder)  # type: ignore[arg-type]
    (row,) = read_history(folder / "history.csv")
    return row


@pytest.mark.parametrize("ports", OUTPUTS)
def test_validation_losses_are_means_over_labels_whatever_the_batches(ports: Sequence[Port], tmp_path: Path) -> None:
    """Of the first batch, of 256 windows, an output has few labels; the last batch has 44 windows."""
    model = trainee(ports)
    valid = ambiguous(windows(300), open=slice(40, 290), signal=slice(10, 256))
    row = validated(tmp_path, model, valid)
    expected = mean_losses(model, valid)
    assert row["val_loss"] == pytest.approx(sum(LOSS_WEIGHTS[name] * loss for name, loss in expected.items()), rel=1e-5)
    names = {f"val_{name}_loss" for name in expected} if len(ports) > 1 else set()
    assert {name for name in row if name.startswith("val_")} == {"val_loss", *names}
    for name in names:
        assert row[name] == pytest.approx(expected[name.split("_")[1]], rel=1e-5)


@pytest.mark.parametrize("ports", OUTPUTS)
def test_validation_loss_without_ambiguous_labels_is_keras_own(ports: Sequence[Port], tmp_path: Path) -> None:
    import tensorflow as tf

    model, valid = trainee(ports), windows(300)
    row = validated(tmp_path, model, valid)
    batches = tf.data.Dataset.from_tensor_slices(valid).batch(256)
    assert row["val_loss"] == pytest.approx(model.evaluate(batches, verbose=0, return_dict=True)["loss"], rel=1e-6)


def test_validation_without_any_label_is_0(tmp_path: Path) -> None:
    valid = ambiguous(windows(300), open=slice(0), signal=slice(None))
    assert validated(tmp_path, trainee((VALUES,)), valid)["val_loss"] == 0
