"""Say what Basset can be set to and what windows fit it, without building it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from kerasac.models.binned_parameters import BinnedParameters
from kerasac.models.contract import Contract
from kerasac.models.parameters import (
    check_at_least,
    check_choice,
    check_lengths,
    check_share,
    check_sizes,
    sequence_of,
)
from kerasac.models.weight_files import check_weight_file, weight_file_digest

_LAYOUTS = ("1d", "2d")
_PADDINGS = ("valid", "same")


@dataclass(frozen=True)
class BassetParameters(BinnedParameters):
    """Basset: blocks of convolution and max pooling, dense layers, and one value a task.

    Block i has ``filters[i]`` filters of ``kernels[i]`` positions, and takes the maximum of every ``pools[i]``
    positions (1 = no pooling). ``block_dropout[i]`` is the share of a block's features dropped while training (empty =
    none), ``max_norm`` the greatest norm of a filter of the first block (0 = any). ``layout`` ``2d`` makes the same
    model of 2-D convolutions (1 x kernel), whose weights have one axis more.

    ``dense`` are the sizes of the layers after the blocks, ``dropout`` the share of their features dropped. With
    ``batch_norm`` all of them are normalised before the ReLU, when predicting by running means and variances, of which
    a training step keeps the share ``norm_momentum``: 0.9 as in Basset's Torch. With Keras's and kerasAC's 0.99 they
    lag behind by hundreds of steps, and so does the first epochs' validation loss.

    ``initial_weights`` is a file that blocks and dense layers start from: a model (.keras, .h5, .hdf5), or arrays
    (.npz) by the names of the published Basset that kerasAC starts from. The head always starts anew.

    Sizes: a valid convolution takes kernel - 1 positions, pooling of p leaves a p-th, rounded down. 1,000 bases give
    327, 79 and 18 positions; the bases that rounding leaves over at the right end are not seen.

    Source: Kelley et al. 2016 (Basset), whose sizes are the defaults, as in kerasAC (``functional_basset_*``). kerasAC
    trains with ``padding`` valid, or same with published initial weights.
    """

    family: ClassVar[str] = "basset"

    filters: tuple[int, ...] = (300, 200, 200)
    kernels: tuple[int, ...] = (19, 11, 7)
    pools: tuple[int, ...] = (3, 4, 4)
    block_dropout: tuple[float, ...] = ()
    max_norm: float = 0.0
    padding: str = "valid"
    layout: str = "1d"
    initial_weights: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("filters", "kernels", "pools"):
            check_sizes(name, getattr(self, name))
        meaning = "give each one number a convolution (a pool of 1 does nothing)"
        check_lengths(meaning, filters=self.filters, kernels=self.kernels, pools=self.pools)
        if self.block_dropout:
            check_lengths("give each block one", filters=self.filters, block_dropout=self.block_dropout)
        for share in self.block_dropout:
            check_share(block_dropout=share)
        check_at_least(0, max_norm=self.max_norm)
        check_choice("padding", self.padding, _PADDINGS)
        check_choice("layout", self.layout, _LAYOUTS)
        if self.initial_weights:
            check_weight_file(self.initial_weights)

    @property
    def digests(self) -> Mapping[str, str]:
        """Digest of the file that weights start from."""
        return {"initial_weights": weight_file_digest(self.initial_weights)} if self.initial_weights else {}

    @property
    def receptive_bp(self) -> int:
        """Bases that one position after the last pooling sees."""
        width = 1
        for kernel, pool in zip(reversed(self.kernels), reversed(self.pools), strict=True):
            width = width * pool + kernel - 1
        return width

    @property
    def minimum_bp(self) -> int:
        """Bases of the narrowest window that leaves a position."""
        return self.receptive_bp if self.padding == "valid" else prod(self.pools)

    @property
    def layers_said(self) -> str:
        """The layers that make windows shorter, in words."""
        return f"kernels {', '.join(map(str, self.kernels))} and pools {', '.join(map(str, self.pools))}"

    def positions(self, width_bp: int) -> int:
        """Positions that a window leaves after the last pooling."""
        for kernel, pool in zip(self.kernels, self.pools, strict=True):
            lost = kernel - 1 if self.padding == "valid" else 0
            width_bp = max(0, width_bp - lost) // pool
        return width_bp

    def n_weights(self, contract: Contract) -> int:
        """Return how many weights the model has."""
        channels = (4, *self.filters)
        blocks = zip(channels, self.filters, self.kernels, strict=False)
        n_weights = sum(self.convolved_weights(before, filters, kernel) for before, filters, kernel in blocks)
        positions = self.positions(sequence_of(contract, self.family).width_bp)
        return n_weights + self.tail_weights(contract, positions * channels[-1])
