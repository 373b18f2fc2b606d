"""Say what BPNet can be set to and what windows fit it, without building it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kerasac.models.contract import Contract
from kerasac.models.parameters import check_at_least, check_odd, check_share, convolution_weights
from kerasac.models.profile_parameters import ProfileParameters


@dataclass(frozen=True)
class BPNetParameters(ProfileParameters):
    """BPNet: a convolution, dilated residual convolutions, a profile head and a counts head.

    Layer i of ``dilated_layers`` (from 1) has dilation 2^i. All convolutions are valid: no padding enters a
    window, so the input must be wider than the output by what they take. Kernel sizes are in bases and odd.
    ``dropout`` is the share of features dropped before the counts head while training.

    Source: Avsec et al. 2021 (BPNet), in the form of ChromBPNet (Pampari et al. 2023).
    """

    family: ClassVar[str] = "bpnet"

    filters: int = 64
    dilated_layers: int = 8
    first_kernel: int = 21
    dilated_kernel: int = 3
    profile_kernel: int = 75
    dropout: float = 0.0

    def __post_init__(self) -> None:
        kernels = {name: getattr(self, name) for name in ("first_kernel", "dilated_kernel", "profile_kernel")}
        check_at_least(1, filters=self.filters, **kernels)
        check_odd(**kernels)
        check_at_least(0, dilated_layers=self.dilated_layers)
        check_share(dropout=self.dropout)

    @property
    def loss_bp(self) -> int:
        """Bases by which the profile is narrower than the sequence."""
        dilated = (self.dilated_kernel - 1) * (2 ** (self.dilated_layers + 1) - 2)
        return int((self.first_kernel - 1) + dilated + (self.profile_kernel - 1))

    @property
    def layers_said(self) -> str:
        """The layers that take these bases, in words."""
        kernels = f"first kernel {self.first_kernel} and profile kernel {self.profile_kernel}"
        return f"{self.dilated_layers} dilated layers, {kernels}"

    def n_weights(self, contract: Contract) -> int:
        """Return how many weights the model has."""
        first = convolution_weights(4, self.filters, self.first_kernel)
        dilated = convolution_weights(self.filters, self.filters, self.dilated_kernel)
        return first + self.dilated_layers * dilated + self.head_weights(contract, self.filters)
