"""Say which inputs and outputs a bias model has, without building it."""

from __future__ import annotations

from typing import Literal

from kerasac.errors import ModelError
from kerasac.models.contract import Contract

Form = Literal["added", "mixed"]


def bias_contract(contract: Contract) -> Contract:
    """Return what goes into a bias model and comes out: the sequence alone, and the outputs of the whole."""
    return Contract(tuple(port for port in contract.inputs if port.role == "sequence"), contract.outputs)


def check_form(form: Form, contract: Contract) -> None:
    """Raise ModelError when the outputs are none whose bias can be factored out."""
    profile, counts = contract.output_of("profile"), contract.output_of("counts")
    if profile is None or counts is None or contract.input_of("sequence") is None:
        raise ModelError(
            "bias needs an input with 'source: seq', a profile output and a counts output (aggregate: sum)"
        )
    if form == "added" and counts.transform not in ("log", "log1p"):
        raise ModelError(
            f"bias.form 'added' adds counts, which it needs as natural logarithms; output {counts.name} has transform "
            f"{counts.transform}: set it to log, or bias.form to mixed"
        )
