"""Window sums against the plain sum of each window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import write_tracks

from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.store import window_totals as room
from kerasac.store.schema import StoreLayout, read_layout
from kerasac.store.slabs import Track
from kerasac.store.window_totals import window_totals

ASSEMBLY = Assembly(("chr1", "chr2", "chr3"), (300, 200, 9))
FLANK = 5


@pytest.fixture
def values() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    plus = rng.poisson(3, ASSEMBLY.total_bp).astype(np.float32)
    plus[40:44] = np.nan
    return {"plus": plus, "minus": rng.poisson(1, ASSEMBLY.total_bp).astype(np.float32)}


@pytest.fixture
def layout(tmp_path: Path, values: dict[str, np.ndarray]) -> StoreLayout:
    write_tracks(tmp_path / "s.tdb", ASSEMBLY, {"d": values})
    return read_layout(str(tmp_path / "s.tdb"))


@pytest.mark.parametrize("stretch_bp", [7, 64, 1000])
def test_every_window_is_its_plain_sum(
    layout: StoreLayout, values: dict[str, np.ndarray], stretch_bp: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_STRETCH_BP", stretch_bp)
    centers = Spans.from_bounds(np.array([20, 33, 290]), np.array([30, 120, 310]))
    both = np.nan_to_num(values["plus"]).astype(np.float64) + values["minus"]
    # chr1 ends at row 300: centres 296 … 304 would take bases of two chromosomes.
    kept = [row for row in centers.rows_at(np.arange(centers.total_bp)).tolist() if not 295 < row < 305]
    expected = [both[row - FLANK : row + FLANK].sum() for row in kept]
    found = window_totals(layout, [Track("d", "plus"), Track("d", "minus")], centers, FLANK)
    np.testing.assert_allclose(found, expected)


def test_spans_are_compared_as_a_whole_only_once(layout: StoreLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for every stretch: there may be hundreds of thousands of spans, and hundreds of stretches."""
    intersect, calls = Spans.intersect, []
    monkeypatch.setattr(room, "_STRETCH_BP", 10)
    monkeypatch.setattr(Spans, "intersect", lambda ours, theirs: (calls.append(ours), intersect(ours, theirs))[1])
    centers = Spans.from_bounds(np.array([20, 33, 290]), np.array([30, 120, 310]))
    window_totals(layout, [Track("d", "plus")], centers, FLANK)
    assert len(calls) == 1


def test_chromosome_shorter_than_a_window_has_none(layout: StoreLayout) -> None:
    chr3 = Spans.of_chromosomes(["chr3"], ASSEMBLY)
    assert len(window_totals(layout, [Track("d", "plus")], chr3, FLANK)) == 0
