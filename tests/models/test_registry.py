"""What cannot be built is refused before Keras is loaded, with the flank or name that would do."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasac.errors import ModelError
from kerasac.models.contract import Contract, Port
from kerasac.models.registry import BPNetParameters, build_model, read_parameters

TASKS = ("plus", "minus")


def contract(*, flank: int = 1_057, out_flank: int = 500, control_flank: int | None = None) -> Contract:
    inputs = [Port("sequence", "sequence", 2 * flank, 4)]
    if control_flank is not None:
        inputs.append(Port("control", "profile", 2 * control_flank, 2, TASKS))
    outputs = (Port("profile", "profile", 2 * out_flank, 2, TASKS), Port("logcount", "counts", 2 * out_flank, 2, TASKS))
    return Contract(tuple(inputs), outputs)


def receptive_field(parameters: BPNetParameters) -> int:
    """Walk back from one base of the profile through every convolution."""
    width = parameters.profile_kernel
    for layer in range(parameters.dilated_layers, 0, -1):
        width += (parameters.dilated_kernel - 1) * 2**layer
    return width + parameters.first_kernel - 1


kernels = st.integers(0, 20).map(lambda half: 2 * half + 1)
parameters = st.builds(
    BPNetParameters,
    dilated_layers=st.integers(0, 9),
    first_kernel=kernels,
    dilated_kernel=kernels,
    profile_kernel=kernels,
)


def test_loss_is_chrombpnets() -> None:
    # 2114 bases in, 1000 out: the convolutions of ChromBPNet take 1114.
    assert BPNetParameters().loss_bp == 2_114 - 1_000
    BPNetParameters().check(contract())


@given(parameters)
def test_loss_is_the_receptive_field_less_one(made: BPNetParameters) -> None:
    assert made.loss_bp == receptive_field(made) - 1


@given(parameters, st.integers(1, 600))
def test_flank_in_the_error_is_the_smallest_that_works(made: BPNetParameters, out_flank: int) -> None:
    try:
        made.check(contract(flank=1, out_flank=out_flank))
    except ModelError as error:
        found = re.search(r"set its flank to at least ([\d,]+)", str(error))
        assert found is not None
        flank = int(found[1].replace(",", ""))
        made.check(contract(flank=flank, out_flank=out_flank))
        with pytest.raises(ModelError, match="longer than the receptive field allows"):
            made.check(contract(flank=flank - 1, out_flank=out_flank))
    else:
        assert out_flank == 1
        assert made.loss_bp == 0


def test_error_says_what_is_left() -> None:
    with pytest.raises(ModelError) as caught:
        BPNetParameters().check(contract(flank=600))
    assert "output profile of 1,000 bases" in str(caught.value)
    assert "take 1,114 bases, which leaves 86 of input sequence's 1,200; set its flank to at least 1,057" in str(
        caught.value
    )


COMPLETE = contract()
SEQUENCE, PROFILE, COUNTS = COMPLETE.inputs[0], *COMPLETE.outputs


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (Contract((), COMPLETE.outputs), "bpnet needs an input with 'source: seq'"),
        (Contract((SEQUENCE,), (PROFILE,)), r"counts \(aggregate: sum\) is missing from outputs"),
        (Contract((SEQUENCE,), (COUNTS,)), r"profile \(aggregate: none\) is missing from outputs"),
        (
            Contract((SEQUENCE,), (replace(PROFILE, transform="log"), COUNTS)),
            "output profile has transform log; bpnet's profile is raw counts",
        ),
        (
            Contract((SEQUENCE,), (PROFILE, replace(COUNTS, n_tracks=1))),
            "output profile has 2 tracks, output logcount 1; give both the same source",
        ),
        (contract(control_flank=400), "input control has flank 400, output profile 500"),
        (
            Contract((SEQUENCE, replace(COUNTS, name="c1"), replace(COUNTS, name="c2")), COMPLETE.outputs),
            r"inputs has 2 of role counts \(c1 and c2\)",
        ),
    ],
)
def test_contract_that_bpnet_cannot_fulfil_is_refused(broken: Contract, expected: str) -> None:
    with pytest.raises(ModelError, match=expected):
        BPNetParameters().check(broken)


def test_control_as_wide_as_the_profile_fits() -> None:
    BPNetParameters().check(contract(control_flank=500))


def test_parameters_are_read_over_the_defaults() -> None:
    assert read_parameters("bpnet", {"filters": 8, "dropout": 0}) == BPNetParameters(filters=8, dropout=0)
    assert read_parameters("bpnet", {}) == BPNetParameters()


@pytest.mark.parametrize(
    ("architecture", "values", "expected"),
    [
        ("bpnt", {}, "unknown architecture 'bpnt'; did you mean 'bpnet'?"),
        ("bpnet", {"filtres": 3}, "unknown parameter 'filtres' of model bpnet; did you mean 'filters'?"),
        ("bpnet", {"filters": "many"}, "model.filters is 'many'; it takes int (default 64)"),
        ("bpnet", {"filters": 8.5}, "model.filters is 8.5; it takes int (default 64)"),
        ("bpnet", {"filters": True}, "model.filters is True; it takes int (default 64)"),
        ("bpnet", {"filters": None}, "model.filters is None; it takes int (default 64)"),
        ("bpnet", {"dropout": "1e-1"}, "model.dropout is '1e-1'; it takes float (default 0.0)"),
        ("bpnet", {"filters": 0}, "model.filters is 0; it must be at least 1"),
        ("bpnet", {"first_kernel": 4}, "model.first_kernel is 4; kernels are odd"),
        ("bpnet", {"dilated_layers": -1}, "model.dilated_layers is -1; it must not be negative"),
        ("bpnet", {"dropout": 1}, "model.dropout is 1; it must be in 0"),
    ],
)
def test_wrong_name_or_value_is_named(architecture: str, values: dict[str, Any], expected: str) -> None:
    with pytest.raises(ModelError, match=re.escape(expected)):
        read_parameters(architecture, values)


def test_misfit_is_refused_before_keras_is_loaded() -> None:
    script = (
        "import sys, kerasac.models.registry as r, kerasac.steps.prepare\n"
        "assert not {'keras', 'tensorflow', 'ray', 'mlflow'} & set(sys.modules), 'loaded too early'"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(ModelError, match="longer than the receptive field allows"):
        build_model("bpnet", contract(flank=100), BPNetParameters())
