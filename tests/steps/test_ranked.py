"""What ranks windows is found in every place where predictions lie."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasac.errors import ScoreError
from kerasac.steps.binned_predictions import BinnedPredictions, Kind, write_binned_predictions
from kerasac.steps.predictions import Predictions, write_predictions
from kerasac.steps.ranked import find_sources, read_ranked
from kerasac.store.labels.read import BinLabels

LABELS = np.array([[1, 0], [np.nan, 1], [0, 1], [1, 0]], dtype=np.float32)
PREDICTED = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]], dtype=np.float32)


def write_bins(prefix: Path, kind: Kind = "classification", labels: np.ndarray = LABELS) -> Path:
    start = np.arange(len(labels)) * 100
    made = BinLabels(("chr1",), np.zeros(len(labels), dtype=np.int32), start, start + 1000, labels, ("a", "b"))
    prefix.parent.mkdir(parents=True, exist_ok=True)
    write_binned_predictions(prefix, BinnedPredictions(made, PREDICTED, kind))
    return prefix


def write_windows(path: Path, is_peak: tuple[bool, ...] = (True, False, True)) -> Path:
    n = len(is_peak)
    profile = np.ones((n, 4, 2), dtype=np.float32)
    counts = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_predictions(
        path,
        Predictions(np.full(n, "chr1"), np.arange(n), np.full(n, "."), np.array(is_peak), profile, profile,
                    counts, counts, ("plus", "minus")),
    )  # fmt: skip
    return path


def test_bins_are_ranked_by_probability_without_the_ambiguous(tmp_path: Path) -> None:
    (source,) = find_sources([write_bins(tmp_path / "test")])
    kind, tasks = source.read("test")
    assert kind == "positive bins"
    assert tasks["a"].positive.tolist() == [True, False, True]
    assert tasks["a"].predicted.tolist() == PREDICTED[[0, 2, 3], 0].tolist()
    assert tasks["b"].positive.tolist() == [False, True, True, False]


@pytest.mark.parametrize("ending", [".predictions.0", ".labels.0"])
def test_either_table_of_bins_may_be_named(tmp_path: Path, ending: str) -> None:
    write_bins(tmp_path / "test")
    (source,) = find_sources([tmp_path / f"test{ending}"])
    assert source.read(f"test{ending}")[1].keys() == {"a", "b"}


def test_windows_are_ranked_by_their_count_peaks_against_background(tmp_path: Path) -> None:
    (source,) = find_sources([write_windows(tmp_path / "predictions.h5")])
    kind, tasks = source.read("predictions.h5")
    assert kind == "peaks"
    assert tasks["minus"].predicted.tolist() == [1, 3, 5]
    assert tasks["minus"].positive.tolist() == [True, False, True]


def test_predictions_of_chrombpnet_need_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "chrombpnet_predictions.h5"
    with h5py.File(path, "w") as file:
        file["coords/coords_chrom"] = np.full(3, b"chr1")
        file["coords/coords_center"] = np.arange(3)
        file["coords/coords_peak"] = np.array([1, 0, 1])
        file["predictions/profs"] = np.full((3, 4), 0.25, dtype=np.float32)
        file["predictions/logcounts"] = np.array([3, 1, 2], dtype=np.float32)
    kind, tasks = read_ranked(path)
    (ranked,) = tasks.values()
    assert (kind, ranked.predicted.tolist(), ranked.positive.tolist()) == ("peaks", [3, 1, 2], [True, False, True])


def test_a_runs_units_are_those_that_are_predicted_in_the_order_of_folds(tmp_path: Path) -> None:
    for fold in (10, 2):
        write_bins(tmp_path / "run" / f"fold-{fold}" / "seed-1" / "test")
    (tmp_path / "run" / "fold-3" / "seed-1").mkdir(parents=True)
    (source,) = find_sources([tmp_path / "run"])
    assert (source.name, list(source.units)) == ("run", ["fold-2/seed-1", "fold-10/seed-1"])
    (one,) = find_sources([tmp_path / "run" / "fold-10" / "seed-1"])
    assert (one.name, list(one.units)) == ("run/fold-10/seed-1", ["fold-10/seed-1"])


def test_names_are_as_short_as_they_differ(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "other"]
    for path in paths:
        write_windows(path / "fold-0" / "seed-1" / "predictions.h5")
    assert [source.name for source in find_sources(paths)] == ["a/run", "b/run", "other"]
    assert [source.name for source in find_sources(paths[:2], ["x", "y"])] == ["x", "y"]


def test_what_is_no_source_is_said(tmp_path: Path) -> None:
    path = write_windows(tmp_path / "p.h5")
    (tmp_path / "empty").mkdir()
    for paths, names, message in [
        ([tmp_path / "gone"], [], "gone is neither a run's folder"),
        ([tmp_path / "empty"], [], "empty is no run with predicted units"),
        ([path, path], [], "p.h5 is given more than once"),
        ([path], ["x", "y"], r"2 names \(x, y\) for 1 sources"),
    ]:
        with pytest.raises(ScoreError, match=message):
            find_sources(paths, names)


def test_windows_and_values_without_two_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match=r"all 2 windows of .*p\.h5 are peaks"):
        read_ranked(write_windows(tmp_path / "p.h5", (True, True)))
    with pytest.raises(ScoreError, match=r"labels of .*values are values, not classes"):
        find_sources([write_bins(tmp_path / "values", "regression", LABELS * 0.5)])[0].read("values")
