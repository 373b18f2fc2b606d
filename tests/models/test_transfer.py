from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kerasac.config import InitializeSpec
from kerasac.errors import ModelError
from kerasac.models.backend import prepare_backend

pytestmark = pytest.mark.keras


def model(filters: int = 3, fill: float | None = None) -> Any:
    prepare_backend(threads=1)
    import keras

    from kerasac.models.checkpoint import save_model  # noqa: F401 - registers our layers

    sequence = keras.Input((8, 4), name="sequence")
    hidden = keras.layers.Conv1D(filters, 3, name="stem")(sequence)
    hidden = keras.layers.BatchNormalization(name="stem_norm")(hidden)
    hidden = keras.layers.Conv1D(filters, 3, name="dilated_1")(hidden)
    pooled = keras.layers.GlobalAveragePooling1D(name="pool")(hidden)
    made = keras.Model(sequence, keras.layers.Dense(2, name="head")(pooled))
    if fill is not None:
        made.set_weights([np.full(one.shape, fill) for one in made.get_weights()])
    return made


def of_keras_2(path: Path, source: Any) -> None:
    with h5py.File(path, "w") as file:
        layers = [layer for layer in source.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{one.name}:0" for one in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, values in zip(names, layer.get_weights(), strict=True):
                group[name] = values


def written(folder: Path, ending: str, source: Any) -> Path:
    path = folder / f"other{ending}"
    if ending == ".hdf5":
        of_keras_2(path, source)
    elif ending == ".keras":
        source.save(path)
    else:
        source.save_weights(path)
    return path


def starts(spec: InitializeSpec, into: Any) -> Any:
    from kerasac.models.transfer import initialize

    return initialize(into, spec, spec.file)


@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".hdf5"])
def test_all_layers_are_taken_by_name(tmp_path: Path, ending: str) -> None:
    ours = model(fill=0.0)
    done = starts(InitializeSpec(file=written(tmp_path, ending, model(fill=2.0))), ours)
    assert done.taken == ("stem", "stem_norm", "dilated_1", "head")
    assert all((one == 2).all() for one in ours.get_weights())


def test_only_layers_that_match_are_taken_and_frozen(tmp_path: Path) -> None:
    ours = model(fill=0.0)
    file = written(tmp_path, ".keras", model(fill=2.0))
    done = starts(InitializeSpec(file=file, layers=("stem*",), freeze=("stem",)), ours)
    assert done.taken == ("stem", "stem_norm")
    values = {layer.name: layer.get_weights()[0].max() for layer in ours.layers if layer.weights}
    assert values == {"stem": 2, "stem_norm": 2, "dilated_1": 0, "head": 0}
    assert [layer.name for layer in ours.layers if not layer.trainable] == ["stem"]
    assert str(done) == "2 layers taken (stem, stem_norm), 1 frozen"


def test_other_shapes_name_the_layer_and_both_and_set_nothing(tmp_path: Path) -> None:
    ours = model(filters=5, fill=0.0)
    file = written(tmp_path, ".weights.h5", model(fill=2.0))
    message = r"layer stem has weights of shapes \(3, 4, 3\), \(3,\) in .*, and \(3, 4, 5\), \(5,\) in this model"
    with pytest.raises(ModelError, match=message):
        starts(InitializeSpec(file=file), ours)
    assert all((one == 0).all() for one in ours.get_weights())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"layers": ("dilatd_1",)}, r"initialize\.layers: no layer .* 'dilatd_1'; did you mean 'dilated_1'"),
        ({"freeze": ("bod*",)}, r"initialize\.freeze: no layer .* 'bod\*'"),
        ({"file": "absent.keras"}, r"absent\.keras does not exist"),
        ({"file": "absent.hdf5"}, r"absent\.hdf5 does not exist"),
    ],
)
def test_what_is_not_there_is_an_error_by_name(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    file = written(tmp_path, ".weights.h5", model())
    with pytest.raises(ModelError, match=message):
        starts(InitializeSpec(**{"file": file, **keys}), model())


def test_layer_that_the_file_lacks_is_an_error_by_name(tmp_path: Path) -> None:
    file = written(tmp_path, ".hdf5", model())
    with h5py.File(file, "a") as content:
        content.attrs["layer_names"] = [b"stem", b"stem_norm", b"head"]
    with pytest.raises(ModelError, match="has no layer 'dilated_1'"):
        starts(InitializeSpec(file=file), model())


def test_file_of_no_known_format_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.h5").write_text("nothing")
    with pytest.raises(ModelError, match=r"notes\.h5 cannot be read"):
        starts(InitializeSpec(file=tmp_path / "notes.h5"), model())
