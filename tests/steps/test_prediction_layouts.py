"""Files of kerasAC, chrombpnet and bpnet-refactor are read alike, whole or in blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from kerasac.errors import ScoreError
from kerasac.steps.predictions import Predictions, open_predictions, read_predictions
from kerasac.steps.score import score

N, L = 5, 8
RNG = np.random.default_rng(0)
CENTER = np.arange(N) * 1000 + 500
PEAK = np.array([1, 0, 1, 0, 1])


def made(n_tasks: int) -> Predictions:
    shape = (N, L, n_tasks)
    counts = RNG.poisson(3, shape).astype(np.float32)
    return Predictions(
        chrom=np.array(["chr1", "chr1", "chr2", "chr2", "chrX"]),
        center=CENTER,
        strand=np.full(N, "."),
        is_peak=PEAK.astype(bool),
        label_profile=counts,
        logits=RNG.normal(size=shape).astype(np.float32),
        label_logcount=np.log1p(counts.sum(axis=1)),
        logcount=RNG.uniform(1, 4, (N, n_tasks)).astype(np.float32),
        tasks=tuple(f"task_{i}" for i in range(n_tasks)),
    )


def write_kerasac(path: Path, p: Predictions) -> None:
    with h5py.File(path, "w") as file:
        file["coords"] = np.stack([p.chrom, p.center.astype(str), p.strand], axis=1).astype("S256")
        file["lab_0"], file["pred_0"] = p.label_profile.squeeze(), p.logits.squeeze()
        file["lab_1"], file["pred_1"] = p.label_logcount.squeeze(), p.logcount.squeeze()


def test_coordinates_are_the_same_whatever_is_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = made(2)
    write_kerasac(tmp_path / "k.h5", expected)
    for block in (1, 2, N, 10 * N):
        monkeypatch.setattr("kerasac.steps.prediction_layouts._BLOCK", block)
        with open_predictions(tmp_path / "k.h5") as file:
            assert file.chrom.tolist() == expected.chrom.tolist()
            assert file.center.tolist() == CENTER.tolist()
            assert file.strand.tolist() == ["."] * N


def write_counts_first(path: Path, p: Predictions) -> None:
    write_kerasac(path, p)
    with h5py.File(path, "a") as file:
        for kind in ("lab", "pred"):
            file.move(f"{kind}_0", "kept")
            file.move(f"{kind}_1", f"{kind}_0")
            file.move("kept", f"{kind}_1")


def write_chrombpnet(path: Path, p: Predictions) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("coords/coords_chrom", data=p.chrom.astype(object), dtype=h5py.string_dtype())
        file["coords/coords_center"], file["coords/coords_peak"] = p.center, PEAK
        file["predictions/profs"] = softmax(p.logits[:, :, 0].astype(float), axis=1)
        file["predictions/logcounts"] = p.logcount[:, 0].astype(float)


def write_bpnet(path: Path, p: Predictions) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("coords/coords_chrom", data=p.chrom.astype(object), dtype=h5py.string_dtype())
        file["coords/coords_start"], file["coords/coords_end"] = p.center - L // 2, p.center + L // 2
        counts = softmax(p.logits.astype(float), axis=1) * np.expm1(p.logcount[:, None])
        file["predictions/pred_profs"], file["predictions/pred_logcounts"] = counts, p.logcount.astype(float)
        file["predictions/true_profs"], file["predictions/true_logcounts"] = p.label_profile, p.label_logcount


WRITERS: dict[str, tuple[Callable[[Path, Predictions], None], dict[str, Any]]] = {
    "kerasAC": (write_kerasac, {"transform": "log", "pseudocount": 0.001, "peaks": False, "labelled": True}),
    "counts first": (write_counts_first, {"transform": "log", "pseudocount": 0.001, "peaks": False, "labelled": True}),
    "chrombpnet": (write_chrombpnet, {"transform": "log1p", "pseudocount": 1.0, "peaks": True, "labelled": False}),
    "bpnet": (write_bpnet, {"transform": "log1p", "pseudocount": 1.0, "peaks": False, "labelled": True}),
}


@pytest.mark.parametrize("n_tasks", [1, 2])
@pytest.mark.parametrize("layout", WRITERS)
def test_every_tools_file_gives_the_same_predictions(tmp_path: Path, layout: str, n_tasks: int) -> None:
    if layout == "chrombpnet" and n_tasks == 2:
        return  # it has one task
    written = made(n_tasks)
    write, facts = WRITERS[layout]
    write(tmp_path / "p.h5", written)
    with open_predictions(tmp_path / "p.h5") as file:
        assert (file.n_windows, file.n_bases, file.tasks) == (N, L, written.tasks)
        assert (file.transform, file.pseudocount, file.labelled) == tuple(
            facts[name] for name in ("transform", "pseudocount", "labelled")
        )
        np.testing.assert_array_equal(file.chrom, written.chrom)
        np.testing.assert_array_equal(file.center, written.center)
        np.testing.assert_array_equal(file.is_peak, written.is_peak if facts["peaks"] else np.ones(N, dtype=bool))
        blocks = [slice(0, 2), slice(2, 4), slice(4, 6)]
        logits = np.concatenate([file.logits(rows) for rows in blocks])
        np.testing.assert_allclose(log_softmax(logits, axis=1), log_softmax(written.logits, axis=1), atol=1e-5)
        np.testing.assert_allclose(np.concatenate([file.logcount(rows) for rows in blocks]), written.logcount)
        if file.labelled:
            taken = file.take(slice(1, 4))
            np.testing.assert_array_equal(taken.label_profile, written.label_profile[1:4])
            np.testing.assert_allclose(taken.label_logcount, written.label_logcount[1:4])


def test_attributes_of_ours_count_in_every_layout(tmp_path: Path) -> None:
    write_chrombpnet(tmp_path / "p.h5", made(1))
    with h5py.File(tmp_path / "p.h5", "a") as file:
        file.attrs.update({"transform": "log", "pseudocount": 0.5})
        file.attrs.create("tasks", ["K562"], dtype=h5py.string_dtype())
    with open_predictions(tmp_path / "p.h5") as file:
        assert (file.transform, file.pseudocount, file.tasks) == ("log", 0.5, ("K562",))


def test_shares_of_0_and_counts_of_0_become_numbers(tmp_path: Path) -> None:
    p = made(1)
    write_chrombpnet(tmp_path / "shares.h5", p)
    write_bpnet(tmp_path / "counts.h5", p)
    with h5py.File(tmp_path / "shares.h5", "a") as file:
        file["predictions/profs"][0] = np.eye(L)[0]
    with h5py.File(tmp_path / "counts.h5", "a") as file:
        file["predictions/pred_profs"][0] = 0  # of a log count of 0
        file["predictions/pred_profs"][1] *= -1  # of a log count below 0
    with open_predictions(tmp_path / "shares.h5") as file:
        np.testing.assert_allclose(softmax(file.logits(slice(0, 1))[0, :, 0]), np.eye(L)[0], atol=1e-30)
    with open_predictions(tmp_path / "counts.h5") as file:
        found = softmax(file.logits(slice(0, 2))[:, :, 0], axis=1)
        np.testing.assert_allclose(found[0], 1 / L)
        np.testing.assert_allclose(found[1], softmax(p.logits[1, :, 0]), rtol=1e-5)


def test_labels_that_a_file_lacks_are_asked_for(tmp_path: Path) -> None:
    write_chrombpnet(tmp_path / "p.h5", made(1))
    with pytest.raises(ScoreError, match="without labels; give the tracks"):
        read_predictions(tmp_path / "p.h5")


def delete(*names: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        for name in names:
            del file[name]

    return change


def replace(name: str, shape: tuple[int, ...]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = np.zeros(shape)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (delete("pred_0"), r"has none of pred_0, predictions/profs, predictions/pred_profs; it holds coords, lab_0"),
        (delete("pred_1"), "has no pred_1; it holds"),
        (delete("coords"), "has no coords; it holds"),
        (delete("lab_1"), "has no lab_1; it holds"),
        (replace("pred_1", (4, 2)), r"/pred_1 in .* has shape \(4, 2\); expected \(5, tasks\)"),
        (replace("pred_0", (5, 8, 3)), r"pred_0 in .* has shape \(5, 8, 3\); expected \(5, bases, 2\)"),
        (replace("lab_0", (5, 9, 2)), "lab_0 and lab_1 in .* are of 9 bases and 2 tasks, its predictions of 8 and 2"),
        (lambda file: file.copy("pred_0", "pred_2"), "more than two outputs"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, change: Callable[[h5py.File], None], message: str) -> None:
    write_kerasac(tmp_path / "p.h5", made(2))
    with h5py.File(tmp_path / "p.h5", "a") as file:
        change(file)
    with pytest.raises(ScoreError, match=message), open_predictions(tmp_path / "p.h5"):
        pass


def test_a_file_of_bpnet_is_scored_as_the_same_predictions_in_memory(tmp_path: Path) -> None:
    p = made(2)
    write_bpnet(tmp_path / "p.h5", p)
    in_memory = replace_fields(p, transform="log1p", is_peak=np.ones(N, dtype=bool))
    with open_predictions(tmp_path / "p.h5") as file:
        found = score(file).tasks
    expected = score(in_memory).tasks
    for task in p.tasks:
        assert found[task]["peaks"] == pytest.approx(expected[task]["peaks"], abs=1e-6)
