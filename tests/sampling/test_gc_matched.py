"""Background windows of an experiment that asks for the GC content of its peaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tiny import ASSEMBLY, tiny_experiment

from kerasac.genome.sequence import token_genome
from kerasac.sampling.regions import find_candidates
from kerasac.store.schema import read_layout


def test_gc_matched_negatives_have_the_gc_content_of_the_regions(tiny_folder: Path) -> None:
    experiment = tiny_experiment(tiny_folder, sampling={"negatives": {"gc_matched": True, "ratio": 0.5}})
    found = find_candidates(experiment, read_layout(str(experiment.store)))
    assert found.regions is not None
    assert found.negatives is not None
    tokens = token_genome(experiment.genome.fasta, ASSEMBLY).open()
    flank = experiment.widest_flank

    def gc(centers: np.ndarray) -> np.ndarray:
        return np.array([np.isin(tokens[c - flank : c + flank], (1, 2)).mean() for c in centers.tolist()])

    assert len(found.negatives) == 2 * len(found.regions)
    assert abs(gc(found.negatives.middle).mean() - gc(found.regions.middle).mean()) < 0.01
    assert found.background.contains(found.negatives.middle).all()
    again = find_candidates(experiment, read_layout(str(experiment.store)))
    assert found.digest() == again.digest()
