"""Effects are what they are defined as, on both strands, of one track or of several, of substitutions and indels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from tiny import tiny_experiment

from kerasac.errors import ConfigError
from kerasac.genome.sequence import reverse_complement
from kerasac.interpret.both_strands import Beside, Ends, Outputs, ends_of
from kerasac.interpret.effects import BinnedEffects, Lengths, ProfileEffects, Target, targets_of
from kerasac.models.contract import Contract, Port

WIDTH = 40
RNG = np.random.default_rng(0)
BOTH = Target("plus+minus", (0, 1))
EFFECTS = ProfileEffects((BOTH, Target("plus", (0,)), Target("minus", (1,))), "log", 1.0)
SNV = Lengths(np.array([1]), np.array([1]))
CONTRACT = Contract(
    (Port("sequence", "sequence", 2 * WIDTH, 4),),
    (Port("profile", "profile", WIDTH, 2, ("plus", "minus")), Port("logcount", "counts", WIDTH, 2, ("plus", "minus"))),
)


def outputs(counts: list[list[float]], logits: Any) -> Outputs:
    return Outputs(np.log(np.array(counts) + 1.0).astype(np.float32), np.asarray(logits, dtype=np.float32))


def score(name: str, found: Any) -> Any:
    return found[:, :, EFFECTS.names.index(name)]


def test_log2fc_of_both_strands_is_of_their_sum() -> None:
    logits = RNG.normal(size=(1, WIDTH, 2))
    found = EFFECTS.score(outputs([[100.0, 300.0]], logits), outputs([[220.0, 580.0]], logits), SNV)
    expected = [np.log2(802 / 402), np.log2(221 / 101), np.log2(581 / 301)]
    np.testing.assert_allclose(score("log2fc", found)[0], expected, rtol=1e-5)
    np.testing.assert_allclose(score("ref_counts", found)[0], [400, 100, 300], rtol=1e-5)
    np.testing.assert_allclose(score("jsd", found)[0, 1:], 0, atol=1e-6)


def test_log2fc_is_told_where_hardly_any_counts_are_predicted() -> None:
    logits = np.zeros((1, WIDTH, 2))
    low, lower = (Outputs(np.full((1, 2), value, dtype=np.float32), logits) for value in (-0.5, -1.5))
    found = EFFECTS.score(low, lower, SNV)
    np.testing.assert_allclose(score("log2fc", found)[0], -1 / np.log(2), rtol=1e-6)
    assert score("ref_counts", found)[0, 0] == 0


def test_jsd_is_scipy_s_natural_distance_of_the_joint_profile() -> None:
    before, after = RNG.normal(size=(2, 1, WIDTH, 2))
    counts = np.array([[100.0, 300.0]])
    found = EFFECTS.score(outputs(counts.tolist(), before), outputs(counts.tolist(), after), SNV)
    joint = [(softmax(one, axis=1) * counts[:, None]).ravel() for one in (before, after)]
    assert score("jsd", found)[0, 0] == pytest.approx(jensenshannon(*joint), rel=1e-5)
    plus = [softmax(one, axis=1)[0, :, 0] for one in (before, after)]
    assert score("jsd", found)[0, 1] == pytest.approx(jensenshannon(*plus), rel=1e-5)


def test_scores_do_not_depend_on_a_constant_of_the_logits() -> None:
    before, after = RNG.normal(size=(2, 1, WIDTH, 2))
    counts = [[10.0, 30.0]]
    found = EFFECTS.score(outputs(counts, before), outputs(counts, after), SNV)
    moved = EFFECTS.score(outputs(counts, before + 7), outputs(counts, after - 3), SNV)
    np.testing.assert_allclose(found, moved, atol=1e-5)


def test_log_odds_rise_when_counts_move_to_the_middle() -> None:
    flat, middle = np.zeros((2, 1, WIDTH, 2))
    middle[:, WIDTH // 2 - 5 : WIDTH // 2 + 5] = 1.0
    found = EFFECTS.score(outputs([[10.0, 10.0]], flat), outputs([[10.0, 10.0]], middle), SNV)
    inside = (10 * np.e + 10) / (10 * np.e + 30)  # of the middle half
    assert score("log_odds", found)[0, 0] == pytest.approx(np.log(inside / (1 - inside)), rel=1e-5)
    assert EFFECTS.score(outputs([[1.0, 1.0]], flat), outputs([[1.0, 1.0]], flat), SNV)[0, 0, 2] == 0


@pytest.mark.parametrize(("n_ref", "n_alt"), [(0, 3), (4, 0), (2, 5), (6, 1)])
def test_a_profile_that_is_only_shifted_by_an_indel_is_the_same(n_ref: int, n_alt: int) -> None:
    left, right = RNG.normal(size=(WIDTH // 2, 2)), RNG.normal(size=(WIDTH, 2))
    changed = RNG.normal(size=(10, 2))
    low = np.full((10, 2), -50.0)  # no counts in bases that one allele alone has

    def allele(n: int) -> Any:
        both = min(n_ref, n_alt)
        return np.concatenate([left, changed[:both], low[: n - both], right])[None, :WIDTH]

    ref, alt = allele(n_ref), allele(n_alt)
    found = EFFECTS.score(
        outputs([[10.0, 10.0]], ref), outputs([[10.0, 10.0]], alt), Lengths(np.array([n_ref]), np.array([n_alt]))
    )
    np.testing.assert_allclose(score("jsd", found)[0, 1:], 0, atol=1e-4)
    assert EFFECTS.score(outputs([[10.0, 10.0]], ref), outputs([[10.0, 10.0]], alt), SNV)[0, 1, 1] > 0.05


def test_swapping_the_alleles_turns_the_signs() -> None:
    one, other = (
        outputs([[10.0, 20.0]], RNG.normal(size=(1, WIDTH, 2))),
        outputs([[30.0, 5.0]], np.zeros((1, WIDTH, 2))),
    )
    forth = EFFECTS.score(one, other, Lengths(np.array([0]), np.array([3])))
    back = EFFECTS.score(other, one, Lengths(np.array([3]), np.array([0])))
    signs = np.array([-1, 1, -1, -1])
    np.testing.assert_allclose(forth[..., :4], back[..., :4] * signs, atol=1e-9)


def test_a_pair_of_strands_comes_before_each_alone() -> None:
    assert targets_of(Ends(CONTRACT, (1, 0))) == EFFECTS.targets
    assert targets_of(Ends(CONTRACT, (0, 1))) == (Target("plus", (0,)), Target("minus", (1,)))


def test_effects_on_bins_are_of_their_values() -> None:
    before, after = (Outputs(np.array([[p]], dtype=np.float32), None) for p in (0.2, 0.5))
    one = (Target("open", (0,)),)
    found = BinnedEffects(one, "classification").score(before, after, SNV)
    np.testing.assert_allclose(found[0, 0], [np.log(4), 0.2, 0.5], rtol=1e-5)
    np.testing.assert_allclose(BinnedEffects(one, "regression").score(before, after, SNV)[0, 0, 0], 0.3, rtol=1e-5)
    assert BinnedEffects(one, "regression", log_rates=True).score(before, after, SNV)[0, 0, 0] == pytest.approx(
        0.3 / np.log(2), rel=1e-5
    )


class Lopsided:
    """A model that is not the same on both strands: it counts bases on the left, A for plus, T for minus."""

    def predict(self, inputs: Any, **_: Any) -> dict[str, Any]:
        tokens = inputs["sequence"]
        middle = tokens[:, WIDTH // 2 : WIDTH // 2 + WIDTH].astype(np.float32)
        logits = np.stack([middle * np.linspace(0, 1, WIDTH), middle[:, ::-1] ** 2], axis=2)
        if "control" in inputs:
            logits = logits + inputs["control"]
        counts = np.stack([(tokens[:, :WIDTH] == base).sum(axis=1) for base in (0, 3)], axis=1)
        return {"profile": logits, "logcount": counts.astype(np.float32)}


def test_a_sequence_and_its_reverse_complement_have_mirrored_predictions() -> None:
    ends, none = Ends(CONTRACT, (1, 0)), Beside({}, {})
    tokens = RNG.integers(0, 4, (5, 2 * WIDTH)).astype(np.uint8)
    forward = ends.predict(Lopsided(), tokens, none)
    reverse = ends.predict(Lopsided(), reverse_complement(tokens), none)
    np.testing.assert_allclose(forward.values, reverse.values[:, ::-1], rtol=1e-6)
    assert forward.logits is not None
    assert reverse.logits is not None
    np.testing.assert_allclose(forward.logits, reverse.logits[:, ::-1, ::-1], rtol=1e-6)


def test_inputs_beside_the_sequence_go_with_their_strand() -> None:
    contract = Contract((*CONTRACT.inputs, Port("control", "profile", WIDTH, 2)), CONTRACT.outputs)
    control = RNG.normal(size=(3, WIDTH, 2)).astype(np.float32)
    beside = Beside({"control": control}, {"control": control[:, ::-1, ::-1]})
    tokens = RNG.integers(0, 4, (3, 2 * WIDTH)).astype(np.uint8)
    plain = Ends(CONTRACT, (1, 0)).predict(Lopsided(), tokens, Beside({}, {}))
    with_control = Ends(contract, (1, 0)).predict(Lopsided(), tokens, beside)
    assert plain.logits is not None
    np.testing.assert_allclose(with_control.logits, plain.logits + control, rtol=1e-5, atol=1e-5)
    repeated = beside.repeated(2, np.array([2, 0]))
    assert np.array_equal(repeated.forward["control"], control[[2, 2, 0, 0]])


def test_profile_and_counts_of_other_tracks_have_no_effects(tiny_folder: Path) -> None:
    document = {"name": "logcount", "source": ["unstranded"], "flank": 30, "aggregate": "sum", "transform": "log"}
    outputs_of = [{"name": "profile", "source": ["plus", "minus"], "flank": 30}, document]
    with pytest.raises(ConfigError, match="output profile is of plus, minus, logcount of unstranded"):
        ends_of(tiny_experiment(tiny_folder, outputs=outputs_of))
    assert ends_of(tiny_experiment(tiny_folder)).partner == (1, 0)
