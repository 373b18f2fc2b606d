from __future__ import annotations

import math
from pathlib import Path

import pytest
from cut_sites import simulate_cuts, write_random_fasta

from kerasac.steps.plots.shift import shift_evidence, write_shift_plot
from kerasac.store.reads import Assay, Shift, ShiftEvidence, detect_shift


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> ShiftEvidence:
    genome = write_random_fasta(tmp_path_factory.mktemp("plot") / "random.fa")
    return detect_shift(simulate_cuts(genome, Assay.ATAC, 5000, Shift(+4, -5)), genome)


def test_true_ends_are_marked_where_they_lie(evidence: ShiftEvidence) -> None:
    """The true 5' end is the base right of the dashed line."""
    plus, minus, _ = shift_evidence(evidence).axes
    dashed = [line.get_xdata()[0] for ax in (plus, minus) for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed == [-4.5, -5.5]


def test_letters_of_a_base_add_up_to_its_relative_entropy(evidence: ShiftEvidence) -> None:
    ax = shift_evidence(evidence).axes[0]
    extents = [patch.get_path().get_extents() for patch in ax.patches]
    heights = [box.height for box in extents if round((box.x0 + box.x1) / 2) == 0]
    row, background = evidence.plus.frequencies[40], evidence.plus.background
    entropy = sum(f * math.log2(f / q) for f, q in zip(row, background, strict=True))
    assert len(heights) == 4
    assert sum(heights) == pytest.approx(entropy)


def test_figure_is_written_whole(evidence: ShiftEvidence, tmp_path: Path) -> None:
    write_shift_plot(tmp_path / "shift.png", evidence, title="x")
    assert [path.name for path in tmp_path.iterdir()] == ["shift.png"]
