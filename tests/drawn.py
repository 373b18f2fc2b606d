"""Make predictions of windows whose counts rise from one to the next, for figures."""

from __future__ import annotations

import dataclasses

import numpy as np

from kerasac.steps.predictions import Predictions


def simulate(n: int = 40, length: int = 60, n_tasks: int = 2, **change: np.ndarray) -> Predictions:
    """Every second window is a peak; counts rise every four windows; logits are noise."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (n, length, n_tasks)).astype(np.float32) * (1 + np.arange(n)[:, None, None] // 4)
    predictions = Predictions(
        chrom=np.full(n, "chr1"),
        center=np.arange(n, dtype=np.int64) * 1000,
        strand=np.full(n, "."),
        is_peak=np.arange(n) % 2 == 0,
        label_profile=counts,
        logits=rng.normal(size=counts.shape).astype(np.float32),
        label_logcount=np.log(counts.sum(axis=1) + 1),
        logcount=np.log(counts.sum(axis=1) + 20),
        tasks=tuple(f"task {i}" for i in range(n_tasks)),
    )
    return dataclasses.replace(predictions, **change)
