"""Simulate predictions that are right up to some noise, and pseudoreplicates of their labels."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import softmax

from kerasac.steps.predictions import Predictions


def simulate(n: int = 60, length: int = 50, tasks: tuple[str, ...] = ("plus", "minus"), seed: int = 0) -> Predictions:
    """Peaks (even rows) with more counts than background, predictions that are right up to some noise."""
    rng = np.random.default_rng(seed)
    shape = (n, length, len(tasks))
    is_peak = np.arange(n) % 2 == 0
    profile = softmax(rng.normal(size=shape), axis=1)
    size = np.where(is_peak, 60.0, 20.0) * rng.lognormal(0, 0.3, n)
    counts = rng.poisson(profile * size[:, None, None]).astype(np.float32)
    return Predictions(
        chrom=rng.choice(["chr1", "chr2"], n),
        center=rng.permutation(n).astype(np.int64) * 100,
        strand=np.full(n, "."),
        is_peak=is_peak,
        label_profile=counts,
        logits=(np.log(profile) + rng.normal(0, 0.3, shape)).astype(np.float32),
        label_logcount=np.log(counts.sum(axis=1) + 1).astype(np.float32),
        logcount=np.log(size[:, None] + rng.normal(0, 3, (n, len(tasks))) + 1).astype(np.float32),
        tasks=tasks,
        mean_profile=rng.random(shape[1:]).astype(np.float32),
    )


def reorder(predictions: Predictions, rows: np.ndarray) -> Predictions:
    per_window = ("chrom", "center", "strand", "is_peak", "label_profile", "logits", "label_logcount", "logcount")
    return dataclasses.replace(predictions, **{name: getattr(predictions, name)[rows] for name in per_window})


def without_counts(predictions: Predictions, rows: list[int]) -> Predictions:
    counts = predictions.label_profile.copy()
    counts[rows] = 0
    return dataclasses.replace(
        predictions, label_profile=counts, label_logcount=np.log(counts.sum(axis=1) + 1).astype(np.float32)
    )


class Halves:
    """Pseudoreplicates of simulated windows: of each count, one half rounded down and the rest."""

    def read(self, windows: Predictions) -> tuple[np.ndarray, np.ndarray]:
        first = np.floor(windows.label_profile / 2)
        return first, windows.label_profile - first

    def __str__(self) -> str:
        return "halves"
