"""What every architecture of the registry must do; an entry without a row here fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kerasac.errors import ModelError
from kerasac.genome.sequence import reverse_complement
from kerasac.models.backend import prepare_backend
from kerasac.models.binned_parameters import BinnedParameters
from kerasac.models.contract import Contract, Port
from kerasac.models.parameters import Parameters
from kerasac.models.profile_parameters import ProfileParameters
from kerasac.models.registry import ARCHITECTURES, build_model, read_parameters

pytestmark = pytest.mark.keras

MOTIF = (0, 1, 2, 3, 2, 1, 0)
POLY_A = (0,) * 10  # for those that learn a motif slowly
WIDTH_BP, PROFILE_BP = 60, 20
N_TRAIN, N_HELD_OUT = 480, 160


class Row(NamedTuple):
    """Parameters of a tiny model, and what it learns: a motif, for so many epochs at this rate."""

    values: dict[str, Any]
    epochs: int = 8
    rate: float = 0.01
    motif: tuple[int, ...] = MOTIF


# All leave no position over when they pool 60 bases, so that both strands are seen alike.
ROWS = {
    "bpnet": Row({"filters": 8, "dilated_layers": 2, "first_kernel": 7, "profile_kernel": 5}),
    "bias": Row({"filters": 8, "dilated_layers": 1, "first_kernel": 7, "profile_kernel": 5}, epochs=15),
    "small_bias": Row({"filters": 4}, epochs=20, rate=0.03),
    "illumina": Row({"filters": 8, "kernels": [5, 3], "dilations": [1, 2]}),
    "spliceai": Row({"filters": 8, "kernels": [7, 3], "dilations": [1, 1]}),
    "basset": Row({"filters": [8, 8], "kernels": [7, 3], "pools": [2, 5], "dense": [8]}),
    "fbasset": Row({"filters": [8, 8, 8], "kernels": [3, 3, 4], "pools": [1, 2, 5], "dense": [8]}),
    "deepsea": Row(
        {"filters": [16, 8], "kernels": [8, 4], "pools": [1, 5], "block_dropout": [0.1, 0.2], "dense": [16]}
    ),
    "tf_chipseq": Row({"filters": [8, 8, 8], "kernels": [7, 5, 3], "pools": [1, 1, 10], "dense": [8]}),
    "resnet": Row(
        {
            "filters": [8, 8, 8],
            "kernels": [7, 0, 1],
            "blocks": [0, 2, 1],
            "inner": [[], [3, 3], [3]],
            "pools": [2, 3, 1],
            "dense": [8],
        }
    ),
    "resnet_simple": Row({"filters": [8], "kernels": [7], "inner": [[3, 3]], "pools": [6], "dense": [8]}),
    "resnet_preactivation": Row(
        {
            "filters": [8, 8],
            "kernels": [7, 0],
            "blocks": [1, 1],
            "inner": [[3, 3], [3]],
            "pools": [2, 3],
            "dense": [8],
        }
    ),
    "battnet": Row({"units": 8, "attention": 8, "dense": [8], "input_dropout": 0.0}, epochs=5, motif=POLY_A),
}

each = pytest.mark.parametrize("name", ARCHITECTURES)


@pytest.fixture(scope="module", autouse=True)
def keras() -> Any:
    prepare_backend(threads=1)
    import keras

    return keras


def tiny(name: str) -> Parameters:
    return read_parameters(name, ROWS[name].values)


def contract_for(parameters: Parameters, *, width: int = WIDTH_BP, more: bool = False) -> Contract:
    """Return inputs and outputs of one task; with ``more`` of two, and further inputs."""
    names = ("one", "two")[: 2 if more else 1]
    sequence = Port("sequence", "sequence", width, 4)
    if isinstance(parameters, BinnedParameters):
        values = (Port("gc", "values", 0, 1, ("gc",)),) if more else ()
        return Contract((sequence, *values), (Port("labels", "classification", 0, len(names), names),))
    pair = (
        Port("profile", "profile", PROFILE_BP, len(names), names),
        Port("logcount", "counts", PROFILE_BP, len(names), names),
    )
    controls = tuple(replace(port, name=f"control_{port.name}") for port in pair) if more else ()
    return Contract((sequence, *controls), pair)


def narrowest(parameters: Parameters) -> int:
    if isinstance(parameters, BinnedParameters):
        return parameters.minimum_bp
    assert isinstance(parameters, ProfileParameters)
    return PROFILE_BP + parameters.loss_bp


def inputs_for(contract: Contract, n: int, *, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        port.name: rng.integers(0, 5, (n, *port.shape)).astype(np.uint8)
        if port.role == "sequence"
        else rng.random((n, *port.shape)).astype(np.float32)
        for port in contract.inputs
    }


class Planted(NamedTuple):
    """Windows of which half have a motif in the middle, and the labels of that."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    present: Any


