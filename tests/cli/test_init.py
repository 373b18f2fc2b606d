from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.errors import ConfigError
from kerasac.steps.initial import TEMPLATE


def test_without_options_the_template_is_printed() -> None:
    assert CliRunner().invoke(app, ["init"]).stdout == TEMPLATE.read_text()


def test_store_is_read(tiny_folder: Path) -> None:
    arguments = ["--store", str(tiny_folder / "signal.tdb"), "--fasta", str(tiny_folder / "genome.fa")]
    found = yaml.safe_load(CliRunner().invoke(app, ["init", *arguments]).stdout)
    assert found["datasets"] == ["tiny", "other"]
    assert found["genome"]["fasta"] == str(tiny_folder / "genome.fa")


@pytest.mark.shared
def test_folder_gives_files_and_the_next_commands(shared_dir: Path, tmp_path: Path) -> None:
    arguments = ["--from", str(shared_dir / "data/yeast-atac"), "--out", str(tmp_path / "new")]
    output = CliRunner().invoke(app, ["init", *arguments]).stdout
    assert "kerasac-ray ingest" in output
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "attributes.tsv",
        "experiment.yaml",
        "metadata.tsv",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--store", "a", "--from", "b"], "either --store or --from"), (["--from", "nowhere"], "is not a folder")],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["init", *arguments])
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)
