"""Say what residual networks of bins can be set to and what windows fit them, without building them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from kerasac.errors import ModelError
from kerasac.models.binned_parameters import BinnedParameters
from kerasac.models.contract import Contract
from kerasac.models.parameters import check_lengths, check_sizes, sequence_of


class Stage(NamedTuple):
    """A convolution (kernel 0 = none), residual blocks of the kernels of ``inner``, and pooling."""

    filters: int
    kernel: int
    blocks: int
    inner: tuple[int, ...]
    pool: int


@dataclass(frozen=True)
class ResNetParameters(BinnedParameters):
    """ResNet: stages of a convolution, residual blocks and max pooling, then dense layers, and one value a task.

    Stage i has a valid convolution of ``filters[i]`` filters and ``kernels[i]`` positions (0 = none), then
    ``blocks[i]`` residual blocks, each of padded convolutions of the kernels ``inner[i]`` added to what entered the
    block, then max pooling of ``pools[i]``. Every convolution is followed by normalisation and ReLU, the last of a
    block by the ReLU after the sum; with ``preactivation`` they come before the convolutions of the blocks, and once
    more at the end of each stage. ``dense``, ``dropout``, ``batch_norm`` and ``norm_momentum`` as in ``basset``.

    Source: He et al. 2016 (both forms), with the sizes of kerasAC's ``resnet`` as defaults; presets have those of its
    ``resnet_simple`` and ``resnet_simple_full_preactivation``.
    """

    family: ClassVar[str] = "resnet"

    filters: tuple[int, ...] = (48, 64, 128, 200, 200, 200)
    kernels: tuple[int, ...] = (3, 3, 3, 1, 0, 7)
    blocks: tuple[int, ...] = (0, 2, 2, 2, 2, 0)
    inner: tuple[tuple[int, ...], ...] = ((), (3, 3), (7, 7), (7, 3, 3), (7, 7), ())
    pools: tuple[int, ...] = (1, 1, 3, 4, 1, 4)
    preactivation: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        lists = {name: getattr(self, name) for name in ("filters", "kernels", "blocks", "inner", "pools")}
        check_lengths("give each stage one", **lists)
        for name, least in (("filters", 1), ("kernels", 0), ("blocks", 0), ("pools", 1)):
            check_sizes(name, lists[name], least=least)
        for kernels in self.inner:
            if not isinstance(kernels, tuple):
                raise ModelError(f"model.inner has {kernels!r}; it is a list of lists of kernels, one a stage")
            check_sizes("inner", kernels)
        self._check_stages()

    def _check_stages(self) -> None:
        channels = 4
        for number, stage in enumerate(self.stages(), start=1):
            if stage.blocks and not stage.inner:
                raise ModelError(f"model.blocks asks for blocks in stage {number}, whose model.inner has no kernels")
            if not stage.kernel and stage.filters != channels:
                raise ModelError(
                    f"stage {number} has no convolution (model.kernels is 0), so its filters are the {channels} of the "
                    f"stage before; model.filters says {stage.filters}"
                )
            channels = stage.filters

    def stages(self) -> Iterator[Stage]:
        """Yield the stages in order."""
        yield from map(Stage, self.filters, self.kernels, self.blocks, self.inner, self.pools)

    @property
    def receptive_bp(self) -> int:
        """Bases that one position after the last pooling sees."""
        width = 1
        for stage in reversed(list(self.stages())):
            padded = stage.blocks * sum(kernel - 1 for kernel in stage.inner)
            width = width * stage.pool + padded + max(0, stage.kernel - 1)
        return width

    @property
    def minimum_bp(self) -> int:
        """Bases of the narrowest window that leaves a position."""
        width = 1
        for stage in reversed(list(self.stages())):
            width = width * stage.pool + max(0, stage.kernel - 1)
        return width

    @property
    def layers_said(self) -> str:
        """The layers that make windows shorter, in words."""
        return f"kernels {', '.join(map(str, self.kernels))} and pools {', '.join(map(str, self.pools))}"

    def positions(self, width_bp: int) -> int:
        """Positions that a window leaves after the last pooling."""
        for stage in self.stages():
            width_bp = max(0, width_bp - max(0, stage.kernel - 1)) // stage.pool
        return width_bp

    def n_weights(self, contract: Contract) -> int:
        """Return how many weights the model has."""
        n_weights, channels = 0, 4
        for stage in self.stages():
            entry = self.convolved_weights(channels, stage.filters, stage.kernel) if stage.kernel else 0
            inner = sum(self.convolved_weights(stage.filters, stage.filters, kernel) for kernel in stage.inner)
            n_weights += entry + stage.blocks * inner
            # Before a block's convolution or after it, each has one norm; the end of a pre-activated stage has one
            # more, its first convolution none.
            if self.preactivation and not stage.kernel and self.batch_norm:
                n_weights += 4 * stage.filters
            channels = stage.filters
        positions = self.positions(sequence_of(contract, self.family).width_bp)
        return n_weights + self.tail_weights(contract, positions * channels)
