"""Contributions are shap's own and a float64 reference's, add up, and are what changing bases shows."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
from deeplift_by_hand import BPNetByHand, hypothetical
from models.test_conformance import ROWS, contract_for, inputs_for

from kerasac.errors import ConfigError, ModelError
from kerasac.genome.sequence import one_hot
from kerasac.interpret.heads import Head, Target, heads_of
from kerasac.interpret.references import references_of, window_rng
from kerasac.interpret.settings import Engine, ExplainSettings, Method, ReferenceKind
from kerasac.models.backend import prepare_backend
from kerasac.models.contract import Contract
from kerasac.models.registry import ARCHITECTURES, build_model, read_parameters

pytestmark = pytest.mark.keras

KEYS = [("chr1", 100), ("chr1", 250), ("chr2", 100)]
FAST = ExplainSettings(n_references=4)
SHAP = ExplainSettings(n_references=4, engine=Engine.SHAP)
EXPLAINABLE = [name for name, entry in ARCHITECTURES.items() if entry.explainable]


class Case(NamedTuple):
    model: Any
    contract: Contract
    inputs: dict[str, Any]

    def explain(self, targets: list[Target], settings: ExplainSettings = FAST, **options: Any) -> Any:
        from kerasac.interpret.explain import explainer

        return explainer(self.model, self.contract, targets, settings, **options).explain(self.inputs, KEYS)


@pytest.fixture(scope="module", autouse=True)
def keras() -> Any:
    prepare_backend(threads=1)
    import keras

    return keras


_made: dict[tuple[str, bool], Case] = {}


def case(name: str, *, more: bool = True) -> Case:
    """Return a tiny model with weights as a training leaves them, of two tasks with further inputs, or of one."""
    if (name, more) not in _made:
        parameters = read_parameters(name, ROWS[name].values)
        contract = contract_for(parameters, more=more)
        model = build_model(name, contract, parameters)
        rng = np.random.default_rng(3)
        for weight in model.weights:
            positive = weight.name == "moving_variance"
            # Large enough for contributions to profiles of about 1: where they are small, shap's own rounding shows.
            values = rng.uniform(0.5, 1.5, weight.shape) if positive else rng.normal(0, 0.6, weight.shape)
            weight.assign(values)
        _made[name, more] = Case(model, contract, inputs_for(contract, len(KEYS)))
    return _made[name, more]


def targets(head: Head) -> list[Target]:
    return [Target(head)] if head is Head.PROFILE else [Target(head, 1), Target(head)]


def assert_close(found: Any, expected: Any, relative: float) -> None:
    """Compare with the largest contribution."""
    scale = np.abs(expected).max()
    assert scale > 0
    assert np.abs(found - expected).max() <= relative * scale


@pytest.mark.parametrize("name", EXPLAINABLE)
def test_our_engine_gives_what_shap_does_and_both_add_up(name: str) -> None:
    made = case(name)
    for head in heads_of(made.contract):
        fast, shap = (made.explain(targets(head), settings) for settings in (FAST, SHAP))
        for one, other in zip(fast, shap, strict=True):
            assert_close(one.hypothetical, other.hypothetical, 1e-5)
            assert one.error.max() < 1e-4
            assert other.error.max() < 1e-4


def test_each_architecture_that_is_called_explainable_is() -> None:
    made = case("battnet")
    with pytest.raises(
        ModelError, match="'both_directions' is of type Bidirectional, which has no rule in the fast engi"
    ):
        made.explain([Target(Head.VALUE, 0)])
    with pytest.raises(ModelError, match="shap cannot follow the value head of this model"):
        made.explain([Target(Head.VALUE, 0)], SHAP)
    (found,) = made.explain([Target(Head.VALUE, 0)], ExplainSettings(Method.GRADIENT))
    assert found.hypothetical.any()


@pytest.mark.parametrize(
    ("name", "more", "settings"),
    [
        *(("bpnet", more, settings) for more in (False, True) for settings in (FAST, SHAP)),
        ("small_bias", True, FAST),
    ],
)
def test_a_bpnet_has_the_contributions_of_a_float64_reference(name: str, more: bool, settings: ExplainSettings) -> None:
    made = case(name, more=more)
    for head, task in ((Head.COUNTS, 0), (Head.PROFILE, None)):
        (found,) = made.explain([Target(head, task)], settings)
        for i, key in enumerate(KEYS):
            controls = (made.inputs["control_profile"][i], made.inputs["control_logcount"][i]) if more else (None, None)
            by_hand = BPNetByHand(made.model, *controls)
            tokens = made.inputs["sequence"][i]
            references = references_of(ReferenceKind.SHUFFLED, tokens, 4, window_rng(0, *key))
            assert_close(found.hypothetical[i], hypothetical(by_hand, one_hot(tokens), references, task), 2e-5)


@pytest.mark.parametrize("head", [Head.COUNTS, Head.PROFILE])
def test_they_are_what_shap_values_sums_to_at_each_base(head: Head) -> None:
    import keras
    import shap

    from kerasac.interpret.one_hot_model import OneHotModel
    from kerasac.interpret.shap_engine import Scalar, shap_rules

    made = case("bpnet", more=False)
    (found,) = made.explain([Target(head, 0)])
    begun = OneHotModel(made.model, made.contract, head)
    rows = keras.Input((60, 4))
    scalar = keras.Model([rows], Scalar(begun, ["sequence"], Target(head, 0))([rows]))
    for i, key in enumerate(KEYS):
        tokens = made.inputs["sequence"][i]
        references = references_of(ReferenceKind.SHUFFLED, tokens, 4, window_rng(0, *key))
        with shap_rules():
            values = shap.DeepExplainer(scalar, references).shap_values(
                one_hot(tokens)[None].astype(np.float32), check_additivity=False
            )
        known = tokens < 4
        actual = (found.hypothetical[i] * one_hot(tokens)).sum(axis=1)
        assert_close(actual[known], np.asarray(values)[0, known, :, 0].sum(axis=1), 1e-6)


def test_neither_compiling_nor_the_windows_beside_it_change_a_window() -> None:
    from kerasac.interpret.explain import explainer

    made = case("bpnet")
    (together,) = made.explain([Target(Head.COUNTS, 1)])
    (compiled,) = made.explain([Target(Head.COUNTS, 1)], compiled=True)
    assert_close(compiled.hypothetical, together.hypothetical, 1e-5)
    alone = explainer(made.model, made.contract, [Target(Head.COUNTS, 1)], FAST)
    for i, key in enumerate(KEYS):
        one = alone.hypothetical({name: values[i : i + 1] for name, values in made.inputs.items()}, [key])
        assert_close(one[0], together.hypothetical[i], 1e-6)


def test_values_of_classified_bins_are_explained_before_the_sigmoid() -> None:
    made = case("basset", more=False)
    zero = ExplainSettings(reference=ReferenceKind.ZERO)
    (found,) = made.explain([Target(Head.VALUE, 0)], zero)
    predicted = made.model.predict(made.inputs, verbose=0)["labels"][:, 0]
    nothing = made.model.predict({"sequence": np.full((1, 60), 4, dtype=np.uint8)}, verbose=0)["labels"][0, 0]
    actual = (found.hypothetical * one_hot(made.inputs["sequence"])).sum(axis=(1, 2))
    logit = np.log(predicted / (1 - predicted)) - np.log(nothing / (1 - nothing))
    np.testing.assert_allclose(actual, logit, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("form", ["added", "mixed"])
def test_models_with_a_bias_model_inside_are_explained_whole(form: Any) -> None:
    from kerasac.models.bias_factorised import factorised, scaled

    corrected, bias = case("bpnet", more=False), case("small_bias", more=False)
    model = factorised(corrected.model, scaled(bias.model, "logcount", [0.3]), corrected.contract, form)
    for weight in model.get_layer("bias_in_logcount").weights if form == "mixed" else ():
        weight.assign([[0.4]])
    made = Case(model, corrected.contract, corrected.inputs)
    for head in (Head.COUNTS, Head.PROFILE):
        (fast,), (shap,) = (made.explain([Target(head, 0)], settings) for settings in (FAST, SHAP))
        assert_close(fast.hypothetical, shap.hypothetical, 1e-5)
        assert fast.error.max() < 1e-4


def test_a_converted_model_of_one_hot_rows_is_explained_as_ours(keras: Any) -> None:
    from kerasac.models.fitted import fitted
    from kerasac.models.plain import plain_model

    ours = case("bpnet", more=False)
    rows = plain_model(ours.model, one_hot=True)
    theirs = keras.Model(rows.inputs[0], [rows.output["profile"], rows.output["logcount"]])
    made = Case(fitted(theirs, ours.contract, "theirs"), ours.contract, ours.inputs)
    plain = Case(plain_model(ours.model), ours.contract, ours.inputs)
    for head in (Head.COUNTS, Head.PROFILE):
        (expected,) = ours.explain([Target(head, 0)])
        for other in (made, plain):
            (found,) = other.explain([Target(head, 0)])
            assert_close(found.hypothetical, expected.hypothetical, 1e-6)


@pytest.fixture
def broken_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    from kerasac.interpret import shap_engine

    def fail(*_: Any) -> Any:
        raise LookupError("no such rule")

    monkeypatch.setitem(shap_engine._RULES, "Relu", fail)


def test_an_error_inside_shap_leaves_tensorflow_usable(broken_rules: None, keras: Any) -> None:
    made = case("bpnet", more=False)
    with pytest.raises(ModelError, match="shap cannot follow the counts head of this model"):
        made.explain([Target(Head.COUNTS, 0)], SHAP)
    model = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    history = model.fit(x, x[:, :1], epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_n_contributes_nothing_and_heads_and_inputs_that_are_missing_are_named() -> None:
    made = case("bpnet")
    (found,) = made.explain([Target(Head.COUNTS, 0)])
    bases = one_hot(made.inputs["sequence"])
    assert not (found.hypothetical * bases)[made.inputs["sequence"] == 4].any()
    with pytest.raises(ConfigError, match="the model has no value head; it has: counts, profile"):
        made.explain([Target(Head.VALUE, 0)])


def values_of(made: Case, inputs: dict[str, Any], head: Head) -> Any:
    """Return what the effects of changes are differences of, of sequences (n, L) and one window's other inputs."""
    n = len(inputs["sequence"])
    repeated = {name: np.repeat(values, n // len(values), axis=0) for name, values in inputs.items()}
    found = made.model(repeated, training=False)
    if head is Head.COUNTS:
        return np.asarray(found["logcount"], dtype=np.float64)[:, 0]
    logits = np.asarray(found["profile"], dtype=np.float64)
    return logits - logits.mean(axis=1, keepdims=True)


@pytest.mark.parametrize(("head", "compiled"), [(Head.COUNTS, False), (Head.PROFILE, True)])
def test_mutagenesis_predicts_every_other_base(head: Head, compiled: bool) -> None:
    made = case("bpnet")
    target = Target(head, 0 if head is Head.COUNTS else None)
    (found,) = made.explain([target], ExplainSettings(Method.ISM, within_bp=10), compiled=compiled)
    span = range(25, 35)
    outside = np.setdiff1d(np.arange(60), span)
    assert not found.hypothetical[:, outside].any()
    for i in range(len(KEYS)):
        window = {name: values[i : i + 1] for name, values in made.inputs.items()}
        before = values_of(made, window, head)
        shares = np.exp(before) / np.exp(before).sum(axis=1, keepdims=True) if head is Head.PROFILE else 1
        tokens = np.repeat(window["sequence"], 4 * len(span), axis=0)
        for row, (position, base) in enumerate(itertools.product(span, range(4))):
            tokens[row, position] = base
        changes = shares * (values_of(made, {**window, "sequence": tokens}, head) - before)
        effects = changes.reshape(len(span), 4, -1).sum(axis=2)
        expected = effects - effects.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(found.hypothetical[i, span], expected, atol=2e-5)


def test_a_scrambled_region_takes_away_what_its_bases_gave() -> None:
    made = case("bpnet", more=False)
    settings = ExplainSettings(Method.SCRAMBLE, n_references=2, region_bp=7, within_bp=4)
    (found,) = made.explain([Target(Head.COUNTS, 0)], settings)
    for i, key in enumerate(KEYS):
        tokens = made.inputs["sequence"][i]
        references = references_of(ReferenceKind.SHUFFLED, tokens, 2, window_rng(0, *key)).argmax(axis=2)
        before = values_of(made, {"sequence": tokens[None]}, Head.COUNTS)[0]
        for position in range(28, 32):
            region = slice(position - 3, position + 4)
            scrambled = np.repeat(tokens[None], 2, axis=0)
            scrambled[:, region] = np.where(tokens[region] == 4, 4, references[:, region])
            lost = before - values_of(made, {"sequence": scrambled}, Head.COUNTS).mean()
            expected = lost * one_hot(tokens[position : position + 1])[0]
            np.testing.assert_allclose(found.hypothetical[i, position], expected, atol=2e-5)


@pytest.mark.parametrize("name", ["bpnet", "basset", "battnet"])
def test_the_gradient_is_that_of_small_steps(name: str) -> None:
    from kerasac.interpret.one_hot_model import OneHotModel, plainly, scalars

    made = case(name)
    head = heads_of(made.contract)[0]
    (found,) = made.explain([Target(head, 1)], ExplainSettings(Method.GRADIENT))
    begun = OneHotModel(made.model, made.contract, head)
    rows = one_hot(made.inputs["sequence"]).astype(np.float32)
    others = {port: made.inputs[port] for port in begun.other_inputs}
    direction = np.random.default_rng(0).normal(size=rows.shape).astype(np.float32)

    def value(step: float) -> Any:
        (scalar,) = scalars(begun.run({"sequence": rows + step * direction, **others}, plainly), [Target(head, 1)])
        return np.asarray(scalar, dtype=np.float64)[:, 0]

    slope = (value(1e-3) - value(-1e-3)) / 2e-3
    np.testing.assert_allclose((found.hypothetical * direction).sum(axis=(1, 2)), slope, rtol=0.05, atol=0.01)
