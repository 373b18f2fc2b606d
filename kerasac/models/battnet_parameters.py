"""Say what BattNet can be set to and what windows fit it, without building it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kerasac.models.binned_parameters import BinnedParameters
from kerasac.models.contract import Contract
from kerasac.models.parameters import check_at_least, check_share


@dataclass(frozen=True)
class BattNetParameters(BinnedParameters):
    """BattNet: a recurrent layer in both directions, one head of attention over positions, dense layers.

    ``units`` are those of the GRU in each direction, ``input_dropout`` the share of the bases it is not shown while
    training. The attention of a position is the softmax, over positions, of a dense layer of ``attention`` features
    and one of a single one, both with ReLU; the features of the positions are summed by these weights. ``dense``,
    ``dropout``, ``batch_norm`` and ``norm_momentum`` as in ``basset``.

    A recurrent layer takes a step a base: on a CPU windows of 1,000 bases are slow. DeepSHAP cannot follow one;
    gradients and in-silico mutagenesis can.

    Source: kerasAC (``battnet``), whose sizes are the defaults.
    """

    family: ClassVar[str] = "battnet"

    dense: tuple[int, ...] = (512, 512)
    units: int = 512
    attention: int = 1024
    input_dropout: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, units=self.units, attention=self.attention)
        check_share(input_dropout=self.input_dropout)

    @property
    def receptive_bp(self) -> None:
        """The whole window: every position sees all bases."""
        return

    @property
    def minimum_bp(self) -> int:
        """Bases of the narrowest window."""
        return 1

    @property
    def layers_said(self) -> str:
        """The layers that make windows shorter: none does."""
        return "a recurrent layer"

    def n_weights(self, contract: Contract) -> int:
        """Return how many weights the model has: a GRU's gates have two biases each."""
        gru = 3 * (4 * self.units + self.units * self.units + 2 * self.units)
        attention = self.convolved_weights(2 * self.units, self.attention, 1) + self.attention + 1
        return 2 * gru + attention + self.tail_weights(contract, 2 * self.units)
