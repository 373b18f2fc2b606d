from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.convert import convert
from kerasac.errors import ModelError

APP = typer.Typer()
APP.command()(convert)


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A dense layer, as Keras 2 saved it."""
    config = {"name": "d", "units": 2, "activation": "linear", "batch_input_shape": [None, 3]}
    model = {"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "Dense", "config": config}]}}
    with h5py.File(tmp_path / "old.hdf5", "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"d"]
        layer = group.create_group("d")
        layer.attrs["weight_names"] = [b"d/kernel:0", b"d/bias:0"]
        layer["d/kernel:0"], layer["d/bias:0"] = np.arange(6.0).reshape(3, 2), np.array([10.0, 20.0])
    return tmp_path / "old.hdf5"


@pytest.mark.keras
def test_new_file_is_plain_keras_and_predicts_the_same(old: Path, tmp_path: Path) -> None:
    result = invoke(old, tmp_path / "sub" / "new.keras")
    assert result.exit_code == 0, result.output
    assert "(3,)" in result.output
    assert "weights  8" in " ".join(result.output.split(" "))
    import keras

    model = keras.models.load_model(tmp_path / "sub" / "new.keras", compile=False)
    np.testing.assert_array_equal(model.predict(np.ones((1, 3)), verbose=0), [[16, 29]])
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["new.keras"]


@pytest.mark.keras
@pytest.mark.parametrize(
    ("name", "said"), [("new.h5", "does not end in .keras"), ("there.keras", "there.keras exists; .*--overwrite")]
)
def test_file_that_cannot_be_written_is_refused_before_anything_is_loaded(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "there.keras").touch()
    result = invoke(tmp_path / "none.hdf5", tmp_path / name)
    with pytest.raises(ModelError, match=said):
        raise result.exception
    assert [path.name for path in tmp_path.iterdir()] == ["there.keras"]


@pytest.mark.keras
def test_overwrite_replaces(old: Path, tmp_path: Path) -> None:
    (tmp_path / "new.keras").touch()
    assert invoke(old, tmp_path / "new.keras", "--overwrite").exit_code == 0
    assert (tmp_path / "new.keras").stat().st_size > 1000
