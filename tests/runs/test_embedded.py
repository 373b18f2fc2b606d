"""The simulated default recovers its truth: what `kerasac-ray cv` without an experiment promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kerasac.genome.simulate import Simulation, genome_files, read_truth
from kerasac.runs.embedded import embedded_experiment, simulated_genome
from kerasac.runs.trial import run_unit
from kerasac.runs.unit import Share, Unit
from kerasac.sampling.plan import Windows
from kerasac.steps.predictions import read_predictions
from kerasac.steps.prepare import PreparedWindows, prepare
from kerasac.steps.score import Scores, score

pytestmark = [pytest.mark.keras, pytest.mark.slow]


class Trained(NamedTuple):
    prepared: PreparedWindows
    unit: Unit
    scores: Scores


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One fold of the default, exactly as the command trains it."""
    prepared = prepare(embedded_experiment(("training.epochs=4",)))
    unit = Unit(prepared.folds[0], 1234, str(tmp_path_factory.mktemp("run")))
    failures: list[Any] = []
    run_unit(
        prepared, unit, Share(threads=2, samplers=0), lambda e: failures.append(e) if e["event"] == "failed" else None
    )
    assert not failures
    return Trained(prepared, unit, score(read_predictions(unit.folder / "predictions.h5")))


def test_held_out_counts_are_predicted(trained: Trained) -> None:
    counts = trained.scores.windows["all"]["counts_pearson"]
    assert counts is not None
    assert counts >= 0.7


def test_held_out_profiles_are_nearer_than_the_mean_profile(trained: Trained) -> None:
    peaks = trained.scores.windows["peaks"]
    jsd, floor = peaks["jsd_distance_mean"], peaks["jsd_distance_mean_profile"]
    assert jsd is not None
    assert floor is not None
    assert jsd < 0.85 * floor


def test_taking_the_planted_motifs_away_lowers_the_predicted_counts(trained: Trained) -> None:
    prepared, unit = trained.prepared, trained.unit
    windows = prepared.plan(unit.fold, unit.seed).test()
    peaks = windows.take(windows.is_peak)
    tokens = prepared.source.batch(peaks).inputs["sequence"]
    inside, beside = _motif_bases(prepared, peaks, tokens.shape[1])
    rng = np.random.default_rng(0)
    predicted = {
        name: _log_counts(unit, _shuffled(tokens, mask, rng)) for name, mask in (("in", inside), ("by", beside))
    }
    intact = _log_counts(unit, tokens)
    fall, control = intact - predicted["in"], intact - predicted["by"]
    assert fall.mean() > 1, "motifs shuffled: the counts fall more than e-fold"
    assert (fall > 0).mean() > 0.95
    assert abs(control.mean()) < 0.25 * fall.mean(), "as many bases beside the motifs shuffled: little happens"


def _motif_bases(prepared: PreparedWindows, peaks: Windows, width: int) -> tuple[Any, Any]:
    """Mark, in each window, the bases of planted motifs, and as many bases that lie well beside any."""
    assembly = prepared.layout.assembly
    planted = np.zeros(assembly.total_bp, dtype=bool)
    for site in read_truth(genome_files(simulated_genome(Simulation())).truth):
        if site.strength > 0:
            offset = int(assembly.offsets[assembly.index(site.chrom)])
            planted[offset + site.start : offset + site.end] = True
    inside = np.stack([planted[center - width // 2 : center + width // 2] for center in peaks.center])
    shifted = np.roll(inside, 30, axis=1)
    return inside, shifted & ~inside


def _shuffled(tokens: Any, mask: Any, rng: np.random.Generator) -> Any:
    changed = tokens.copy()
    changed[mask] = rng.permutation(tokens[mask])
    return changed


def _log_counts(unit: Unit, tokens: Any) -> Any:
    from kerasac.models.checkpoint import load_model

    model = load_model(Path(unit.folder) / "model.keras")
    return model.predict({"sequence": tokens}, batch_size=256, verbose=0)["logcount"].mean(axis=1)
