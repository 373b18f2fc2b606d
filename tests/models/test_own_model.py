"""A model of a user's own is read without being run, and checked when it is built."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from kerasac.config import ModelSpec
from kerasac.errors import ModelError
from kerasac.models.backend import prepare_backend
from kerasac.models.contract import Contract, Port
from kerasac.models.registry import build_model, read_parameters

CONTRACT = Contract((Port("sequence", "sequence", 20, 4),), (Port("labels", "classification", 0, 2, ("a", "b")),))
GOOD = """
import keras
from kerasac.models.layers import OneHotDNA

def build(contract, filters=3, *, kernel: int, name="mine"):
    tokens = keras.Input((20,), dtype="uint8", name="sequence")
    found = keras.layers.Conv1D(filters, kernel)(OneHotDNA()(tokens))
    pooled = keras.layers.GlobalAveragePooling1D()(found)
    return keras.Model({"sequence": tokens}, {"labels": keras.layers.Dense(N_TASKS)(pooled)})
"""


def write(folder: Path, source: str) -> str:
    (folder / "mine.py").write_text(source)
    return f"{folder}/mine.py:build"


@pytest.mark.parametrize(
    ("source", "values", "expected"),
    [
        (GOOD, {"kernel": 3, "filtres": 2}, "unknown parameter 'filtres' of .*; did you mean 'filters'"),
        (GOOD, {}, "needs model.kernel, which has no default"),
        (GOOD, {"kernel": 3, "filters": "many"}, r"model.filters is 'many'; it takes int \(default 3\)"),
        (GOOD.replace("def build", "def built"), {}, "no function 'build' at its top level; did you mean 'built'"),
        ("def build():\n    pass", {}, "takes no argument"),
        ("def build(contract:\n", {}, "cannot be read as Python"),
        ("from . import other\ndef build(contract): ...", {}, "imports relatively"),
    ],
)
def test_mistake_is_named_without_running_the_file(
    tmp_path: Path, source: str, values: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ModelError, match=expected):
        read_parameters(write(tmp_path, source), values)


def test_import_of_a_neighbour_is_refused(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("")
    with pytest.raises(ModelError, match="imports helpers, which lies beside it"):
        read_parameters(write(tmp_path, "import helpers\ndef build(contract): ..."), {})


def test_path_is_relative_to_the_data(tmp_path: Path) -> None:
    placed = ModelSpec.model_validate({"architecture": "mine.py:build"}, context={"base": tmp_path})
    assert placed.architecture == f"{tmp_path}/mine.py:build"
    with pytest.raises(ModelError, match=re.escape(f"{tmp_path}/mine.py does not exist")):
        read_parameters(placed.architecture, {})


def test_parameters_are_keys_whatever_values_they_have(tmp_path: Path) -> None:
    name = write(tmp_path, GOOD.replace("filters=3", "filters=(3,)"))
    one, same, other = (read_parameters(name, {"kernel": 3, "filters": filters}) for filters in ([4], [4], [5]))
    assert hash(one) == hash(same)
    assert {one: "one", other: "other"}[same] == "one"


def test_digest_follows_the_text_not_the_place(tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    here, moved = (read_parameters(write(folder, GOOD), {"kernel": 3}) for folder in (tmp_path, tmp_path / "moved"))
    edited = read_parameters(write(tmp_path, GOOD + "\n"), {"kernel": 3})
    assert here.digests == moved.digests != edited.digests


@pytest.mark.keras
def test_text_travels_and_is_built_where_the_file_is_not(tmp_path: Path) -> None:
    prepare_backend(threads=1)
    name = write(tmp_path, GOOD.replace("N_TASKS", "2"))
    parameters = pickle.loads(pickle.dumps(read_parameters(name, {"kernel": 3, "filters": 5})))
    (tmp_path / "mine.py").unlink()
    model = build_model(name, CONTRACT, parameters)
    assert model.output["labels"].shape == (None, 2)
    assert model.count_params() == 3 * 4 * 5 + 5 + 5 * 2 + 2


@pytest.mark.keras
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("N_TASKS", "3"), r"output labels has shape \(3,\) a window, the experiment's \(2,\) \(2 tasks: a, b\)"),
        (("N_TASKS", "missing"), "failed: NameError"),
        (('"sequence": tokens', '"tokens": tokens'), "inputs are tokens, the experiment's sequence"),
        (("return keras.Model", "return str"), "failed: TypeError|returned str"),
        (('(20,), dtype="uint8"', '(21,), dtype="uint8"'), r"input sequence has shape \(21,\)"),
    ],
)
def test_model_that_does_not_fit_is_refused(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    prepare_backend(threads=1)
    name = write(tmp_path, GOOD.replace(*change).replace("N_TASKS", "2"))
    with pytest.raises(ModelError, match=expected):
        build_model(name, CONTRACT, read_parameters(name, {"kernel": 3}))