def planted(contract: Contract, motif: tuple[int, ...]) -> Planted:
    rng = np.random.default_rng(1)
    n = N_TRAIN + N_HELD_OUT
    tokens, present = rng.integers(0, 4, (n, WIDTH_BP)).astype(np.uint8), rng.random(n) < 0.5
    middle = (WIDTH_BP - len(motif)) // 2
    tokens[present, middle : middle + len(motif)] = motif
    if contract.output_of("profile") is None:
        labels = present[:, None].astype(np.float32)
        labels[rng.random(n) < 0.1] = np.nan
        return Planted({"sequence": tokens}, {"labels": labels}, present)
    profile = rng.poisson(0.2, (n, PROFILE_BP, 1)).astype(np.float32)
    profile[present, PROFILE_BP // 2] += 40
    return Planted({"sequence": tokens}, {"profile": profile, "logcount": np.log1p(profile.sum(axis=1))}, present)


class Trained(NamedTuple):
    model: Any
    contract: Contract
    losses: list[float]
    data: Planted

    def held_out(self) -> dict[str, Any]:
        return {name: values[N_TRAIN:] for name, values in self.data.inputs.items()}

    def predictions(self) -> dict[str, Any]:
        found: dict[str, Any] = self.model.predict(self.held_out(), verbose=0)
        return found


@cache
def trained(name: str) -> Trained:
    """Train a tiny model; once, for all tests that look at one."""
    import keras

    from kerasac.models.losses import losses_of

    row, parameters = ROWS[name], tiny(name)
    contract = contract_for(parameters)
    keras.utils.set_random_seed(1)
    model = build_model(name, contract, parameters)
    weights = {port.name: 20.0 if port.role == "counts" else 1.0 for port in contract.outputs}
    model.compile(keras.optimizers.Adam(row.rate), losses_of(contract), loss_weights=weights, jit_compile=False)
    data = planted(contract, row.motif)
    if (counts := contract.output_of("counts")) is not None:
        model.get_layer(counts.name).bias.assign(data.outputs[counts.name].mean(axis=0))  # as training does
    seen = [{name: values[:N_TRAIN] for name, values in arrays.items()} for arrays in (data.inputs, data.outputs)]
    history = model.fit(*seen, epochs=row.epochs, batch_size=16, verbose=0)
    return Trained(model, contract, history.history["loss"], data)


def test_every_architecture_has_a_row() -> None:
    assert ROWS.keys() == ARCHITECTURES.keys()


@each
@pytest.mark.parametrize("more", [False, True])
def test_outputs_have_the_contracts_shapes_in_float32(name: str, more: bool) -> None:
    parameters = tiny(name)
    contract = contract_for(parameters, width=WIDTH_BP if more else narrowest(parameters), more=more)
    predicted = build_model(name, contract, parameters)(inputs_for(contract, 3))
    assert {key: tuple(value.shape) for key, value in predicted.items()} == {
        port.name: (3, *port.shape) for port in contract.outputs
    }
    assert {str(value.dtype) for value in predicted.values()} == {"<dtype: 'float32'>"}


@each
def test_number_of_weights_is_what_the_arithmetic_says(name: str) -> None:
    parameters = tiny(name)
    for contract in (contract_for(parameters), contract_for(parameters, more=True)):
        assert parameters.n_weights(contract) == build_model(name, contract, parameters).count_params()


@pytest.mark.parametrize("name", [name for name in ROWS if narrowest(tiny(name)) > 1])
def test_window_too_narrow_is_refused_with_the_flank_that_would_do(name: str) -> None:
    parameters = tiny(name)
    with pytest.raises(ModelError) as caught:
        parameters.check(contract_for(parameters, width=narrowest(parameters) - 1))
    found = re.search(r"set its flank to at least (\d+)", str(caught.value))
    assert found is not None
    assert int(found[1]) == -(-narrowest(parameters) // 2)


@each
def test_learns_a_planted_motif(name: str) -> None:
    result = trained(name)
    assert np.isfinite(result.losses).all()
    predicted, present = result.predictions(), result.data.present[N_TRAIN:]
    if "labels" in predicted:
        found = predicted["labels"][:, 0] > 0.5
    else:
        counts = result.data.outputs["logcount"]
        found = predicted["logcount"][:, 0] > counts.mean()
        assert np.corrcoef(predicted["logcount"][:, 0], counts[N_TRAIN:, 0])[0, 1] > 0.8
        assert (predicted["profile"][present, :, 0].argmax(axis=1) == PROFILE_BP // 2).mean() > 0.95
    assert (found == present).mean() > 0.9


@each
def test_saved_model_predicts_the_same(name: str, tmp_path: Path) -> None:
    from kerasac.models.checkpoint import load_model, save_model

    result = trained(name)
    save_model(result.model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras").predict(result.held_out(), verbose=0)
    for key, value in result.predictions().items():
        np.testing.assert_array_equal(again[key], value)


# Both strands.
#
# No architecture ties its weights to those of the other strand: training shows it both (sampling.reverse_complement),
# with the tracks of the strands swapped. What an architecture owes is symmetry: for the weights that see the other
# strand, predictions are those of the other strand, mirrored, and nothing is shifted by a base.


@each
def test_mirrored_weights_see_the_other_strand(name: str) -> None:
    result = trained(name)
    mirrored = build_model(name, result.contract, tiny(name))
    for ours, theirs in zip(mirrored.layers, result.model.layers, strict=True):
        ours.set_weights(_mirror(theirs, result.model))
    other_strand = {"sequence": reverse_complement(result.held_out()["sequence"])}
    predicted = mirrored.predict(other_strand, verbose=0)
    for key, value in result.predictions().items():
        expected = value[:, ::-1] if value.ndim == 3 else value
        np.testing.assert_allclose(predicted[key], expected, rtol=1e-3, atol=1e-4)


def _mirror(layer: Any, model: Any) -> list[Any]:
    """Turn kernels around, and bases to their complements where a layer sees them."""
    import keras

    weights = layer.get_weights()
    if isinstance(layer, keras.layers.Conv1D):
        of_bases = layer.input.name == model.get_layer("one_hot").output.name
        return [weights[0][::-1, ::-1] if of_bases else weights[0][::-1], *weights[1:]]
    if isinstance(layer, keras.layers.Bidirectional):
        kernels = [weights[3][::-1], weights[0][::-1]]
        return [kernels[0], *weights[4:], kernels[1], *weights[1:3]]
    if isinstance(layer, keras.layers.Dense) and layer.name in ("attention", "dense_1"):
        return [_mirrored_dense(layer, weights[0], model), *weights[1:]]
    return list(weights)


def _mirrored_dense(layer: Any, kernel: Any, model: Any) -> Any:
    """Turn the positions around that were flattened, or let the two directions of a recurrent layer change places."""
    if any(other.name == "both_directions" for other in model.layers):
        return np.roll(kernel, len(kernel) // 2, axis=0)
    flattened = model.get_layer("flatten").input.shape
    return kernel.reshape(flattened[1], flattened[2], -1)[::-1].reshape(kernel.shape)


# What a base of the profile sees.

profiles = pytest.mark.parametrize("name", [name for name in ARCHITECTURES if ARCHITECTURES[name].kind == "profile"])


@profiles
def test_base_of_the_profile_sees_the_receptive_field(name: str) -> None:
    import tensorflow as tf

    parameters = tiny(name)
    assert isinstance(parameters, ProfileParameters)
    model = build_model(name, contract_for(parameters), parameters)
    model.set_weights([np.full(weight.shape, 0.5) for weight in model.weights])  # nothing cancels, no ReLU is shut
    from_one_hot = _from_one_hot(model)
    with tf.GradientTape() as tape:
        one_hot = tf.one_hot(inputs_for(contract_for(parameters), 1)["sequence"], 4)
        tape.watch(one_hot)
        base = from_one_hot(one_hot)["profile"][0, PROFILE_BP // 2, 0]
    seen = np.flatnonzero(np.abs(tape.gradient(base, one_hot)[0]).sum(axis=1))
    assert seen[-1] - seen[0] + 1 == parameters.receptive_bp


# What DeepSHAP can follow.

# The ops that shap 0.51 has a rule for, and those that can be given one.
SHAP_OPS = """
Identity StridedSlice Squeeze ExpandDims Pack BiasAdd Unpack Add AddV2 Sub Merge Sum Mean Cast Transpose Tile Shape
ZerosLike Reshape Pad ReverseV2 ConcatV2 Conv2D AvgPool FusedBatchNorm Relu Selu Elu Sigmoid Tanh Softplus Exp
ClipByValue Rsqrt Square SquaredDifference Minimum Maximum Mul RealDiv MatMul GatherV2 MaxPool Softmax
"""
ADDED_OPS = "SpaceToBatchND BatchToSpaceND Neg Log LeakyRelu Erf Erfc FusedBatchNormV3 StopGradient"


@each
def test_graph_is_one_that_shap_can_explain_unless_the_registry_says_no(name: str) -> None:
    foreign = set(_varying_ops(_from_one_hot(trained(name).model))) - _explained_ops()
    assert (not foreign) == ARCHITECTURES[name].explainable, foreign


def _explained_ops() -> set[str]:
    try:
        from shap.explainers._deep.deep_tf import op_handlers
    except ImportError:
        return {*SHAP_OPS.split(), *ADDED_OPS.split()}
    return {*op_handlers, *ADDED_OPS.split()}


def _from_one_hot(model: Any) -> Any:
    """Return the model that takes one-hot rows in place of tokens, as explanations do."""
    import keras

    return keras.Model(model.get_layer("one_hot").output, model.output)


def _varying_ops(model: Any) -> Iterator[str]:
    """Yield the types of ops that values pass on their way from the inputs to the outputs."""
    import tensorflow as tf

    given = tf.TensorSpec((2, *model.input.shape[1:]), model.input.dtype)
    graph = tf.function(lambda one_hot: model(one_hot, training=False)).get_concrete_function(given).graph
    starts = [tensor.op for tensor in graph.inputs if tensor.dtype != tf.resource]
    after = _reached(starts, lambda op: [user for out in op.outputs for user in out.consumers()])
    before = _reached([tensor.op for tensor in graph.outputs], lambda op: [tensor.op for tensor in op.inputs])
    yield from (op.type for op in after & before if op.type != "Placeholder")


def _reached(starts: list[Any], step: Callable[[Any], list[Any]]) -> set[Any]:
    """Follow ops, but not past one that looks at shapes only."""
    seen: set[Any] = set()
    waiting = list(starts)
    while waiting:
        op = waiting.pop()
        if op not in seen and op.type != "Shape":
            seen.add(op)
            waiting += step(op)
    return seen
