from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kerasac.errors import RunError
from kerasac.steps.binned_predictions import (
    BinnedPredictions,
    Kind,
    predictions_path,
    read_binned_predictions,
    write_binned_predictions,
)
from kerasac.steps.calibration import Calibration, Platt
from kerasac.steps.predicted_bins import merged_bins, write_predicted_bins
from kerasac.store.labels.read import BinLabels


def written(
    prefix: Path, chroms: tuple[str, ...], values: list[float], *, first: int = 0, kind: Kind = "classification"
) -> Path:
    """Write bins of the first of these chromosomes."""
    n = len(values)
    start = first + 100 * np.arange(n)
    labels = BinLabels(chroms, np.zeros(n, np.int32), start, start + 200, np.ones((n, 1), np.float32), ("task",))
    write_binned_predictions(prefix, BinnedPredictions(labels, np.array(values, np.float32)[:, None], kind))
    return prefix


def test_folds_follow_each_other_and_keep_their_chromosomes(tmp_path: Path) -> None:
    one = written(tmp_path / "one", ("chr2", "chr1"), [0.1, 0.2])
    other = written(tmp_path / "other", ("chr1",), [0.3])
    merged = merged_bins([[one], [other]], {one: None, other: None})
    assert merged.labels.chrom.tolist() == ["chr2", "chr2", "chr1"]
    assert merged.labels.start.tolist() == [0, 100, 0]
    np.testing.assert_allclose(merged.predicted[:, 0], [0.1, 0.2, 0.3])
    assert merged.kind == "classification"
    write_binned_predictions(tmp_path / "all", merged)
    assert read_binned_predictions(tmp_path / "all").labels.chrom.tolist() == ["chr2", "chr2", "chr1"]


@pytest.mark.parametrize(("kind", "mean"), [("classification", 0.5), ("regression", 0.55)])
def test_seeds_are_averaged_classes_by_their_logits(tmp_path: Path, kind: Kind, mean: float) -> None:
    seeds = [written(tmp_path / "a", ("chr1",), [0.1], kind=kind), written(tmp_path / "b", ("chr1",), [0.9], kind=kind)]
    if kind == "regression":
        seeds = [seeds[0], written(tmp_path / "b", ("chr1",), [1.0], kind=kind)]
    merged = merged_bins([seeds], dict.fromkeys(seeds))
    np.testing.assert_allclose(merged.predicted[0, 0], mean, rtol=1e-5)


def test_each_model_is_calibrated_by_its_own(tmp_path: Path) -> None:
    one = written(tmp_path / "one", ("chr1",), [0.9])
    flat = Calibration("classification", {"task": Platt(0.0, 0.0)}, {"task": 1}, 1, ("chr9",), "abc")
    assert merged_bins([[one]], {one: flat}).predicted[0, 0] == 0.5


def test_seeds_of_other_bins_have_no_average(tmp_path: Path) -> None:
    one = written(tmp_path / "one", ("chr1",), [0.1])
    other = written(tmp_path / "other", ("chr1",), [0.3], first=50)
    with pytest.raises(RunError, match="are not of the same bins"):
        merged_bins([[one, other]], {one: None, other: None})


def test_windows_without_labels_are_a_table_that_pandas_reads(tmp_path: Path) -> None:
    chrom = np.array(["chr1", "chr1", "chr10"])
    starts = np.array([0, 50, 7])
    parts = [np.array([[0.1], [0.2]], np.float32), np.array([[0.3]], np.float32)]
    write_predicted_bins(tmp_path / "p", chrom, starts, starts + 200, parts, ("task",), {"kind": "classification"})
    table = pd.read_hdf(predictions_path(tmp_path / "p"), "data")
    assert table.index.names == ["CHR", "START", "END"]
    assert table.index.tolist() == [("chr1", 0, 200), ("chr1", 50, 250), ("chr10", 7, 207)]
    np.testing.assert_allclose(table["task"], [0.1, 0.2, 0.3])
