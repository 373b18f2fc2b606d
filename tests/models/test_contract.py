"""A contract says of every input and output what the experiment says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kerasac.config import Experiment, make_experiment
from kerasac.errors import ModelError
from kerasac.models.contract import Port, contract_of

STRANDS = {"source": ["plus", "minus"], "flank": 50}


def experiment(**changes: Any) -> Experiment:
    document = {
        "name": "contract",
        "genome": {"fasta": "genome.fa"},
        "store": "signal.tdb",
        "datasets": ["A"],
        "inputs": [{"name": "sequence", "source": "seq", "flank": 100}],
        "outputs": [{"name": "profile", **STRANDS}, {"name": "logcount", **STRANDS, "aggregate": "sum"}],
        "sampling": {"regions": {"bed": "peaks.bed"}},
        **changes,
    }
    return make_experiment(document, base=Path("/data"), origin="test")


def test_what_is_aggregated_is_counts_and_what_is_not_a_profile() -> None:
    contract = contract_of(experiment())
    assert contract.inputs == (Port("sequence", "sequence", 200, 4),)
    assert contract.outputs == (
        Port("profile", "profile", 100, 2, ("plus", "minus")),
        Port("logcount", "counts", 100, 2, ("plus", "minus")),
    )


def test_ports_are_found_by_role() -> None:
    contract = contract_of(experiment())
    assert contract.input_of("sequence") is contract.inputs[0]
    assert contract.output_of("counts") is contract.outputs[1]
    assert contract.input_of("profile") is None


def test_tasks_of_several_datasets_carry_their_names() -> None:
    contract = contract_of(experiment(datasets=["A", "B"]))
    assert contract.outputs[0].tasks == ("A.plus", "A.minus", "B.plus", "B.minus")
    assert contract.outputs[0].n_tracks == 4


def test_track_may_name_its_own_datasets() -> None:
    outputs = [{"name": "profile", **STRANDS, "dataset": ["A", "B"]}, {"name": "c", **STRANDS, "dataset": "B"}]
    assert [port.n_tracks for port in contract_of(experiment(outputs=outputs)).outputs] == [4, 2]


def test_transform_is_part_of_the_contract() -> None:
    outputs = [{"name": "profile", **STRANDS, "transform": "asinh"}]
    assert contract_of(experiment(outputs=outputs)).outputs[0].transform == "asinh"


def test_two_ports_of_one_role_are_refused_by_name() -> None:
    outputs = [{"name": "one", **STRANDS}, {"name": "two", **STRANDS}]
    with pytest.raises(ModelError, match=r"outputs has 2 of role profile \(one and two\)"):
        contract_of(experiment(outputs=outputs)).output_of("profile")
