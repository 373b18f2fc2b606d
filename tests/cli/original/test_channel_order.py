from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest
from original_commands import INPUTS, OUTPUTS, KnownFiles, changed, given

from kerasac.cli.original.channel_order import check_channel_order
from kerasac.cli.original.predict_tdb import predicted_document
from kerasac.config import make_experiment
from kerasac.errors import ConfigError

pytestmark = pytest.mark.keras
LINE = (
    f"--predictions_and_labels_hdf5 p --ref_fasta genome.fa --tdb_array store.tdb {INPUTS} {OUTPUTS} "
    "--tasks GM12878 K562"
)


def check(line: str) -> None:
    read = given("kerasAC_predict_tdb", line)
    experiment = make_experiment(predicted_document(read, KnownFiles()), base=Path(), origin="test")
    check_channel_order(read, experiment)


@pytest.fixture
def foreign(tmp_path: Path) -> dict[str, Path]:
    """Files as another program writes them, by the flag that names them."""
    paths = {"load_model_hdf5": tmp_path / "old.hdf5", "json": tmp_path / "old.arch"}
    with h5py.File(paths["load_model_hdf5"], "w") as file:
        file.attrs["model_config"] = "{}"
    paths["json"].write_text(json.dumps({"class_name": "Functional", "config": {}}))
    return paths


@pytest.mark.parametrize("flag", ["load_model_hdf5", "json"])
def test_channels_in_another_order_are_refused_and_named(foreign: dict[str, Path], flag: str) -> None:
    plus, minus = (f"control_count_bigwig_{strand}_5p" for strand in ("plus", "minus"))
    theirs = f"{plus} of K562, {plus} of GM12878, {minus} of K562, {minus} of GM12878"
    with pytest.raises(ConfigError, match=f"another order .{theirs}.*train it here, or predict a model of one task"):
        check(f"{LINE} --{flag} {foreign[flag]}")


@pytest.mark.parametrize(
    "flags",
    [
        {"tasks": "K562"},
        {
            "tdb_input_source_attribute": "seq control control",
            "tdb_output_source_attribute": "count_bigwig_unstranded_5p count_bigwig_unstranded_5p",
        },
        {
            "tasks": None,
            "tdb_input_datasets": "seq GM12878 GM12878",
            "tdb_output_datasets": "K562 K562",
        },
    ],
)
def test_channels_in_the_same_order_are_predicted(foreign: dict[str, Path], flags: dict[str, str | None]) -> None:
    check(changed(f"{LINE} --load_model_hdf5 {foreign['load_model_hdf5']}", **flags))


def test_models_of_this_package_have_its_order(trained: Any) -> None:
    check(f"{LINE} --load_model_hdf5 {trained.file('hdf5')}")
    check(f"{LINE} --json {trained.file('arch')} --weights {trained.file('weights')}")
