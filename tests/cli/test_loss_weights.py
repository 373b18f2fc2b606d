from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny import three_folds
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.errors import ConfigError
from kerasac.steps.loss_weights import CountsWindows, array_weight
from kerasac.store.schema import read_layout


def test_array_weight_is_printed_first(tiny_folder: Path) -> None:
    store = tiny_folder / "signal.tdb"
    arguments = ["--dataset", "tiny", "--counts", "plus,minus", "--peaks", "peak", "--flank", "30"]
    result = CliRunner().invoke(app, ["loss-weights", "--store", str(store), *arguments])
    expected = array_weight(read_layout(str(store)), CountsWindows("tiny", ("plus", "minus"), 30, "peak"))
    name, weight, facts = result.stdout.strip().split("\t")
    assert (name, float(weight)) == ("tiny", pytest.approx(expected.weight))
    assert f"{expected.n_windows:,} windows" in facts


def test_each_fold_of_an_experiment_has_its_line(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(three_folds(tiny_folder).to_yaml())
    result = CliRunner().invoke(app, ["loss-weights", str(tmp_path / "e.yaml")])
    assert [line.split("\t")[:2] for line in result.stdout.splitlines()] == [
        [f"fold-{k}", "logcount"] for k in range(3)
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either an experiment file or --store"),
        (["--store", "STORE"], "--counts A"),
        (["--store", "STORE", "--counts", "plus"], "--dataset of .* tiny, other"),
    ],
)
def test_what_is_missing_is_asked_for(tiny_folder: Path, arguments: list[str], said: str) -> None:
    given = [str(tiny_folder / "signal.tdb") if argument == "STORE" else argument for argument in arguments]
    result = CliRunner().invoke(app, ["loss-weights", *given])
    assert isinstance(result.exception, ConfigError)
    assert re.search(said, str(result.exception))
