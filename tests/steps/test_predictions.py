import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasac.cache import whole_file
from kerasac.errors import ScoreError
from kerasac.steps.predictions import Predictions, read_predictions, write_predictions


def predictions(n: int = 7, length: int = 12, tasks: tuple[str, ...] = ("plus", "minus")) -> Predictions:
    rng = np.random.default_rng(0)
    shape = (n, length, len(tasks))
    return Predictions(
        chrom=np.array([f"chr{1 + i % 3}" for i in range(n)], dtype=str),
        center=np.arange(n, dtype=np.int64) * 1000 + 500,
        strand=np.array([".pr"[i % 3] for i in range(n)], dtype=str),
        is_peak=np.arange(n) % 2 == 0,
        label_profile=rng.poisson(2.0, shape).astype(np.float32),
        logits=rng.normal(size=shape).astype(np.float32),
        label_logcount=rng.normal(size=(n, len(tasks))).astype(np.float32),
        logcount=rng.normal(size=(n, len(tasks))).astype(np.float32),
        tasks=tasks,
        transform="log",
        pseudocount=1.0,
        mean_profile=rng.random(shape[1:]).astype(np.float32),
        attrs={"fold": "0"},
    )


@pytest.mark.parametrize("tasks", [("plus", "minus"), ("cuts",)])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_write_then_read_is_identity(tmp_path: Path, n: int, tasks: tuple[str, ...]) -> None:
    written = predictions(n=n, tasks=tasks)
    write_predictions(tmp_path / "fold" / "predictions.h5", written)
    read = read_predictions(tmp_path / "fold" / "predictions.h5")
    for field in dataclasses.fields(Predictions):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(written, field.name), err_msg=field.name)
    assert read.logits.dtype == np.float32
    assert [path.name for path in (tmp_path / "fold").iterdir()] == ["predictions.h5"]


def test_file_has_the_keys_and_types_that_kerasac_reads(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.h5", predictions())
    with h5py.File(tmp_path / "p.h5") as file:
        assert file["coords"].dtype == "S256"
        assert file["coords"][1].tolist() == [b"chr2", b"1500", b"p"]
        assert file["lab_0"].shape == file["pred_0"].shape == (7, 12, 2)
        assert file["lab_1"].shape == file["pred_1"].shape == (7, 2)
        assert file.attrs["tasks"].tolist() == ["plus", "minus"]
        named = {name: file.attrs[name] for name in ("fold", "format_version", "pseudocount", "transform")}
        assert named == {"fold": "0", "format_version": 1, "pseudocount": 1.0, "transform": "log"}


@pytest.mark.parametrize("n", [1, 5])
def test_squeezed_axes_of_one_task_are_put_back(tmp_path: Path, n: int) -> None:
    one = predictions(n=n, tasks=("cuts",))
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["coords"] = np.stack([one.chrom, one.center.astype(str), one.strand], axis=1).astype("S256")
        for key, array in {"lab_0": one.label_profile, "pred_0": one.logits, "lab_1": one.label_logcount,
                           "pred_1": one.logcount}.items():  # fmt: skip
            file[key] = np.squeeze(array, axis=-1).astype(np.float64)
    read = read_predictions(tmp_path / "p.h5")
    np.testing.assert_array_equal(read.label_profile, one.label_profile)
    np.testing.assert_array_equal(read.logcount, one.logcount)
    assert read.is_peak.all()
    assert (read.transform, read.pseudocount, read.tasks, read.mean_profile) == ("log", 0.001, ("task_0",), None)


@pytest.mark.shared
def test_reads_a_file_that_kerasac_wrote(shared_dir: Path) -> None:
    read = read_predictions(shared_dir / "reference" / "scores_in.predictions")
    assert read.label_profile.shape == (60, 200, 2)
    assert (read.chrom[0], read.center[0], read.strand[0]) == ("chr1", 6183, ".")
    np.testing.assert_allclose(np.log(read.label_profile.sum(axis=1) + 0.001), read.label_logcount, rtol=1e-6)


def test_reading_names_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="does not exist"):
        read_predictions(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(ScoreError, match="not a readable HDF5 file"):
        read_predictions(tmp_path / "text.h5")
    write_predictions(tmp_path / "p.h5", predictions())
    with h5py.File(tmp_path / "p.h5", "a") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(ScoreError, match="format 99"):
        read_predictions(tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5", "a") as file:
        del file["pred_1"]
    with pytest.raises(ScoreError, match=r"has no pred_1; it holds coords"):
        read_predictions(tmp_path / "p.h5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logcount": np.zeros((7, 3), np.float32)}, r"logcount has shape \(7, 3\); expected \(7, 2\)"),
        ({"center": np.arange(6)}, r"center has shape \(6,\)"),
        ({"mean_profile": np.zeros((3, 2), np.float32)}, "mean_profile has shape"),
        ({"label_profile": np.zeros((7, 12), np.float32)}, r"expected \(windows, bases, tasks\)"),
        ({"tasks": ("same", "same")}, "own name"),
        ({"strand": np.array(["+"] * 7)}, r"strand '\+' is not one of"),
        ({"transform": "log2"}, "'log2' is unknown; did you mean 'log'"),
    ],
)
def test_predictions_that_do_not_fit_together_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        dataclasses.replace(predictions(), **change)


@pytest.mark.parametrize(
    ("transform", "forward"),
    [
        ("none", lambda c: c),
        ("log", lambda c: np.log(c + 0.5)),
        ("log10", lambda c: np.log10(c + 0.5)),
        ("log1p", np.log1p),
        ("asinh", np.arcsinh),
    ],
)
def test_expected_counts_undo_the_transform(transform: str, forward) -> None:
    counts = np.array([[0.0, 3.0]] * 7)
    changed = dataclasses.replace(
        predictions(), logcount=forward(counts).astype(np.float32), transform=transform, pseudocount=0.5
    )
    np.testing.assert_allclose(changed.expected_counts(), counts, atol=1e-6)


def test_expected_counts_are_never_negative() -> None:
    low = dataclasses.replace(predictions(), logcount=np.full((7, 2), -5, np.float32))
    assert (low.expected_counts() == 0).all()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def fail_halfway() -> None:
        with whole_file(tmp_path / "kept") as beside:
            beside.write_text("half")
            raise InterruptedError

    (tmp_path / "kept").write_text("old")
    with pytest.raises(InterruptedError):
        fail_halfway()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"kept": "old"}
