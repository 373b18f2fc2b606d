"""Score items shard by shard, each by every model that is asked, in any process."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerasac.cache import whole_file
from kerasac.genome.assembly import IntArray
from kerasac.genome.sequence import TokenArray
from kerasac.interpret.both_strands import Ends, Outputs
from kerasac.interpret.effects import Effects, Target
from kerasac.interpret.model_average import BoolArray
from kerasac.models.registry import Parameters
from kerasac.steps.loaded import loaded_models
from kerasac.steps.prediction_data import Reading
from kerasac.steps.sharded import ShardedJob

Scores = npt.NDArray[np.float32]

_CELLS = 1 << 21  # predicted values of a strand that are held at a time


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoringJob(ShardedJob):
    """Items of several sequences each, which are scored against each other.

    ``uses`` (chromosomes, models) bool says which models are asked on each chromosome. A shard's file holds scores,
    (items, models, G, S) float32; NaN by a model that was not asked.
    """

    reading: Reading
    ends: Ends
    effects: Effects
    models: tuple[Path, ...]
    parameters: Parameters
    uses: BoolArray
    seed: int

    @property
    @abstractmethod
    def n_sequences(self) -> int:
        """Sequences of an item."""

    @property
    @abstractmethod
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores, S."""

    @abstractmethod
    def chroms(self, items: IntArray) -> IntArray:
        """Return the chromosome of each item, by its place in the assembly."""

    @abstractmethod
    def scores_of(self, items: IntArray, genome: TokenArray) -> Scores:
        """Score some items, whose sequences come out of a genome's tokens (total_bp,)."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the scores are told of, G."""
        return self.effects.targets

    @property
    def suffix(self) -> str:
        """Ending of the files of shards."""
        return "npy"

    def do(self, shard: int) -> int:
        """Score a shard."""
        items = np.arange(self.n_items)[self.rows(shard)]
        genome = self.reading.source.tokens.open()
        step = max(1, _CELLS // (self.ends.width_out * self.n_sequences))
        blocks = [self.scores_of(items[low : low + step], genome) for low in range(0, len(items), step)]
        with whole_file(self.part(shard)) as beside, beside.open("wb") as file:
            np.save(file, np.concatenate(blocks))
        return len(items)

    def scores(self, shard: int) -> Scores:
        """Return what a finished shard's file holds."""
        found: Scores = np.load(self.part(shard))
        return found

    def by_models(
        self,
        items: IntArray,
        tokens: TokenArray,
        centers: IntArray,
        score: Callable[[Outputs, IntArray], npt.NDArray[np.float64]],
    ) -> Scores:
        """Score items (n,) by every model that is asked of each, (n, models, G, S).

        ``tokens`` (n, sequences, L) are theirs, ``centers`` (n,) the genome rows of their windows' centres. ``score``
        takes what a model says of some items' sequences, one after the other, and the places of these among the n.
        """
        beside, chroms = self.ends.beside(self.reading, centers), self.chroms(items)
        shape = (len(items), len(self.models), len(self.targets), len(self.score_names))
        scores = np.full(shape, np.nan, dtype=np.float32)
        for i, model in enumerate(loaded_models(self.models, self.ends.contract, self.parameters)):
            asked = np.flatnonzero(self.uses[chroms, i])
            if len(asked):
                sequences = tokens[asked].reshape(-1, tokens.shape[2])
                found = self.ends.predict(model, sequences, beside.repeated(self.n_sequences, asked))
                scores[asked, i] = score(found, asked)
        return scores
