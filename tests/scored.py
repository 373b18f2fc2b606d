"""Make run folders that hold nothing but scores, with values a test chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEFINITIONS = {
    "counts_pearson": "Pearson correlation of log(count + 1) over windows; higher is better.",
    "jsd_distance_mean": "Jensen–Shannon distance, mean; lower is better.",
    "jsd_distance_uniform": "Jensen–Shannon distance of a uniform profile; a floor that a model has to come below.",
}
Values = Mapping[tuple[int, int], float | None]


def one_seed(values: Mapping[int, float | None]) -> Values:
    """Values by fold, of seed 1."""
    return {(fold, 1): value for fold, value in values.items()}


def fold_table(n: int) -> dict[str, dict[str, list[str]]]:
    """n folds of one test chromosome each: chr0 of fold 0, chr1 of fold 1, …; the next is validation."""
    return {
        str(k): {
            "train": [f"chr{c}" for c in range(n) if c not in (k, (k + 1) % n)],
            "valid": [f"chr{(k + 1) % n}"],
            "test": [f"chr{k}"],
        }
        for k in range(n)
    }


def write_run(
    folder: Path,
    values: Values,
    *,
    metric: str = "counts_pearson",
    windows: str = "peaks",
    folds: Mapping[str, Any] | None = None,
    experiment: Mapping[str, Any] | None = None,
    n_windows: int = 100,
    uniform: float = 0.7,
    **scores: Any,
) -> Path:
    """Write a run with one value a (fold, seed); ``scores`` replace what scores.json holds."""
    seeds = list(dict.fromkeys(seed for _, seed in values))
    folder.mkdir(parents=True)
    (folder / "folds.json").write_text(json.dumps(fold_table(5) if folds is None else folds))
    (folder / "experiment.yaml").write_text(
        yaml.safe_dump({"name": folder.name, "seeds": seeds} | dict(experiment or {}))
    )
    for (fold, seed), value in values.items():
        unit = folder / f"fold-{fold}" / f"seed-{seed}"
        unit.mkdir(parents=True)
        sets: dict[str, Any] = {"peaks": {"jsd_distance_uniform": uniform}, "all": {}}
        sets[windows][metric] = value
        document = {"windows": sets, "tasks": {"t": sets}, "definitions": DEFINITIONS}
        document["n"] = {name: {"n_windows": n_windows} for name in sets}
        (unit / "scores.json").write_text(json.dumps(document | scores))
    return folder
