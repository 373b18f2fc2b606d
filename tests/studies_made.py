"""Make studies whose answer is known, without any training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kerasac.steps.study_results import StudyResult, Tried, UnitResult

OBJECTIVE = "peaks.jsd_distance_mean"
KEYS = ("training.learning_rate", "model.filters", "loss.counts", "model.dilations")


def unit(objective: float | None, epochs: int = 10, **options: Any) -> UnitResult:
    """A unit with a falling validation loss that ends at 100 × its objective."""
    end = 60.0 if objective is None or not math.isfinite(objective) else 100 * objective
    history = tuple((e, end + 30 * math.exp(-e / 3) - 1, end + 30 * math.exp(-e / 3)) for e in range(1, epochs + 1))
    return UnitResult(objective, epochs, seconds=2.0 * epochs, history=history, **options)


def tried(
    name: str, scores: Sequence[Sequence[float | None]], *, rank: int | None = 1, epochs: int = 10, **options: Any
) -> Tried:
    """A configuration with scores by fold and seed."""
    units = {
        f"fold-{f}/seed-{s}": unit(score, epochs) for f, row in enumerate(scores) for s, score in enumerate(row, 1)
    }
    options = {"values": {}, "state": "complete", "level": f"{len(scores)} folds, {epochs} epochs"} | options
    return Tried(name=name, units=units, rank=rank, **options)


def study(*configurations: Tried, **options: Any) -> StudyResult:
    """A study of configurations, lower is better."""
    settled: dict[str, Any] = {
        "name": "made",
        "objective_key": OBJECTIVE,
        "objective_title": "Profile distance, peaks",
        "better": "lower",
        "scored_on": "the validation chromosomes of each fold",
        "keys": ("model.filters",),
        "epochs_trained": sum(one.epochs for one in configurations),
    }
    return StudyResult(tried=configurations, **(settled | options))


def raced(n: int, *, seed: int = 0, n_folds: int = 3) -> StudyResult:
    """A study of n configurations of four keys, of which racing keeps a quarter; filters hardly matter.

    The objective is lowest at a learning rate of 0.003 and counts weights near 10; the first is the default.
    """
    rng = np.random.default_rng(seed)
    values = [{} if i == 0 else _drawn(rng) for i in range(n)]
    quality = [_quality(one) for one in values]
    kept = set(np.argsort(quality)[: max(1, math.ceil(n / 4))].tolist()) | {0}
    half = set(np.argsort(quality)[: max(1, math.ceil(n / 2))].tolist()) | kept
    made = []
    for i, one in enumerate(values):
        folds, cap = (n_folds, 40) if i in kept else (2, 12) if i in half else (1, 4)
        made.append(_one(f"trial-{i:03d}", one, quality[i], folds, cap, rng, is_default=i == 0))
    done = sorted((one for one in made if one.state == "complete"), key=lambda one: one.summary.mean or 1)
    ranked = [replace(one, rank=rank) for rank, one in enumerate(done, 1)]
    dropped = sorted((one for one in made if one.state == "dropped"), key=lambda one: -one.epochs)
    return study(
        *ranked,
        *dropped,
        name="yeast-atac, race",
        keys=KEYS,
        epochs_of_grid=n * n_folds * 40,
        phases={
            "check": 2.1,
            "decode": 8.0,
            "start-up": 14.2,
            "training": 5210.0,
            "validation": 320.0,
            "verdict": 4.0,
            "waiting": 65.0,
        },
        seconds=3120.0,
        scored_to_train=0.3,
        notes=("trial-003: fold-1/seed-1 was started again after its process died",) if n > 3 else (),
    )


def _drawn(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "training.learning_rate": float(f"{10 ** rng.uniform(-4, -1.5):.4g}"),
        "model.filters": int(rng.choice([32, 64, 128])),
        "loss.counts": [1, 3, 10, 30, 100, "auto"][int(rng.integers(6))],
        "model.dilations": [[1, 2, 4], [1, 2, 4, 8, 16], None][int(rng.integers(3))],
    }


def _quality(values: Mapping[str, Any]) -> float:
    rate = math.log10(values.get("training.learning_rate", 0.001) / 0.003)
    weight = values.get("loss.counts", "auto")
    counts = math.log10((10 if weight == "auto" else weight) / 10)
    return 0.55 + 0.03 * rate**2 + 0.01 * counts**2 + 0.0005 * (values.get("model.filters") == 32)


def _one(
    name: str, values: Mapping[str, Any], quality: float, folds: int, cap: int, rng: np.random.Generator, **options: Any
) -> Tried:
    units = {}
    for fold in range(folds):
        end = quality + 0.01 * fold + float(rng.normal(0, 0.002))
        epochs = int(rng.integers(18, cap)) if cap == 40 else cap
        earlier = tuple((at, end + 0.08 * math.exp(-at / 4)) for at in (4, 12) if at < epochs)
        score = end if cap == 40 else end + 0.08 * math.exp(-epochs / 4)
        units[f"fold-{fold}/seed-1"] = unit(score, epochs, earlier=earlier)
    state = "complete" if cap == 40 else "dropped"
    level = f"{folds} fold{'s' * (folds > 1)}, {cap} epochs"
    return Tried(name, values, units, None, state, level, **options)  # type: ignore[arg-type]
