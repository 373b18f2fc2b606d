from __future__ import annotations

import numpy as np
import pytest

from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.sampling.match_spec import MatchSpec
from kerasac.sampling.negatives import match_negatives
from kerasac.steps.plots.gc import gc_distributions


@pytest.mark.parametrize("tolerance", [0.001, 0.02, 0.5])
def test_both_distributions_and_what_is_missing_are_drawn(tolerance: float) -> None:
    rng = np.random.default_rng(0)
    tokens = (rng.random(20_000) < 0.5).astype(np.uint8)
    peaks = np.arange(100, 4_000, 50)
    allowed = Spans(np.array([5_000]), np.array([8_000]))
    spec = MatchSpec(width_bp=50, tolerance=tolerance, stride_bp=50)
    found = match_negatives(tokens, Assembly(("chr1",), (20_000,)), allowed, peaks, spec)
    left, right = gc_distributions(found, spec, title="run").axes
    shares = {patch.get_label(): patch.get_data().values for patch in left.patches}
    assert {name: pytest.approx(1) for name in ("candidates", "peaks", "negatives")} == {
        name: values.sum() for name, values in shares.items()
    }
    counts = {patch.get_label(): patch.get_data().values.sum() for patch in right.patches}
    assert counts == {"wanted": 78, "missing": found.n_missing}
    assert right.get_title(loc="left") == f"Missing  ({found.n_missing} of 78)"
    low, high = left.get_xlim()
    assert low <= found.peak_gc.mean() <= high
