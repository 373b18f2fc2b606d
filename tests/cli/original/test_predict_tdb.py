from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tiledb
from original_commands import given
from tiny import ASSEMBLY

from kerasac.cli.original.models import model_file
from kerasac.cli.original.predict_tdb import _hint
from kerasac.errors import ConfigError

pytestmark = pytest.mark.keras
PEAKS = (
    "--tdb_partition_attribute_for_upsample peak --tdb_partition_thresh_for_upsample 2 --upsample_ratio_list_predict 1"
)


@pytest.fixture(scope="session")
def predicted(trained: Any, command: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what predicts with the trained model, and reads the file."""

    def predict(more: str, model: str | None = None) -> dict[str, np.ndarray]:
        prefix = tmp_path_factory.mktemp("predicted") / "p"
        given = model or f"--load_model_hdf5 {trained.file('hdf5')}"
        line = f"{trained.tracks} {given} --predictions_and_labels_hdf5 {prefix} {more}"
        assert command("kerasAC_predict_tdb", line) == 0
        with h5py.File(f"{prefix}.predictions") as file:
            return {name: values[:] for name, values in file.items()}

    return predict


def summits(data: Path, chrom: str) -> list[int]:
    low = int(ASSEMBLY.offsets[ASSEMBLY.names.index(chrom)])
    with tiledb.open(str(data / "signal.tdb")) as array:
        marks = array[low : low + ASSEMBLY.as_dict()[chrom], 0]
    return np.flatnonzero((marks["peak"] >= 2) & (marks["ambig"] == 0)).tolist()


def test_file_has_kerasacs_keys_shapes_and_dtypes(predicted: Any, trained: Any) -> None:
    found = predicted(f"{PEAKS} --tdb_ambig_attribute ambig --fold 1 --genome hg38 --batch_size 20")
    n = len(summits(trained.data, "chr2"))
    assert {
        name: (found[name].shape, found[name].dtype) for name in ("coords", "lab_0", "pred_0", "lab_1", "pred_1")
    } == {
        "coords": ((n, 3), np.dtype("S256")),
        "lab_0": ((n, 60, 2), np.dtype("float32")),
        "pred_0": ((n, 60, 2), np.dtype("float32")),
        "lab_1": ((n, 2), np.dtype("float32")),
        "pred_1": ((n, 2), np.dtype("float32")),
    }


def test_windows_are_all_peak_positions_of_the_test_chromosomes(predicted: Any, trained: Any) -> None:
    found = predicted(f"{PEAKS} --tdb_ambig_attribute ambig --fold 1 --genome hg38")
    assert {row[0] for row in found["coords"].tolist()} == {b"chr2"}
    assert [int(row[1]) for row in found["coords"].tolist()] == summits(trained.data, "chr2")
    np.testing.assert_allclose(found["lab_1"], np.log(found["lab_0"].sum(axis=1) + 0.001), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("--load_model_hdf5 old/m.keras", "kerasac-ray predict old/m.keras --out"),
        ("--load_model_hdf5 m.hdf5", "# after: kerasac-ray convert m.hdf5 m.keras"),
        ("--json m.arch --weights m.weights", "# after: kerasac-ray convert m.arch m.keras"),
    ],
)
def test_hint_converts_what_is_no_keras_file_yet(model: str, said: str) -> None:
    hint = _hint(given("kerasAC_predict_tdb", model), Path("p.predictions"))
    assert said in hint
    assert ("convert" in said) == ("convert" in hint)


def test_windows_outside_the_range_of_labels_are_left_out(predicted: Any) -> None:
    everything = predicted(f"{PEAKS} --predict_chroms chr2")
    some = predicted(f"{PEAKS} --predict_chroms chr2 --tdb_output_min None 2 --tdb_output_max None 11.5")
    inside = (everything["lab_1"] >= 2).all(axis=1)
    assert 0 < inside.sum() < len(inside)
    np.testing.assert_array_equal(some["coords"], everything["coords"][inside])


def test_regions_have_their_centres(predicted: Any, trained: Any) -> None:
    bed = trained.data / "peaks.narrowPeak"
    rows = [line.split("\t") for line in bed.read_text().splitlines() if line.startswith("chr2\t")]
    found = predicted(f"--bed_regions {bed} --bed_regions_center summit --predict_chroms chr2")
    assert [int(row[1]) for row in found["coords"].tolist()] == [int(row[1]) + int(row[9]) for row in rows]
    edges = predicted(f"--bed_regions {bed} --bed_regions_center edges --predict_chroms chr2")
    assert [int(row[1]) for row in edges["coords"][:2].tolist()] == [
        int(rows[0][1]) + int(rows[0][9]) + d for d in (-30, 30)
    ]


def test_without_peaks_windows_are_steps_along_chromosomes(predicted: Any) -> None:
    found = predicted("--predict_chroms chr5 --tiledb_stride 1000")
    centers = [int(row[1]) for row in found["coords"].tolist()]
    assert centers[:3] == [100, 1100, 2100]
    assert centers[-1] <= ASSEMBLY.as_dict()["chr5"] - 100


def test_architecture_and_weights_are_the_same_model(predicted: Any, trained: Any) -> None:
    more = f"{PEAKS} --predict_chroms chr2"
    apart = f"--json {trained.file('arch')} --weights {trained.file('weights')}"
    one, other = predicted(more), predicted(more, apart)
    for name in ("pred_0", "pred_1"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-6)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--fold 1 --genome hg38 --predict_chroms chr2", "both given"),
        ("--fold 9 --genome hg38", "none of fold 9's test chromosomes"),
        ("--fold 1", "--fold needs --genome"),
        (f"{PEAKS} --predict_chroms chr2 --tdb_output_min None 40", "no window is left"),
    ],
)
def test_places_that_cannot_be_are_refused(predicted: Any, line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        predicted(line)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("--batch_size 5", "needs a model"),
        ("--load_model_hdf5 none.hdf5", "none.hdf5 does not exist"),
        ("--load_model_hdf5 a.hdf5 --weights b", "goes with --json"),
    ],
)
def test_model_that_is_not_named_is_refused(model: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        model_file(given("kerasAC_predict_tdb", model))


@pytest.mark.shared
def test_a_model_that_keras_2_saved_gives_its_own_predictions(shared_dir: Path) -> None:
    import keras

    reference = shared_dir / "reference"
    stored = np.load(reference / "legacy_chipseq.io.npz")
    inputs = [stored[name] for name in sorted(stored.files) if name.startswith("x")]
    for flags in (
        f"--load_model_hdf5 {reference / 'legacy_chipseq.hdf5'}",
        f"--json {reference / 'legacy_chipseq.arch'} --weights {reference / 'legacy_chipseq.weights'}",
    ):
        model = keras.models.load_model(model_file(given("kerasAC_predict_tdb", flags)), compile=False)
        for found, name in zip(
            model.predict(inputs, verbose=0), sorted(n for n in stored.files if n[0] != "x"), strict=True
        ):
            np.testing.assert_allclose(found, stored[name], atol=1e-5)
