"""Say what Basset can be set to and what windows fit it, without building it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kerasac.errors import ModelError, suggest
from kerasac.models.contract import Contract, Port

_LAYOUTS = ("1d", "2d")
_PADDINGS = ("valid", "same")


@dataclass(frozen=True)
class BassetParameters:
    """Basset: blocks of convolution and max pooling, dense layers, and one value a task.

    Block i has ``filters[i]`` filters of ``kernels[i]`` positions, and takes the maximum of every ``pools[i]``
    positions (1 = no pooling). ``dense`` are the sizes of the layers after them; ``dropout`` the share of their
    features dropped while training. With ``batch_norm`` all of them are normalised before the ReLU, when predicting by
    running means and variances, of which a training step keeps the share ``norm_momentum``: 0.9 as in Basset's Torch.
    With Keras's and kerasAC's 0.99 they lag behind by hundreds of steps, and so does the first epochs' validation loss.
    ``layout`` ``2d`` makes the same model of 2-D convolutions (1 x kernel), whose weights have one axis more.

    Sizes: a valid convolution takes kernel - 1 positions, pooling of p leaves a p-th, rounded down. 1,000 bases give
    327, 79 and 18 positions; the bases that rounding leaves over at the right end are not seen.

    Source: Kelley et al. 2016 (Basset), whose sizes are the defaults, as in kerasAC (``functional_basset_*``). kerasAC
    trains with ``padding`` valid, or same with published initial weights. Its ``functional_fbasset`` is filters 48, 64,
    100, 150, 300, 200, 200, 200, 200 of kernels 3, 3, 3, 7, 7, 7, 3, 3, 7 with pools 1, 1, 1, 1, 3, 1, 1, 4, 4.
    """

    filters: tuple[int, ...] = (300, 200, 200)
    kernels: tuple[int, ...] = (19, 11, 7)
    pools: tuple[int, ...] = (3, 4, 4)
    dense: tuple[int, ...] = (1000, 1000)
    dropout: float = 0.3
    batch_norm: bool = True
    norm_momentum: float = 0.9
    padding: str = "valid"
    layout: str = "1d"

    def __post_init__(self) -> None:
        for name in ("filters", "kernels", "pools", "dense"):
            _check_sizes(name, getattr(self, name))
        if not len(self.filters) == len(self.kernels) == len(self.pools) > 0:
            raise ModelError(
                f"model.filters has {len(self.filters)} numbers, model.kernels {len(self.kernels)} and model.pools "
                f"{len(self.pools)}; give each one number a convolution (a pool of 1 does nothing)"
            )
        for share in ("dropout", "norm_momentum"):
            if not 0 <= getattr(self, share) < 1:
                raise ModelError(f"model.{share} is {getattr(self, share)}; it must be in 0 … 1, 1 excluded")
        for name, known in (("padding", _PADDINGS), ("layout", _LAYOUTS)):
            value = getattr(self, name)
            if value not in known:
                raise ModelError(f"model.{name} is {value!r}{suggest(value, known)}")

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
        if self.padding == "valid":
            return self.receptive_bp
        narrowest = 1
        for pool in self.pools:
            narrowest *= pool
        return narrowest

    def positions(self, width_bp: int) -> int:
        """Positions that a window leaves after the last pooling."""
        for kernel, pool in zip(self.kernels, self.pools, strict=True):
            lost = kernel - 1 if self.padding == "valid" else 0
            width_bp = max(0, width_bp - lost) // pool
        return width_bp

    def check(self, contract: Contract) -> None:
        """Raise ModelError unless a sequence, at most one input of values, and one output of labels of bins fit."""
        sequence, _ = contract.input_of("sequence"), contract.input_of("values")
        if sequence is None:
            raise ModelError("basset needs an input with 'source: seq'")
        for port in contract.inputs:
            if port.role not in ("sequence", "values"):
                raise ModelError(
                    f"input {port.name} is {port.role} of tracks; basset takes the sequence and values of bins ('file')"
                )
        labels = [port for port in contract.outputs if port.role in ("classification", "regression")]
        if len(labels) != 1 or len(contract.outputs) != 1:
            raise ModelError(
                f"basset has one output, labels of bins (kind: classification or regression); "
                f"outputs has {_listed(contract.outputs)}"
            )
        self._check_width(sequence)

    def _check_width(self, sequence: Port) -> None:
        if sequence.width_bp >= self.minimum_bp:
            return
        raise ModelError(
            f"input {sequence.name} of {sequence.width_bp:,} bases is too short for kernels "
            f"{', '.join(map(str, self.kernels))} and pools {', '.join(map(str, self.pools))}, which need "
            f"{self.minimum_bp:,}; set its flank to at least {-(-self.minimum_bp // 2):,}, or use fewer blocks"
        )


def _check_sizes(name: str, sizes: Sequence[object]) -> None:
    for size in sizes:
        if type(size) is not int or size < 1:
            raise ModelError(f"model.{name} has {size!r}; it is a list of whole numbers from 1 up")


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(f"{port.name} ({port.role})" for port in ports) or "none"
