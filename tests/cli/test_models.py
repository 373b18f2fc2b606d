from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.models import models
from kerasac.errors import ConfigError, ModelError
from kerasac.models.registry import ARCHITECTURES

app = typer.Typer()
app.command()(models)


def test_every_architecture_is_listed() -> None:
    result = CliRunner().invoke(app, [])
    assert all(f"  {name} " in result.stdout for name in ARCHITECTURES)
    found = json.loads(CliRunner().invoke(app, ["--json"]).stdout)
    assert [item["name"] for item in found] == list(ARCHITECTURES)


def test_flank_follows_the_parameters() -> None:
    # 6 + 2 * (2 + 4) + 4 bases are taken from a sequence of 1,000 + 22.
    settings = ["first_kernel=7", "dilated_layers=2", "profile_kernel=5"]
    arguments = ["bpnet", "--json", *(part for setting in settings for part in ("--set", setting))]
    found = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert (found["receptive_bp"], found["minimum_flank"]) == (23, 511)


def test_parameters_of_a_file_are_shown(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def build(contract, filters=3, *, kernel): ...")
    found = json.loads(CliRunner().invoke(app, [f"{tmp_path}/mine.py:build", "--json"]).stdout)
    assert found["parameters"] == {"filters": 3, "kernel": "(no default)"}


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["bpnt"], ModelError, "did you mean 'bpnet'"),
        (["bpnet", "--set", "filtres=3"], ModelError, "did you mean 'filters'"),
        (["--set", "filters=3"], ConfigError, "needs the name"),
    ],
)
def test_mistake_is_named(arguments: list[str], error: type[Exception], said: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, error)
    assert said in str(result.exception)
