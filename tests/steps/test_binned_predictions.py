from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kerasac.errors import ScoreError, StoreError
from kerasac.steps import binned_predictions as room
from kerasac.steps.binned_predictions import BinnedPredictions, read_binned_predictions, write_binned_predictions
from kerasac.store.labels import table as table_room
from kerasac.store.labels.read import BinLabels

NAN = float("nan")
LABELS = BinLabels(
    chroms=("chrII", "chrI"),
    chrom_index=np.array([0, 0, 1], dtype=np.int32),
    start=np.array([0, 50, 0]),
    end=np.array([1000, 1050, 1000]),
    values=np.array([[0, 1], [1, NAN], [NAN, 0]], dtype=np.float32),
    tasks=("K562", "GM12878"),
    settings={"version": 1, "approach": "peak_summit_in_bin_classification"},
)
PREDICTED = np.array([[0.1, 0.9], [0.8, 0.5], [0.25, 0]], dtype=np.float32)
MADE = BinnedPredictions(LABELS, PREDICTED, "classification")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("step", [1, 1 << 22])
def test_write_then_read_is_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(room, "_WRITE_CELLS", step)
    monkeypatch.setattr(table_room, "_READ_BYTES", step)
    write_binned_predictions(tmp_path / "fold" / "test", MADE)
    read = read_binned_predictions(tmp_path / "fold" / "test")
    np.testing.assert_array_equal(read.predicted, PREDICTED)
    np.testing.assert_array_equal(read.labels.values, LABELS.values)
    for name in ("chrom", "start", "end", "tasks"):
        np.testing.assert_array_equal(getattr(read.labels, name), getattr(LABELS, name))
    assert read.kind == "classification"
    assert read.labels.settings.items() >= LABELS.settings.items()
    assert files(tmp_path / "fold") == ["test.labels.0", "test.predictions.0"]


def test_pandas_reads_the_tables_as_kerasacs(tmp_path: Path) -> None:
    pytest.importorskip("tables", reason="pandas reads HDF5 by it")
    write_binned_predictions(tmp_path / "test", MADE, output=1)
    for name, values in (("labels", LABELS.values), ("predictions", PREDICTED)):
        frame = pd.read_hdf(tmp_path / f"test.{name}.1", "data")
        assert isinstance(frame, pd.DataFrame)
        assert list(frame.index.names) == ["CHR", "START", "END"]
        assert frame.index.tolist() == [("chrII", 0, 1000), ("chrII", 50, 1050), ("chrI", 0, 1000)]
        assert list(frame.columns) == ["K562", "GM12878"]
        np.testing.assert_array_equal(frame.to_numpy(), values)


def test_numbered_columns_are_integers_in_pandas(tmp_path: Path) -> None:
    pytest.importorskip("tables", reason="pandas reads HDF5 by it")
    write_binned_predictions(tmp_path / "test", MADE, numbered=True)
    for name, values in (("labels", LABELS.values), ("predictions", PREDICTED)):
        frame = pd.read_hdf(tmp_path / f"test.{name}.0", "data")
        assert isinstance(frame, pd.DataFrame)
        assert all(isinstance(column, int | np.integer) for column in frame.columns)
        for i in (0, 1):
            np.testing.assert_array_equal(frame[i].to_numpy(), values[:, i])
    assert read_binned_predictions(tmp_path / "test").labels.tasks == ("0", "1")


@pytest.mark.parametrize("named", ["labels", "predictions"])
def test_numbered_columns_have_the_names_of_the_other_file(tmp_path: Path, named: str) -> None:
    write_binned_predictions(tmp_path / "test", MADE, numbered=True)
    write_binned_predictions(tmp_path / "other", MADE)
    (tmp_path / f"other.{named}.0").replace(tmp_path / f"test.{named}.0")
    read = read_binned_predictions(tmp_path / "test")
    assert read.labels.tasks == LABELS.tasks
    np.testing.assert_array_equal(read.predicted, PREDICTED)
    np.testing.assert_array_equal(read.labels.values, LABELS.values)


@pytest.mark.parametrize("columns", [[0, 1], ["K562", "GM12878"]])
def test_kerasacs_own_tables_are_read(tmp_path: Path, columns: list[Any]) -> None:
    pytest.importorskip("tables", reason="pandas writes HDF5 by it")
    index = pd.MultiIndex.from_tuples(
        [("chrII", 0, 1000), ("chrII", 50, 1050), ("chrI", 0, 1000)], names=["CHR", "START", "END"]
    )
    for name, values in (("labels", LABELS.values), ("predictions", PREDICTED)):
        for rows in (slice(0, 2), slice(2, 3)):  # appended batch by batch, as it does
            frame = pd.DataFrame(values[rows], index=index[rows], columns=columns)
            path = tmp_path / f"test.{name}.0"
            frame.to_hdf(path, key="data", mode="a", append=True, format="table", min_itemsize={"CHR": 30})
    read = read_binned_predictions(tmp_path / "test")
    assert (read.labels.tasks, read.kind) == (tuple(map(str, columns)), None)
    assert read.labels.chrom.tolist() == ["chrII", "chrII", "chrI"]
    np.testing.assert_array_equal(read.predicted, PREDICTED)
    np.testing.assert_array_equal(read.labels.values, LABELS.values)


