"""Show what factoring the enzyme's bias out does, on a simulated genome whose unbiased truth is known.

    python benchmarks/bias_correction.py

Two cross-validations of the same experiment, without and with ``bias:``, on a genome cut by an enzyme of twice the
usual preference. Then, at the elements with planted motifs of the held-out chromosomes, the Jensen-Shannon distance
between each model's profile and the accessibility that was simulated, before the enzyme's preference.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy.spatial.distance import jensenshannon

from kerasac.config import Experiment
from kerasac.genome.simulate import Simulation
from kerasac.genome.simulate.chromosome import accessibility, simulate_chrom
from kerasac.models.backend import prepare_backend
from kerasac.runs.bias_stage import CORRECTED
from kerasac.runs.crossval import cross_validate
from kerasac.runs.embedded import embedded_experiment
from kerasac.sampling.plan import windows_at
from kerasac.steps.prepare import prepare

SIMULATION = Simulation(bias_strength=2.0, background_rate=0.2)
BIAS = "bias={model: {architecture: bpnet, filters: 24, dilated_layers: 1, first_kernel: 21, profile_kernel: 25}}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, help="keep the runs here")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    settings = (f"training.epochs={arguments.epochs}", "folds.n=3", "training.patience=10")
    experiments = {
        "without": embedded_experiment(settings, SIMULATION),
        "with": embedded_experiment((*settings, BIAS), SIMULATION),
    }
    with tempfile.TemporaryDirectory() as scratch:
        runs = {name: (arguments.out or Path(scratch)) / name for name in experiments}
        for name, experiment in experiments.items():
            cross_validate(experiment, runs[name], console=Console())
        models = {
            "without bias": (runs["without"], "model.keras"),
            "with bias, observed": (runs["with"], "model.keras"),
            "with bias, corrected": (runs["with"], CORRECTED),
        }
        distances = measure(experiments["without"], models)
    for name, values in distances.items():
        print(f"{name:22} {np.mean(values):.4f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.4f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({name: float(np.mean(values)) for name, values in distances.items()}))


def measure(experiment: Experiment, models: dict[str, tuple[Path, str]]) -> dict[str, list[float]]:
    """Return the mean distance to the truth over the elements of each fold's test chromosomes, by model."""
    prepare_backend()
    from kerasac.models.checkpoint import load_model

    prepared = prepare(experiment)
    flank = experiment.output_flank
    found: dict[str, list[float]] = {}
    for fold in prepared.folds:
        centers, truth = _truth(prepared.assembly, fold.test, flank)
        batch = prepared.source.batch(windows_at(centers, is_peak=True))
        profiles = {"uniform": np.ones_like(truth), "observed counts": batch.outputs["profile"] + 1e-9}
        for name, (run, file) in models.items():
            model = load_model(run / f"fold-{fold.index}" / f"seed-{experiment.seeds[0]}" / file)
            profiles[name] = np.exp(model.predict(batch.inputs, batch_size=256, verbose=0)["profile"])
        for name, profile in profiles.items():
            # Natural logarithm, over positions, (n, T): what scores call jsd_distance.
            found.setdefault(name, []).append(float(jensenshannon(profile, truth, axis=1).mean()))
    return found


def _truth(assembly: Any, chroms: tuple[str, ...], flank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the middles of the elements, genome rows (n,), and the accessibility around them, (n, L, 2)."""
    centers, profiles = [], []
    for index, name in enumerate(SIMULATION.chrom_sizes):
        if name not in chroms:
            continue
        drawn = simulate_chrom(SIMULATION, index)
        rates = accessibility(drawn.elements, len(drawn.tokens), SIMULATION.background_rate)
        offset = int(assembly.offsets[assembly.names.index(name)])
        for element in drawn.elements:
            middle = (element.start + element.end) // 2
            if element.sites and flank <= middle - flank and middle + 2 * flank < len(drawn.tokens):
                centers.append(offset + middle)
                profiles.append(rates[:, middle - flank : middle + flank].T)
    return np.array(centers), np.array(profiles)


if __name__ == "__main__":
    main()
