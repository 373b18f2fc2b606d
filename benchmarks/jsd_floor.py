"""Print how near 0 a profile distance can come at a run's sequencing depth.

    python benchmarks/jsd_floor.py runs/yeast-atac

Observed counts are a sample: even the true profile lies some distance from them. For every peak, counts are drawn from
the model's own profile at the observed depth and scored against that profile, which is what a perfect model would get
if the truth were as the model says. Distances are given as Jensen-Shannon distance (square root, natural log) and as
divergence in bits (no square root, base 2).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import softmax

from kerasac.steps.predictions import Predictions, read_predictions
from kerasac.steps.score import score


def resampled(predictions: Predictions, *, seed: int = 0) -> Predictions:
    """Replace the observed counts by a sample of as many from the predicted profile."""
    rng = np.random.default_rng(seed)
    profile = softmax(predictions.logits.astype(np.float64), axis=1)
    depth = predictions.label_profile.sum(axis=1).round().astype(np.int64)
    drawn = rng.multinomial(depth, np.moveaxis(profile, 1, 2))
    return replace(predictions, label_profile=np.moveaxis(drawn, 2, 1).astype(np.float32))


def distances(predictions: Predictions) -> dict[str, tuple[float, float]]:
    """Return (distance in nats, divergence in bits) of peaks, for the model and its floors."""
    scores = score(predictions)
    peaks = next(iter(scores.profiles.values())).take(predictions.is_peak[scores.rows])
    named = {"model": peaks.jsd, "mean profile": peaks.jsd_mean_profile, "uniform": peaks.jsd_uniform}
    return {name: (float(np.nanmean(d)), float(np.nanmean(d**2) / np.log(2))) for name, d in named.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    files = sorted(parser.parse_args().run.glob("fold-*/seed-*/predictions.h5"))
    rows: dict[str, list[tuple[float, float]]] = {}
    for file in files:
        predictions = read_predictions(file)
        for name, values in distances(predictions).items():
            rows.setdefault(name, []).append(values)
        rows.setdefault("a true model", []).append(distances(resampled(predictions))["model"])
    print(f"{'':14}  distance (nats)  divergence (bits)   over {len(files)} units")
    for name, values in rows.items():
        distance, bits = np.mean(values, axis=0)
        print(f"{name:14}  {distance:15.3f}  {bits:17.3f}")


if __name__ == "__main__":
    main()
