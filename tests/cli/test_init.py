from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from kerasac.cli.init import init
from kerasac.errors import ConfigError
from kerasac.steps.draft import Given

TEMPLATE = Path(__file__).resolve().parents[2] / "kerasac" / "templates" / "experiment.yaml"


def invoke(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(init)
    return CliRunner().invoke(app, arguments)


def test_without_options_the_template_is_printed() -> None:
    assert invoke().stdout == TEMPLATE.read_text()


def test_array_gives_an_experiment_and_nothing_else(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signal.tdb").symlink_to(tiny_folder / "signal.tdb")
    result = invoke("--store", str(tmp_path / "signal.tdb"), "--name", "mine")
    assert result.exit_code == 0, result.output
    found = yaml.safe_load(result.stdout)
    assert (found["name"], found["store"], found["datasets"]) == ("mine", "signal.tdb", ["tiny", "other"])


def test_init_asks_for_what_was_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def note(folder: Path, out: Path, given: Given) -> None:
        asked.update(folder=folder, out=out, given=given)
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasac.steps.draft.start_from_folder", note)
    files = "--fasta g.fa --chrom-sizes c.sizes --peaks p.bed --blacklist b.bed --folds 0.json --folds 1.json"
    invoke(*f"--from data --out new --peak-attribute x --name n {files}".split())
    assert (asked["folder"], asked["out"]) == (Path("data"), Path("new"))
    assert asked["given"] == Given(
        fasta=Path("g.fa"),
        chrom_sizes=Path("c.sizes"),
        peaks=Path("p.bed"),
        peak_attribute="x",
        blacklist=Path("b.bed"),
        folds=(Path("0.json"), Path("1.json")),
        name="n",
    )


@pytest.mark.shared
def test_folder_gives_files_and_the_next_commands(shared_dir: Path, tmp_path: Path) -> None:
    data, out = shared_dir / "data" / "yeast-atac", tmp_path / "new"
    result = invoke("--from", str(data), "--out", str(out), "--peaks", str(data / "atac.peaks.narrowPeak.gz"))
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["attributes.tsv", "experiment.yaml", "metadata.tsv"]
    lines = result.stdout.splitlines()
    assert lines[0] == "dataset atac"
    for line, command in zip(lines[-2:], ("check", "cv"), strict=True):
        assert line.startswith(f"kerasac-ray {command} ")
        assert Path(line.split()[-1]).resolve() == (out / "experiment.yaml").resolve()  # shown as it is shortest
    words = lines[-3].split()
    assert (words[:2], words[3]) == (["kerasac-ray", "ingest"], "--attributes")
    tables = [(out / name).resolve() for name in ("metadata.tsv", "attributes.tsv")]
    assert [Path(words[2]).resolve(), Path(words[4]).resolve()] == tables
    assert any(line.startswith("atac.fragments.bed.gz") and "reads" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--store", "a", "--from", "b"], "give one of them"),
        (["--out", "b"], "--out goes with --from"),
        (["--fasta", "x.fa"], "go with --store ARRAY or --from FOLDER"),
        (["--from", "nowhere"], "--from nowhere is not a folder"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], said: str) -> None:
    result = invoke(*arguments)
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)
