"""Check what models of profiles and counts have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from kerasac.errors import ModelError
from kerasac.models.contract import Contract, Port
from kerasac.models.parameters import Kind, Parameters, convolution_weights, sequence_of


class ProfileParameters(Parameters):
    """Parameters of a model whose valid convolutions give a profile that is narrower than the sequence."""

    kind: ClassVar[Kind] = "profile"
    profile_kernel: int

    @property
    @abstractmethod
    def loss_bp(self) -> int:
        """Bases by which the profile is narrower than the sequence."""

    @property
    @abstractmethod
    def layers_said(self) -> str:
        """The layers that take these bases, in words."""

    @property
    def receptive_bp(self) -> int:
        """Bases that one base of the profile sees."""
        return self.loss_bp + 1

    def check(self, contract: Contract) -> None:
        """Raise ModelError unless there is one sequence, one profile and one counts output that fit."""
        sequence = sequence_of(contract, self.family)
        profile = self._check_outputs(contract)
        self._check_width(sequence, profile)
        self._check_inputs(contract, profile)

    def _check_outputs(self, contract: Contract) -> Port:
        profile, counts = contract.output_of("profile"), contract.output_of("counts")
        if profile is None or counts is None:
            missing = "profile (aggregate: none)" if profile is None else "counts (aggregate: sum)"
            raise ModelError(f"{self.family} needs a profile and a counts output; {missing} is missing from outputs")
        if profile.transform != "none":
            raise ModelError(
                f"output {profile.name} has transform {profile.transform}; {self.family}'s profile is raw counts"
            )
        if profile.n_tracks != counts.n_tracks:
            raise ModelError(
                f"output {profile.name} has {profile.n_tracks} tracks, output {counts.name} {counts.n_tracks}; "
                "give both the same source"
            )
        return profile

    def _check_width(self, sequence: Port, profile: Port) -> None:
        if sequence.width_bp >= profile.width_bp + self.loss_bp:
            return
        flank = -(-(profile.width_bp + self.loss_bp) // 2)
        raise ModelError(
            f"output {profile.name} of {profile.width_bp:,} bases is longer than the receptive field allows: "
            f"with {self.layers_said}, the convolutions take {self.loss_bp:,} bases, which leaves "
            f"{max(0, sequence.width_bp - self.loss_bp):,} of input {sequence.name}'s {sequence.width_bp:,}; "
            f"set its flank to at least {flank:,}, or use fewer layers"
        )

    def _check_inputs(self, contract: Contract, profile: Port) -> None:
        control, _ = contract.input_of("profile"), contract.input_of("counts")
        if control is not None and control.width_bp != profile.width_bp:
            raise ModelError(
                f"input {control.name} has flank {control.width_bp // 2}, output {profile.name} "
                f"{profile.width_bp // 2}; the control profile must be as wide as the profile"
            )
        if (values := contract.input_of("values")) is not None:
            raise ModelError(f"input {values.name} has values of bins; {self.family} takes the sequence and tracks")

    def head_weights(self, contract: Contract, filters: int) -> int:
        """Return the weights of the profile's and the counts' layers, after features of so many filters."""
        n_tracks = sum(port.n_tracks for port in contract.outputs if port.role == "profile")
        control, counts = contract.input_of("profile"), contract.input_of("counts")
        n_weights = convolution_weights(filters, n_tracks, self.profile_kernel)
        if control is not None:
            n_weights += convolution_weights(n_tracks + control.n_tracks, n_tracks, 1)
        pooled = filters + (counts.n_tracks if counts is not None else 0)
        return n_weights + convolution_weights(pooled, n_tracks, 1)
