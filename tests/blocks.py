"""Make predicted windows without a model, for tests of what is done with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasac.steps.prediction_shards import Block, PredictionFacts

TASKS = ("plus", "minus")
SIZES = {"chr1": 1_000_000, "chr2": 500_000}


def facts(**attrs: Any) -> PredictionFacts:
    return PredictionFacts(TASKS, "log", 1.0, SIZES, attrs)


def block(
    n: int, *, seed: int = 0, length: int = 6, n_tasks: int = 2, labelled: bool = True, first: int = 100
) -> Block:
    """Return n windows, 50 bases apart from ``first``, the second half of them on chr2."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(2, (n, length, n_tasks)).astype(np.float32)
    place = np.arange(n)
    return Block(
        chrom=np.where(place < (n + 1) // 2, "chr1", "chr2"),
        center=first + 50 * place,
        reverse=np.zeros(n, dtype=bool),
        is_peak=place % 2 == 0,
        logits=rng.normal(size=(n, length, n_tasks)).astype(np.float32),
        logcount=rng.normal(3, 1, (n, n_tasks)).astype(np.float32),
        label_profile=counts if labelled else None,
        label_logcount=np.log(counts.sum(axis=1) + 1) if labelled else None,
    )


def part(whole: Block, rows: slice) -> Block:
    """Return some rows of a block."""
    return Block(*(None if column is None else column[rows] for column in whole))
