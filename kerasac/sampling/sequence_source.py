"""Read windows of sequence alone, where a model takes nothing else and no labels are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kerasac.cache import ShardMap, in_process
from kerasac.config import TrackSpec
from kerasac.genome.sequence import TokenGenome
from kerasac.sampling.batches import Array, Batch, Recipe, Signature, read_tokens
from kerasac.sampling.plan import Windows


@dataclass(frozen=True)
class SequenceSource:
    """Stands where :class:`kerasac.sampling.batches.WindowSource` does; it has no outputs."""

    tokens: TokenGenome
    inputs: tuple[TrackSpec, ...]

    in_memory = True  # tokens are looked up in a mapped file

    @property
    def recipe(self) -> Recipe:
        """Inputs are what ``read`` gives."""
        return Recipe(self.inputs, (), {})

    def ensure(self, shards: ShardMap = in_process, *, verify: bool = False) -> None:
        """See that this machine's cache holds the tokens."""
        self.tokens.ensure(shards, verify=verify)

    def folders(self) -> list[Path]:
        """Return the folder of this machine's cache that holds the tokens."""
        return [self.tokens.ensure()]

    def check_unchanged(self) -> None:
        """Nothing to see to: tokens are in the cache under a name that the FASTA's state is part of."""

    def signature(self) -> dict[str, Signature]:
        """Return shape (without the axis of windows) and dtype of every array that ``read`` gives."""
        return {spec.name: Signature((spec.width_bp,), np.dtype(np.uint8)) for spec in self.inputs}

    def read(self, windows: Windows) -> dict[str, Array]:
        """Read tokens, (n, L) uint8, by input name."""
        return {spec.name: read_tokens(self._tokens, windows, spec.flank) for spec in self.inputs}

    def finish(self, raw: dict[str, Array]) -> Batch:
        """Make a batch of what ``read`` gave."""
        return Batch(raw, {})

    def batch(self, windows: Windows) -> Batch:
        """Read and finish."""
        return self.finish(self.read(windows))

    def content(self) -> list[str]:
        """Return what changes when the sequence does."""
        return [self.tokens.content()]

    @cached_property
    def _tokens(self) -> Array:
        return self.tokens.open()

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}
