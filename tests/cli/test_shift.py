from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.shift import shift
from kerasac.errors import ConfigError

APP = typer.Typer()
APP.command()(shift)


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


@pytest.fixture
def yeast(shared_dir: Path) -> tuple[Path, Path]:
    folder = shared_dir / "data" / "yeast-atac"
    return folder / "atac.fragments.bed.gz", folder / "sacCer3.fa.gz"


@pytest.mark.shared
def test_shift_of_real_fragments_is_found_with_its_evidence(yeast: tuple[Path, Path], tmp_path: Path) -> None:
    result = invoke(yeast[0], "--fasta", yeast[1], "--plot", tmp_path / "shift.png")
    assert result.exit_code == 0, result.output
    assert "414,911 on the plus strand" in result.output
    assert "Tn5 5' ends, as aligned (0/0); adding +4/−4 brings them to +4/−4" in result.output
    assert (tmp_path / "shift.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.shared
def test_json_has_the_strengths_by_offset(yeast: tuple[Path, Path]) -> None:
    found = json.loads(invoke(yeast[0], "--fasta", yeast[1], "--assay", "atac", "--json").output)
    assert (found["enzyme"], found["present"], found["shift"]) == ("Tn5", [0, 0], [4, -4])
    strengths = found["strands"]["plus"]["strengths"]
    assert max(strengths, key=strengths.get) == "0"


@pytest.mark.shared
def test_assay_that_is_another_ends_with_status_1_and_the_way_out(yeast: tuple[Path, Path]) -> None:
    result = invoke(yeast[0], "--fasta", yeast[1], "--assay", "dnase")
    assert result.exit_code == 1
    assert "not sure: the motif is that of Tn5, not of DNase I" in result.output
    assert "Way out: name atac as the assay." in result.output


def test_options_reach_the_reader(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">chr1\n" + "ACGT" * 100 + "\n")
    (tmp_path / "f.tsv").write_text("chr1\t100\t200\nchr1\t100\t200\nchr1\t150\t160\n")
    result = invoke(tmp_path / "f.tsv", "--fasta", tmp_path / "g.fa", "--dedup", "unique", "--min-fragment", "50")
    assert result.exit_code == 1
    assert "1 on the plus strand, 1 on the minus strand" in result.output
    assert "of a fragment below 50 bp" in result.output
    assert "a copy of one that counts" in result.output


def test_chip_is_refused(tmp_path: Path) -> None:
    result = invoke(tmp_path / "x", "--fasta", tmp_path / "g.fa", "--assay", "chip")
    assert isinstance(result.exception, ConfigError)
