"""Score variants, and the same changes in shuffled sequence, shard by shard."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasac.cache import digest, file_digest
from kerasac.genome.assembly import IntArray
from kerasac.genome.sequence import TokenArray
from kerasac.interpret.both_strands import Outputs
from kerasac.interpret.effects import Lengths
from kerasac.interpret.scoring_job import Scores, ScoringJob
from kerasac.interpret.variant_null import NullDraws
from kerasac.interpret.variant_sequences import AlleleSequences, allele_sequences, first_rows, shuffled_alleles
from kerasac.interpret.variants import Variants

SHARD_VARIANTS = 256  # 5 models of a small BPNet take a minute for them on two cores


@dataclass(frozen=True, eq=False, kw_only=True)
class VariantJob(ScoringJob):
    """Variants, then those that are put into shuffled sequence: the items, two alleles each."""

    variants: Variants
    draws: NullDraws
    shard_items: int = SHARD_VARIANTS

    n_sequences = 2

    @property
    def n_items(self) -> int:
        """Variants, and shuffles."""
        return len(self.variants) + len(self.draws)

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores, S."""
        return self.effects.names

    def variant_rows(self, items: IntArray) -> IntArray:
        """Return which variant each item is of."""
        n = len(self.variants)
        return np.concatenate([items[items < n], self.draws.rows[items[items >= n] - n]])

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
                "data": self.reading.content(),
                "ends": [repr(self.ends), repr(self.effects)],
            }
        )

    def scores_of(self, items: IntArray, genome: TokenArray) -> Scores:
        """Score some items: the alternate allele against the reference."""
        variants = self.variants.take(self.variant_rows(items))
        sequences = self._sequences(items, variants, genome)

        def score(found: Outputs, asked: IntArray) -> npt.NDArray[np.float64]:
            lengths = Lengths(sequences.n_ref[asked], sequences.n_alt[asked])
            return self.effects.score(found.take(slice(0, None, 2)), found.take(slice(1, None, 2)), lengths)

        centers = first_rows(variants, variants.changes(), self.reading.assembly)
        return self.by_models(items, sequences.tokens, centers, score)

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
