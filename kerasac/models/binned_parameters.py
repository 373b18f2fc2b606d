"""Check what models of labels of bins have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kerasac.errors import ModelError
from kerasac.models.contract import Contract, Port
from kerasac.models.parameters import (
    Kind,
    Parameters,
    check_share,
    check_sizes,
    convolution_weights,
    norm_weights,
    sequence_of,
)


@dataclass(frozen=True)
class BinnedParameters(Parameters):
    """Parameters of a model that ends in dense layers and one value a task.

    ``dense`` are the sizes of the layers; ``dropout`` is the share of their features dropped while training. With
    ``batch_norm`` all layers but the last are normalised before the ReLU, when predicting by running means and
    variances, of which a training step keeps the share ``norm_momentum``: 0.9 as in Basset's Torch. With Keras's and
    kerasAC's 0.99 they lag behind by hundreds of steps, and so does the first epochs' validation loss.
    """

    kind: ClassVar[Kind] = "bins"

    dense: tuple[int, ...] = (1000, 1000)
    dropout: float = 0.3
    batch_norm: bool = True
    norm_momentum: float = 0.9

    def __post_init__(self) -> None:
        check_sizes("dense", self.dense)
        check_share(dropout=self.dropout, norm_momentum=self.norm_momentum)

    @property
    @abstractmethod
    def minimum_bp(self) -> int:
        """Bases of the narrowest window that leaves a position."""

    @property
    @abstractmethod
    def layers_said(self) -> str:
        """The layers that make windows shorter, in words."""

    def check(self, contract: Contract) -> None:
        """Raise ModelError unless a sequence, at most one input of values, and one output of labels of bins fit."""
        sequence, _ = sequence_of(contract, self.family), contract.input_of("values")
        for port in contract.inputs:
            if port.role not in ("sequence", "values"):
                raise ModelError(
                    f"input {port.name} is {port.role} of tracks; {self.family} takes the sequence and values of bins "
                    "('file')"
                )
        labels = [port for port in contract.outputs if port.role in ("classification", "regression")]
        if len(labels) != 1 or len(contract.outputs) != 1:
            raise ModelError(
                f"{self.family} has one output, labels of bins (kind: classification or regression); "
                f"outputs has {_listed(contract.outputs)}"
            )
        self._check_width(sequence)

    def _check_width(self, sequence: Port) -> None:
        if sequence.width_bp >= self.minimum_bp:
            return
        raise ModelError(
            f"input {sequence.name} of {sequence.width_bp:,} bases is too short for {self.layers_said}, which need "
            f"{self.minimum_bp:,}; set its flank to at least {-(-self.minimum_bp // 2):,}, or use fewer blocks"
        )

    def convolved_weights(self, before: int, filters: int, kernel: int) -> int:
        """Return the weights of a convolution (of a dense layer, with a kernel of 1) and its normalisation."""
        norm = norm_weights(filters) if self.batch_norm else 0
        return convolution_weights(before, filters, kernel) + norm

    def tail_weights(self, contract: Contract, features: int) -> int:
        """Return the weights of the dense layers and the head, after so many features."""
        n_weights = 0
        for size in self.dense:
            n_weights += self.convolved_weights(features, size, 1)
            features = size
        values = contract.input_of("values")
        features += values.n_tracks if values is not None else 0
        return n_weights + convolution_weights(features, contract.outputs[0].n_tracks, 1)


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(f"{port.name} ({port.role})" for port in ports) or "none"
