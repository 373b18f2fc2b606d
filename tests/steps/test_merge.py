from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from blocks import block, facts

from kerasac.errors import RunError
from kerasac.steps.calibration import Calibration, Isotonic
from kerasac.steps.merge import merged_blocks
from kerasac.steps.predict_average import average, average_probabilities
from kerasac.steps.prediction_shards import write_blocks


def seeds(folder: Path, n: int = 2) -> list[Path]:
    paths = [folder / f"{seed}.h5" for seed in range(n)]
    for seed, path in enumerate(paths):
        write_blocks(path, [block(5, seed=seed)._replace(label_profile=None, label_logcount=None)], 5, facts())
    return paths


def test_logits_and_log_counts_of_seeds_are_averaged(tmp_path: Path) -> None:
    (merged,) = merged_blocks(seeds(tmp_path), [None, None])
    one, other = block(5, seed=0), block(5, seed=1)
    np.testing.assert_allclose(merged.logits, (one.logits + other.logits) / 2, rtol=1e-6)
    np.testing.assert_allclose(merged.logcount, (one.logcount + other.logcount) / 2, rtol=1e-6)
    assert merged.raw_logcount is None
    assert np.array_equal(merged.center, one.center)


def test_each_model_is_calibrated_before_the_mean_and_raw_values_are_kept(tmp_path: Path) -> None:
    def constant(value: float) -> Calibration:
        function = Isotonic((0.0,), (value,))
        functions, n = {"plus": function, "minus": function}, {"plus": 5, "minus": 5}
        return Calibration("counts", functions, n, 5, ("chr3",), "abc")

    (merged,) = merged_blocks(seeds(tmp_path), [constant(1.0), constant(2.0)])
    assert (merged.logcount == 1.5).all()
    assert merged.raw_logcount is not None
    np.testing.assert_allclose(merged.raw_logcount, average([block(5, seed=i).logcount for i in (0, 1)]))


def test_files_of_other_windows_have_no_average(tmp_path: Path) -> None:
    paths = seeds(tmp_path)
    write_blocks(tmp_path / "other.h5", [block(5, first=101)], 5, facts())
    with pytest.raises(RunError, match="are not of the same windows"):
        list(merged_blocks([paths[0], tmp_path / "other.h5"], [None, None]))


def test_the_mean_probability_is_that_of_the_mean_logit() -> None:
    found = average_probabilities([np.array([0.5, 0.9, 0.0]), np.array([0.5, 0.1, 0.5])])
    np.testing.assert_allclose(found[:2], 0.5, atol=1e-6)
    assert 0 < found[2] < 1e-15
    assert average([np.array([1.0], dtype=np.float32)]).tolist() == [1.0]
