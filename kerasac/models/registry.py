"""List the architectures by name, check their parameters, and build them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from kerasac.errors import ModelError, suggest
from kerasac.models.basset_parameters import BassetParameters
from kerasac.models.contract import Contract, Port

if TYPE_CHECKING:
    import keras


class Parameters(Protocol):
    """A frozen dataclass of an architecture's parameters, which knows what it asks of the windows."""

    def check(self, contract: Contract) -> None:
        """Raise ModelError when the architecture cannot be built for these inputs and outputs."""


@dataclass(frozen=True)
class BPNetParameters:
    """BPNet: a convolution, dilated residual convolutions, a profile head and a counts head.

    Layer i of ``dilated_layers`` (from 1) has dilation 2^i. All convolutions are valid: no padding enters a
    window, so the input must be wider than the output by ``loss_bp``. Kernel sizes are in bases and odd.
    ``dropout`` is the share of features dropped before the counts head while training.

    Source: Avsec et al. 2021 (BPNet), in the form of ChromBPNet (Pampari et al. 2023).
    """

    filters: int = 64
    dilated_layers: int = 8
    first_kernel: int = 21
    dilated_kernel: int = 3
    profile_kernel: int = 75
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("filters", "first_kernel", "dilated_kernel", "profile_kernel"):
            if getattr(self, name) < 1:
                raise ModelError(f"model.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("first_kernel", "dilated_kernel", "profile_kernel"):
            if getattr(self, name) % 2 == 0:
                raise ModelError(f"model.{name} is {getattr(self, name)}; kernels are odd, so that they have a centre")
        if self.dilated_layers < 0:
            raise ModelError(f"model.dilated_layers is {self.dilated_layers}; it must not be negative")
        if not 0 <= self.dropout < 1:
            raise ModelError(f"model.dropout is {self.dropout}; it must be in 0 … 1, 1 excluded")

    @property
    def loss_bp(self) -> int:
        """Bases by which the profile is narrower than the sequence."""
        dilated = (self.dilated_kernel - 1) * (2 ** (self.dilated_layers + 1) - 2)
        return int((self.first_kernel - 1) + dilated + (self.profile_kernel - 1))

    def check(self, contract: Contract) -> None:
        """Raise ModelError unless there is one sequence, one profile and one counts output that fit."""
        sequence, profile = contract.input_of("sequence"), contract.output_of("profile")
        counts = contract.output_of("counts")
        if sequence is None:
            raise ModelError("bpnet needs an input with 'source: seq'")
        if profile is None or counts is None:
            missing = "profile (aggregate: none)" if profile is None else "counts (aggregate: sum)"
            raise ModelError(f"bpnet needs a profile and a counts output; {missing} is missing from outputs")
        if profile.transform != "none":
            raise ModelError(f"output {profile.name} has transform {profile.transform}; bpnet's profile is raw counts")
        if profile.n_tracks != counts.n_tracks:
            raise ModelError(
                f"output {profile.name} has {profile.n_tracks} tracks, output {counts.name} {counts.n_tracks}; "
                "give both the same source"
            )
        self._check_width(sequence, profile)
        self._check_control(contract, profile)

    def _check_width(self, sequence: Port, profile: Port) -> None:
        if sequence.width_bp >= profile.width_bp + self.loss_bp:
            return
        flank = -(-(profile.width_bp + self.loss_bp) // 2)
        raise ModelError(
            f"output {profile.name} of {profile.width_bp:,} bases is longer than the receptive field allows: "
            f"with {self.dilated_layers} dilated layers, first kernel {self.first_kernel} and profile kernel "
            f"{self.profile_kernel}, the convolutions take {self.loss_bp:,} bases, which leaves "
            f"{max(0, sequence.width_bp - self.loss_bp):,} of input {sequence.name}'s {sequence.width_bp:,}; "
            f"set its flank to at least {flank:,}, or use fewer layers"
        )

    def _check_control(self, contract: Contract, profile: Port) -> None:
        control, _ = contract.input_of("profile"), contract.input_of("counts")
        if control is not None and control.width_bp != profile.width_bp:
            raise ModelError(
                f"input {control.name} has flank {control.width_bp // 2}, output {profile.name} "
                f"{profile.width_bp // 2}; the control profile must be as wide as the profile"
            )


@dataclass(frozen=True)
class Architecture:
    """An entry of the registry: what it is, its parameters, and where the builder is."""

    summary: str
    parameters: Callable[..., Parameters]
    builder: str

    def build(self, contract: Contract, parameters: Parameters) -> keras.Model:
        """Build the model; imports Keras."""
        module, _, function = self.builder.partition(":")
        return getattr(import_module(module), function)(contract, parameters)


ARCHITECTURES: dict[str, Architecture] = {
    "bpnet": Architecture(
        "profile and counts of accessibility or binding, with optional control tracks",
        BPNetParameters,
        "kerasac.models.bpnet:build_bpnet",
    ),
    "basset": Architecture(
        "labels of bins, classes or values, from the sequence and further values of the bin",
        BassetParameters,
        "kerasac.models.basset:build_basset",
    ),
}


def read_parameters(architecture: str, values: Mapping[str, Any]) -> Parameters:
    """Check an architecture's name and parameters.

    Raises
    ------
    ModelError
        For an unknown name or parameter (with the nearest known one) or a value of the wrong type.
    """
    if architecture not in ARCHITECTURES:
        raise ModelError(f"unknown architecture {architecture!r}{suggest(architecture, ARCHITECTURES)}")
    factory = ARCHITECTURES[architecture].parameters
    known = {field.name: field for field in dataclasses.fields(factory)}  # type: ignore[arg-type]
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    for name, value in values.items():
        if name not in known:
            raise ModelError(f"unknown parameter {name!r} of model {architecture}{suggest(name, known)}")
        expected = type(known[name].default)
        if type(value) is not expected and not (expected is float and type(value) is int):
            raise ModelError(f"model.{name} is {value!r}; it takes {expected.__name__} (default {known[name].default})")
    return factory(**values)


def build_model(architecture: str, contract: Contract, parameters: Parameters) -> keras.Model:
    """Build a registered architecture for these inputs and outputs; imports Keras."""
    parameters.check(contract)
    return ARCHITECTURES[architecture].build(contract, parameters)
