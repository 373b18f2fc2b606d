"""Describe architectures for a person: parameters, receptive field and size, without building them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasac.models.binned_parameters import BinnedParameters
from kerasac.models.contract import Contract, Port
from kerasac.models.own_model import REQUIRED, OwnParameters, is_own, own_signature
from kerasac.models.parameters import Kind, Parameters
from kerasac.models.profile_parameters import ProfileParameters
from kerasac.models.registry import ARCHITECTURES, find_architecture, read_parameters

if TYPE_CHECKING:
    import keras

_PROFILE_BP = 1_000
_BIN_BP = 1_000
_LINE = 100


@dataclass(frozen=True)
class Description:
    """What there is to know of an architecture with some parameters.

    ``receptive_bp`` are the bases that a base of the profile sees, or a position before the first dense layer (None =
    the whole window); ``minimum_flank`` is the input's smallest flank, ``n_weights`` the number of weights, both for
    ``example``: one task, and a profile or bin of 1,000 bases (or the narrowest that fits). None where only building
    tells.
    """

    name: str
    kind: Kind
    summary: str
    source: str
    parameters: Mapping[str, Any]
    receptive_bp: int | None
    minimum_flank: int | None
    n_weights: int | None
    example: str
    explainable: bool | None
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {name: value for name, value in vars(self).items() if name != "text"}


def describe_all() -> list[Description]:
    """Describe every architecture of the registry with its defaults."""
    return [describe(name) for name in ARCHITECTURES]


def describe(architecture: str, values: Mapping[str, Any] | None = None) -> Description:
    """Describe an architecture, or a user's own, with other parameters than the defaults where ``values`` has them.

    Raises
    ------
    ModelError
        For an unknown name or parameter, or a value that does not fit.
    """
    values = dict(values or {})
    if is_own(architecture):
        return _own(architecture, values)
    entry, parameters = find_architecture(architecture), read_parameters(architecture, values)
    contract, flank, example = _example(parameters)
    return Description(
        name=architecture,
        kind=parameters.kind,
        summary=entry.summary,
        source=entry.source,
        parameters={name: getattr(parameters, name) for name in entry.parameter_defaults()},
        receptive_bp=parameters.receptive_bp,
        minimum_flank=flank,
        n_weights=parameters.n_weights(contract),
        example=example,
        explainable=entry.explainable,
        text=inspect.cleandoc(inspect.getdoc(entry.parameters) or ""),
    )


def summary_text(model: keras.Model) -> str:
    """Return Keras's table of a model's layers, their shapes and numbers of weights."""
    lines: list[str] = []
    # Keras calls it with a line, or with a line and what ends it.
    model.summary(line_length=_LINE, expand_nested=True, print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines) + "\n"


def _example(parameters: Parameters) -> tuple[Contract, int | None, str]:
    """Return inputs and outputs of one task, the smallest flank of the input, and both in words."""
    if isinstance(parameters, ProfileParameters):
        flank = -(-(_PROFILE_BP + parameters.loss_bp) // 2)
        outputs = (Port("profile", "profile", _PROFILE_BP, 1), Port("logcount", "counts", _PROFILE_BP, 1))
        said = f"a profile of {_PROFILE_BP:,} bases and one task"
        return Contract((Port("sequence", "sequence", 2 * flank, 4),), outputs), flank, said
    assert isinstance(parameters, BinnedParameters), "architectures predict profiles or labels of bins"
    width = max(_BIN_BP, 2 * -(-parameters.minimum_bp // 2))
    contract = Contract((Port("sequence", "sequence", width, 4),), (Port("labels", "classification", 0, 1),))
    return contract, -(-parameters.minimum_bp // 2), f"windows of {width:,} bases and one task"


def _own(architecture: str, values: Mapping[str, Any]) -> Description:
    parameters = read_parameters(architecture, values) if values else None
    defaults = {name: _shown(value) for name, value in own_signature(architecture).defaults.items()}
    given = parameters.values if isinstance(parameters, OwnParameters) else {}
    return Description(
        name=architecture,
        kind="own",
        summary="a model of your own",
        source=architecture,
        parameters={**defaults, **given},
        receptive_bp=None,
        minimum_flank=None,
        n_weights=None,
        example="",
        explainable=None,
        text="",
    )


def _shown(default: Any) -> Any:
    if default is REQUIRED:
        return "(no default)"
    return ast.unparse(default) if isinstance(default, ast.expr) else default
