"""Score variants shard by shard, each by every model that is asked, in any process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasac.cache import digest, file_digest, whole_file
from kerasac.genome.assembly import IntArray
from kerasac.genome.sequence import TokenArray, TokenGenome
from kerasac.interpret.both_strands import Ends
from kerasac.interpret.effects import Effects, Lengths, Target
from kerasac.interpret.loaded import loaded_models
from kerasac.interpret.variant_null import NullDraws
from kerasac.interpret.variant_sequences import AlleleSequences, allele_sequences, first_rows, shuffled_alleles
from kerasac.interpret.variants import BoolArray, Variants
from kerasac.models.registry import Parameters
from kerasac.steps.prediction_data import Reading
from kerasac.steps.sharded import ShardedJob

SHARD_VARIANTS = 256  # 5 models of a small BPNet take a minute for them on two cores
_CELLS = 1 << 21  # predicted values of a strand that are held at a time


@dataclass(frozen=True, eq=False, kw_only=True)
class VariantJob(ShardedJob):
    """Variants, then those that are put into shuffled sequence: the items.

    ``uses`` (chromosomes, models) bool says which models score the variants of each chromosome. A shard's file holds
    scores, (items, models, G, S) float32; NaN by a model that was not asked.
    """

    reading: Reading
    tokens: TokenGenome
    ends: Ends
    effects: Effects
    models: tuple[Path, ...]
    parameters: Parameters
    variants: Variants
    draws: NullDraws
    uses: BoolArray
    seed: int
    shard_items: int = SHARD_VARIANTS

    @property
    def n_items(self) -> int:
        """Variants, and shuffles."""
        return len(self.variants) + len(self.draws)

    @property
    def suffix(self) -> str:
        """Ending of the files of shards."""
        return "npy"

    def do(self, shard: int) -> int:
        """Score a shard."""
        items = np.arange(self.n_items)[self.rows(shard)]
        genome = self.tokens.open()
        step = max(1, _CELLS // (2 * self.ends.width_out))
        blocks = [self._scores(items[low : low + step], genome) for low in range(0, len(items), step)]
        with whole_file(self.part(shard)) as beside, beside.open("wb") as file:
            np.save(file, np.concatenate(blocks))
        return len(items)

    def scores(self, shard: int) -> npt.NDArray[np.float32]:
        """Return what a finished shard's file holds."""
        found: npt.NDArray[np.float32] = np.load(self.part(shard))
        return found

    def variant_rows(self, items: IntArray) -> IntArray:
        """Return which variant each item is of."""
        n = len(self.variants)
        return np.concatenate([items[items < n], self.draws.rows[items[items >= n] - n]])

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the scores are told of, G."""
        return self.effects.targets

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores, S."""
        return self.effects.names

    def chroms(self, items: IntArray) -> IntArray:
        """Return the chromosome of each item, by its place in the assembly."""
        return self.variants.chrom[self.variant_rows(items)]

    def digest(self) -> str:
        """Return 16 hex digits that change with whatever decides the scores."""
        arrays = (self.draws.rows, self.draws.number, self.uses)
        content = hashlib.sha256(b";".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
        return digest(
            {
                "models": [file_digest(path) for path in self.models],
                "variants": [self.variants.digest(), content, self.shard_items, self.seed],
                "data": self.reading.source.content(),
                "ends": [repr(self.ends), repr(self.effects)],
            }
        )

    def _scores(self, items: IntArray, genome: TokenArray) -> npt.NDArray[np.float32]:
        variants = self.variants.take(self.variant_rows(items))
        sequences = self._sequences(items, variants, genome)
        beside = self.ends.beside(self.reading, first_rows(variants, variants.changes(), self.reading.assembly))
        shape = (len(items), len(self.models), len(self.effects.targets), len(self.effects.names))
        scores = np.full(shape, np.nan, dtype=np.float32)
        models = loaded_models(self.models, self.ends.contract, self.parameters)
        for i, model in enumerate(models):
            asked = np.flatnonzero(self.uses[variants.chrom, i])
            if len(asked):
                tokens = sequences.tokens[asked]
                found = self.ends.predict(model, tokens.reshape(-1, tokens.shape[2]), beside.repeated(2, asked))
                lengths = Lengths(sequences.n_ref[asked], sequences.n_alt[asked])
                scores[asked, i] = self.effects.score(
                    found.take(slice(0, None, 2)), found.take(slice(1, None, 2)), lengths
                )
        return scores

    def _sequences(self, items: IntArray, variants: Variants, genome: TokenArray) -> AlleleSequences:
        n, assembly, flank = len(self.variants), self.reading.assembly, self.ends.width_bp // 2
        n_plain = int((items < n).sum())
        plain, shuffled = np.split(np.arange(len(items)), [n_plain])
        numbers = self.draws.number[items[n_plain:] - n]
        parts: Any = zip(
            allele_sequences(variants.take(plain), assembly, genome, flank),
            shuffled_alleles(variants.take(shuffled), numbers, assembly, genome, flank, self.seed),
            strict=True,
        )
        return AlleleSequences(*(np.concatenate(part) for part in parts))
