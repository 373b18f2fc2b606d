"""Candidates on four small chromosomes, with a peak every 500 bases, for tests of plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kerasac.genome.assembly import Assembly
from kerasac.genome.folds import rotated_folds
from kerasac.genome.intervals import Spans
from kerasac.sampling.regions import Candidates, Centers

ASSEMBLY = Assembly(("chr1", "chr2", "chr3", "chr4"), (10_000, 8_000, 6_000, 4_000))
FLANK = 50
FOLDS = rotated_folds([[name] for name in ASSEMBLY.names])
FOLD = FOLDS[0]

POSITIONS = {"peaks": {"attribute": "peak", "ratio": 0.75}, "train_size": 400, "valid_size": 100}
REGIONS = {"regions": {"bed": "r.bed", "jitter": 10}, "negatives": {"ratio": 0.5}}


def spans(pairs: list[tuple[int, int]]) -> Spans:
    """Return spans of (start, end) pairs."""
    starts, ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Spans.from_bounds(starts, ends)


# A peak of 20 bases every 500, and no background within 100 of it.
PEAKS = np.concatenate(
    [offset + np.arange(500, size - 400, 500) for offset, size in zip(ASSEMBLY.offsets, ASSEMBLY.sizes, strict=True)]
)
BACKGROUND = spans([(peak + 100, peak + 300) for peak in PEAKS.tolist()])


def candidates(setting: dict[str, Any], **changes: Any) -> Candidates:
    """Return the candidates of a setting; ``changes`` replace fields."""
    at_regions = "regions" in setting
    found = Candidates(
        assembly=ASSEMBLY,
        positions=None if at_regions else Spans.from_bounds(PEAKS - 10, PEAKS + 10),
        regions=Centers(PEAKS, PEAKS + 1) if at_regions else None,
        excluded=Spans.empty(),
        background=BACKGROUND,
        negatives=None,
        test_peaks=Centers(PEAKS, PEAKS + 1),
        skipped={},
    )
    return replace(found, **changes)
