"""Predict backgrounds with and without motifs, shard by shard, in any process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from kerasac.cache import digest, file_digest, whole_file
from kerasac.genome.assembly import IntArray
from kerasac.genome.sequence import TokenArray
from kerasac.interpret.both_strands import Ends, Outputs
from kerasac.interpret.effects import Effects, Lengths, ProfileEffects
from kerasac.interpret.marginal_design import Design
from kerasac.interpret.references import dinucleotide_shuffles
from kerasac.models.registry import Parameters
from kerasac.steps.count_space import counts_of
from kerasac.steps.loaded import loaded_models
from kerasac.steps.prediction_data import Reading
from kerasac.steps.sharded import ShardedJob

Floats = npt.NDArray[np.float64]

SHARD_SEQUENCES = 1024  # each is predicted on both strands
_CELLS = 1 << 21  # predicted values of a strand that are held at a time


class MarginalPart(NamedTuple):
    """What the backgrounds of a shard give.

    ``effects`` (backgrounds, models, conditions, G, S) float32, each against the background itself; ``footprints``
    (conditions, W, T) float64, predicted counts a base summed over backgrounds and models, of the conditions without
    pairs; empty of bins.
    """

    effects: npt.NDArray[np.float32]
    footprints: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class MarginalJob(ShardedJob):
    """Backgrounds, the items: genome rows of their centres (n,), and the number of the shuffle of each, (n,)."""

    reading: Reading
    ends: Ends
    effects: Effects
    models: tuple[Path, ...]
    parameters: Parameters
    design: Design
    centers: IntArray
    numbers: IntArray
    seed: int

    @property
    def n_items(self) -> int:
        """Number of backgrounds."""
        return len(self.centers)

    @property
    def suffix(self) -> str:
        """Ending of the files of shards."""
        return "npz"

    def do(self, shard: int) -> int:
        """Predict the backgrounds of a shard."""
        genome = self.reading.source.tokens.open()
        places = np.arange(self.n_items)[self.rows(shard)]
        step = max(1, _CELLS // (self.ends.width_out * len(self.design.conditions)))
        parts = [self._predicted(places[low : low + step], genome) for low in range(0, len(places), step)]
        effects = np.concatenate([part.effects for part in parts])
        footprints = np.sum([part.footprints for part in parts], axis=0)
        with whole_file(self.part(shard)) as beside, beside.open("wb") as file:
            np.savez(file, effects=effects, footprints=footprints)
        return len(places)

    def result(self) -> MarginalPart:
        """Join the finished shards: effects of all backgrounds, and the mean footprints."""
        effects: list[npt.NDArray[np.float32]] = []
        total: Floats = np.zeros(())
        for path in self.parts():
            with np.load(path) as part:
                effects.append(part["effects"])
                total = total + part["footprints"]
        return MarginalPart(np.concatenate(effects), total / (self.n_items * len(self.models)))

    def digest(self) -> str:
        """Return 16 hex digits that change with whatever decides the results."""
        arrays: list[npt.NDArray[Any]] = [self.centers, self.numbers]
        arrays += [array for motif in self.design.motifs for array in (motif.probabilities, motif.free)]
        content = hashlib.sha256(b";".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
        return digest(
            {
                "models": [file_digest(path) for path in self.models],
                "motifs": [(motif.name, motif.letters) for motif in self.design.motifs],
                "design": [content, self.design.pairs, self.shard_items, self.seed],
                "data": self.reading.content(),
                "ends": [repr(self.ends), repr(self.effects)],
            }
        )

    def _predicted(self, places: IntArray, genome: TokenArray) -> MarginalPart:
        """Predict some backgrounds in all conditions."""
        sequences = np.stack([self._sequences(place, genome) for place in places.tolist()])
        n, n_conditions, width = sequences.shape
        beside = self.ends.beside(self.reading, self.centers[places]).repeated(n_conditions)
        effects, footprints = [], []
        for model in loaded_models(self.models, self.ends.contract, self.parameters):
            found = self.ends.predict(model, sequences.reshape(-1, width), beside)
            scores = self._effects(found, n)
            effects.append(scores.reshape(n, n_conditions, *scores.shape[1:]))
            footprints.append(self._footprints(found, n))
        return MarginalPart(np.stack(effects, axis=1).astype(np.float32), np.sum(footprints, axis=0))

    def _sequences(self, place: int, genome: TokenArray) -> TokenArray:
        """Return one background in all conditions, (conditions, L)."""
        center, number, flank = int(self.centers[place]), int(self.numbers[place]), self.ends.width_bp // 2
        rng = np.random.default_rng([self.seed, center, number])
        around = np.ascontiguousarray(genome[center - flank : center + flank])
        return self.design.sequences(dinucleotide_shuffles(around, 1, rng)[0], rng)

    def _effects(self, found: Outputs, n: int) -> Floats:
        """Score each of n backgrounds' conditions against its first."""
        n_conditions = len(found.values) // n
        first = np.arange(len(found.values)) // n_conditions * n_conditions
        none = np.zeros(len(first), dtype=np.int64)
        return self.effects.score(found.take(first), found, Lengths(none, none))

    def _footprints(self, found: Outputs, n: int) -> Floats:
        """Return predicted counts a base, summed over n backgrounds: (conditions without pairs, W, T)."""
        if found.logits is None or not isinstance(self.effects, ProfileEffects):
            return np.zeros((self.design.n_single, 0, 0))
        shares = softmax(found.logits.astype(np.float64), axis=1)
        counts = shares * counts_of(found.values, self.effects)[:, None, :]
        total = counts.reshape(n, -1, *counts.shape[1:]).sum(axis=0)
        return np.asarray(total[: self.design.n_single])
