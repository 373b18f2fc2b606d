from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from modisco_made import Made, write_modisco

from kerasac.errors import InterpretError
from kerasac.interpret.motifs.patterns import read_patterns

EVEN = np.full((5, 4), 0.25)


def test_patterns_are_read_by_sign_and_number(tmp_path: Path) -> None:
    made = {f"pos_patterns/pattern_{i}": Made(EVEN, [(i, 0, 5, False)] * (i + 1)) for i in range(12)}
    made["neg_patterns/pattern_0"] = Made(EVEN, [(3, 1, 6, True)], sign=-1)
    found = read_patterns(write_modisco(tmp_path / "m.h5", made, window_bp=300))
    names = [pattern.name for pattern in found.patterns]
    assert names == [*(f"pos_patterns.pattern_{i}" for i in range(12)), "neg_patterns.pattern_0"]
    assert [pattern.n_seqlets for pattern in found.patterns] == [*range(1, 13), 1]
    assert [pattern.is_positive for pattern in found.patterns] == [True] * 12 + [False]
    assert found.window_bp == 300
    seqlets = found.patterns[-1].seqlets
    assert seqlets is not None
    assert [column.tolist() for column in seqlets] == [[3], [1], [6], [True]]
    np.testing.assert_array_equal(found.patterns[-1].contributions, -EVEN)


def test_no_pattern_of_a_sign_or_of_both_is_no_error(tmp_path: Path) -> None:
    assert not read_patterns(write_modisco(tmp_path / "m.h5", {})).patterns
    with h5py.File(tmp_path / "n.h5", "w") as file:
        file.create_group("neg_patterns")
    assert not read_patterns(tmp_path / "n.h5").patterns


def test_positions_where_nothing_is_known_are_even(tmp_path: Path) -> None:
    frequencies = np.array([[0.0, 0, 0, 0], [0.5, 0, 0, 0]])
    made = {"pos_patterns/pattern_0": Made(frequencies, [(0, 0, 2, False)])}
    (pattern,) = read_patterns(write_modisco(tmp_path / "m.h5", made)).patterns
    assert pattern.probabilities.tolist() == [[0.25] * 4, [1, 0, 0, 0]]


def test_what_is_no_file_of_modisco_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("x")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["hyp_scores"] = np.zeros(3)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.create_group("metacluster_idx_to_submetacluster_results")
    with h5py.File(tmp_path / "half.h5", "w") as file:
        file["pos_patterns/pattern_0/sequence"] = EVEN
    for name, message in (
        ("none.h5", "does not exist"),
        ("text.h5", "not a readable HDF5"),
        ("other.h5", "holds no patterns of modisco .* but hyp_scores"),
        ("old.h5", "modisco convert -i old.h5"),
        ("half.h5", "has no contrib_scores, seqlets"),
    ):
        with pytest.raises(InterpretError, match=message):
            read_patterns(tmp_path / name)
