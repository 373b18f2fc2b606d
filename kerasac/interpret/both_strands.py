"""Predict sequences on both strands, and average what the two say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.config import Experiment
from kerasac.errors import ConfigError
from kerasac.genome.sequence import TokenArray, reverse_complement
from kerasac.models.contract import Contract, contract_of
from kerasac.sampling.batches import strand_partners
from kerasac.sampling.plan import Windows, windows_at
from kerasac.steps.predict_average import average, average_probabilities
from kerasac.steps.prediction_data import Reading
from kerasac.store.slabs import Track

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]
BATCH = 256  # windows that a model takes at a time


class Outputs(NamedTuple):
    """What a model says of n windows, the mean of both strands', as seen on the forward strand.

    ``values`` (n, T) float32: log counts, or the values of bins. ``logits`` (n, W, T) float32 of
    profiles; None of bins.
    """

    values: Array
    logits: Array | None

    def take(self, rows: slice | npt.NDArray[np.int64]) -> Outputs:
        """Return some of the windows."""
        return Outputs(self.values[rows], None if self.logits is None else self.logits[rows])


class Beside(NamedTuple):
    """Inputs beside the sequence, by name, (n, …) each: as the forward strand has them, and as the reverse strand."""

    forward: dict[str, Array]
    reverse: dict[str, Array]

    def repeated(self, times: int, rows: npt.NDArray[np.int64] | slice = slice(None)) -> Beside:
        """Return the inputs of some windows, each ``times`` times in a row."""
        return Beside(*({name: np.repeat(values[rows], times, axis=0) for name, values in one.items()} for one in self))


@dataclass(frozen=True)
class Ends:
    """What goes into a model and comes out, and which track is which one's other strand.

    ``partner`` (T,): the place of the track that takes each one's place on the reverse strand.
    """

    contract: Contract
    partner: tuple[int, ...]

    @property
    def sequence(self) -> str:
        """Name of the input of tokens."""
        port = self.contract.input_of("sequence")
        assert port is not None, "every architecture takes a sequence"
        return port.name

    @property
    def width_bp(self) -> int:
        """Bases of the sequence."""
        return next(port.width_bp for port in self.contract.inputs if port.name == self.sequence)

    @property
    def width_out(self) -> int:
        """Values that come out a window."""
        return sum(math.prod(port.shape) for port in self.contract.outputs)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tracks, or of the tasks of bins."""
        return self.contract.outputs[0].tasks

    def beside(self, reading: Reading, centers: npt.NDArray[np.int64]) -> Beside:
        """Read the inputs beside the sequence, as control tracks, around genome rows (n,)."""
        if all(port.role == "sequence" for port in self.contract.inputs):
            return Beside({}, {})
        strands = (windows_at(centers, is_peak=False, reverse=reverse) for reverse in (False, True))
        return Beside(*(self._tracks(reading, windows) for windows in strands))

    def predict(self, model: keras.Model, tokens: TokenArray, beside: Beside) -> Outputs:
        """Predict sequences (n, L) and their reverse complements, in one call."""
        both = {self.sequence: np.concatenate([tokens, reverse_complement(tokens)])}
        for name, forward in beside.forward.items():
            both[name] = np.concatenate([forward, beside.reverse[name]])
        found: Mapping[str, Array] = model.predict(both, batch_size=BATCH, verbose=0)
        n, partner = len(tokens), list(self.partner)
        logits = None
        for port in self.contract.outputs:
            forward, reverse = found[port.name][:n], found[port.name][n:]
            if port.role == "profile":
                logits = average([forward, reverse[:, ::-1, partner]])
            elif port.role == "classification":
                values = average_probabilities([forward, reverse[:, partner]])
            else:
                values = average([forward, reverse[:, partner]])
        return Outputs(values, logits)

    def _tracks(self, reading: Reading, windows: Windows) -> dict[str, Array]:
        read = reading.source.batch(windows).inputs
        return {port.name: read[port.name] for port in self.contract.inputs if port.role != "sequence"}


def ends_of(experiment: Experiment) -> Ends:
    """Say what goes in and comes out of an experiment's models.

    Raises
    ------
    ConfigError
        When profile and counts are of other tracks, so that no effect on a track can be told.
    """
    contract = contract_of(experiment)
    first, *others = contract.outputs
    for port in others:
        if port.tasks != first.tasks:
            raise ConfigError(
                f"output {first.name} is of {', '.join(first.tasks)}, {port.name} of {', '.join(port.tasks)}; effects "
                "of sequence need a model whose outputs are of the same tracks"
            )
    spec = next(spec for spec in experiment.outputs if spec.name == first.name)
    if spec.is_binned:
        return Ends(contract, tuple(range(len(first.tasks))))
    return Ends(contract, strand_partners([Track(*channel) for channel in experiment.channels(spec)]))