def test_predictions_of_minus_one_stay_numbers(tmp_path: Path) -> None:
    # In old label files it means ambiguous.
    constant = BinnedPredictions(replace(LABELS, values=PREDICTED), np.full_like(PREDICTED, -1), "regression")
    write_binned_predictions(tmp_path / "test", constant)
    assert (read_binned_predictions(tmp_path / "test").predicted == -1).all()


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    write_binned_predictions(tmp_path / "test", MADE)
    monkeypatch.setattr(room, "_WRITE_CELLS", 4)  # two pieces a file
    calls, append = iter(range(1, 9)), room.append_rows

    def append_rows(*args: Any) -> None:
        if next(calls) == fails_at:
            raise OSError("No space left on device")
        append(*args)

    monkeypatch.setattr(room, "append_rows", append_rows)
    with pytest.raises(OSError, match="No space"):
        write_binned_predictions(tmp_path / "test", replace(MADE, predicted=1 - PREDICTED))
    np.testing.assert_array_equal(read_binned_predictions(tmp_path / "test").predicted, PREDICTED)
    assert files(tmp_path) == ["test.labels.0", "test.predictions.0"]


def test_old_predictions_are_never_beside_new_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_binned_predictions(tmp_path / "test", MADE)
    seen = []
    rename = Path.replace

    def replace_file(self: Path, target: Path) -> Path:
        seen.append((target.name, files(tmp_path)))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace_file)
    write_binned_predictions(tmp_path / "test", MADE)
    assert [name for name, _ in seen] == ["test.labels.0", "test.predictions.0"]
    assert all("test.predictions.0" not in there for _, there in seen)


def write_pair(folder: Path, predictions: BinnedPredictions) -> None:
    """Labels of ``MADE``, and predictions of another run."""
    write_binned_predictions(folder / "test", MADE)
    write_binned_predictions(folder / "other", predictions)
    (folder / "other.predictions.0").replace(folder / "test.predictions.0")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (replace(LABELS, start=np.array([0, 60, 0])), "bin 1 of .* is chrII:60-1050, of its labels chrII:50-1050"),
        (replace(LABELS, chroms=("chrII", "chrIX")), "bin 2 of .* is chrIX:0-1000, of its labels chrI:0-1000"),
        (replace(LABELS, tasks=("GM12878", "K562")), "has tasks GM12878, K562, its labels K562, GM12878"),
    ],
)
def test_files_of_two_runs_are_refused(tmp_path: Path, labels: BinLabels, expected: str) -> None:
    write_pair(tmp_path, replace(MADE, labels=labels))
    with pytest.raises(ScoreError, match=expected):
        read_binned_predictions(tmp_path / "test")


def test_files_of_different_length_are_refused(tmp_path: Path) -> None:
    shorter = replace(LABELS, **{name: getattr(LABELS, name)[:2] for name in ("chrom_index", "start", "end", "values")})
    write_pair(tmp_path, BinnedPredictions(shorter, PREDICTED[:2], None))
    with pytest.raises(ScoreError, match="has 2 bins, its labels 3"):
        read_binned_predictions(tmp_path / "test")


@pytest.mark.parametrize("missing", ["labels", "predictions"])
def test_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    write_binned_predictions(tmp_path / "test", MADE)
    (tmp_path / f"test.{missing}.0").unlink()
    with pytest.raises(ScoreError, match=rf"test\.{missing}\.0 does not exist; give the prefix"):
        read_binned_predictions(tmp_path / "test")


def test_damaged_file_is_named(tmp_path: Path) -> None:
    write_binned_predictions(tmp_path / "test", MADE)
    (tmp_path / "test.predictions.0").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(StoreError, match=r"test\.predictions\.0 is not a whole HDF5 file"):
        read_binned_predictions(tmp_path / "test")


@pytest.mark.parametrize(
    ("labels", "predicted", "expected"),
    [
        (LABELS, PREDICTED[:2], r"predictions have shape \(2, 2\), their labels \(3, 2\)"),
        (replace(LABELS, tasks=(), values=np.zeros((3, 0))), np.zeros((3, 0)), "there are 3 bins of 0 tasks"),
    ],
)
def test_what_is_no_set_of_predictions_is_refused(labels: BinLabels, predicted: Any, expected: str) -> None:
    with pytest.raises(ScoreError, match=expected):
        BinnedPredictions(labels, predicted, "regression")
