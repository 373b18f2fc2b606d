"""Average the scores of items over models: over all, or over those that did not see an item's chromosome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from kerasac.genome.assembly import IntArray
from kerasac.interpret.effects import Target

Floats = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


class Scored(Protocol):
    """A finished job whose shards hold scores (items, models, G, S), NaN by models that were not asked."""

    @property
    def n_items(self) -> int:
        """Number of items."""

    @property
    def n_shards(self) -> int:
        """Number of shards."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the scores are told of, G."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores, S."""

    def rows(self, shard: int) -> slice:
        """Return the places of a shard's items."""

    def scores(self, shard: int) -> Floats:
        """Return the scores of a shard."""

    def chroms(self, items: IntArray) -> IntArray:
        """Return the chromosome of each item, by its place in the assembly."""


@dataclass(frozen=True, eq=False)
class ModelSet:
    """Some of the models, whose scores are averaged: ``used`` (chromosomes, models) bool; ``name`` ends its columns."""

    name: str
    used: BoolArray


class Averages(NamedTuple):
    """Scores averaged over a set of models: means and standard deviations (items, G, S); NaN where there is none.

    ``n`` (items,) is the number of models. One model has no standard deviation.
    """

    mean: Floats
    sd: Floats
    n: IntArray


def averages(job: Scored, models: ModelSet) -> Averages:
    """Average the scores of all items over a set of models, shard by shard."""
    shape = (job.n_items, len(job.targets), len(job.score_names))
    found = Averages(np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32), np.zeros(job.n_items, int))
    for shard in range(job.n_shards):
        rows = job.rows(shard)
        items = np.arange(job.n_items)[rows]
        used = models.used[job.chroms(items)]
        scores = job.scores(shard).astype(np.float64)
        n = used.sum(axis=1)
        weight = used[:, :, None, None]
        divisor = np.maximum(n, 1)[:, None, None]
        mean = np.where(weight, scores, 0.0).sum(axis=1) / divisor
        spread = np.where(weight, scores - mean[:, None], 0.0) ** 2
        sd = np.sqrt(spread.sum(axis=1) / np.maximum(n - 1, 1)[:, None, None])
        found.mean[rows] = np.where(n[:, None, None] > 0, mean, np.nan)
        found.sd[rows] = np.where(n[:, None, None] > 1, sd, np.nan)
        found.n[rows] = n
    return found
