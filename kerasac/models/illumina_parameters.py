"""Say what the profile model of residual blocks can be set to and what windows fit it, without building it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kerasac.models.contract import Contract
from kerasac.models.parameters import (
    check_at_least,
    check_lengths,
    check_odd,
    check_share,
    check_sizes,
    convolution_weights,
    norm_weights,
)
from kerasac.models.profile_parameters import ProfileParameters


@dataclass(frozen=True)
class IlluminaParameters(ProfileParameters):
    """Blocks of two dilated convolutions, each after normalisation and ReLU, added to what entered the block.

    Block i has two convolutions of ``kernels[i]`` positions, ``dilations[i]`` bases apart; all are valid, and take
    2 · dilation · (kernel − 1) bases. A convolution of kernel 1 before the blocks makes ``filters`` of the four bases.
    After a last normalisation and ReLU come the heads of ``bpnet``: a profile head of ``profile_kernel`` and a counts
    head with ``dropout``. With ``batch_norm`` false nothing is normalised; ``norm_momentum`` as in ``basset``.

    Source: Jaganathan et al. 2019 (SpliceAI, of Illumina), as in kerasAC's ``profile_illumina``, whose eleven blocks
    are the defaults: 13,000 bases in, 3,000 out. kerasAC's ended in a regression of the profile alone.
    """

    family: ClassVar[str] = "illumina"

    filters: int = 32
    kernels: tuple[int, ...] = (5,) * 11
    dilations: tuple[int, ...] = (1, 1, 5, 5, 25, 25, 125, 125, 153, 160, 625)
    profile_kernel: int = 1
    dropout: float = 0.0
    batch_norm: bool = True
    norm_momentum: float = 0.9

    def __post_init__(self) -> None:
        check_sizes("kernels", self.kernels)
        check_sizes("dilations", self.dilations)
        check_lengths("give each block one of both", kernels=self.kernels, dilations=self.dilations)
        check_at_least(1, filters=self.filters, profile_kernel=self.profile_kernel)
        check_odd(profile_kernel=self.profile_kernel)
        for kernel in self.kernels:
            check_odd(kernels=kernel)
        check_share(dropout=self.dropout, norm_momentum=self.norm_momentum)

    @property
    def loss_bp(self) -> int:
        """Bases by which the profile is narrower than the sequence."""
        blocks = zip(self.kernels, self.dilations, strict=True)
        return sum(2 * dilation * (kernel - 1) for kernel, dilation in blocks) + self.profile_kernel - 1

    @property
    def layers_said(self) -> str:
        """The layers that take these bases, in words."""
        kernels, dilations = (", ".join(map(str, sizes)) for sizes in (self.kernels, self.dilations))
        return f"kernels {kernels} and dilations {dilations}"

    def n_weights(self, contract: Contract) -> int:
        """Return how many weights the model has."""
        norm = norm_weights(self.filters) if self.batch_norm else 0
        blocks = sum(2 * (norm + convolution_weights(self.filters, self.filters, kernel)) for kernel in self.kernels)
        return convolution_weights(4, self.filters, 1) + blocks + norm + self.head_weights(contract, self.filters)
