"""Options of `kerasac-ray ingest` reach the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiledb
import typer
from typer.testing import CliRunner

from kerasac.cache import cache_folder
from kerasac.cli.ingest import ingest
from kerasac.cli.shift import shift
from kerasac.store.reads import ReadsFormat

APP = typer.Typer()
APP.command()(ingest)
APP.command()(shift)


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


@pytest.fixture
def tables(tmp_path: Path) -> list[object]:
    """Arguments of an ingest of one BED file of fragments, whose sixth column looks like a strand."""
    (tmp_path / "chrom.sizes").write_text("chr1\t400\n")
    (tmp_path / "fragments.bed").write_text("chr1\t100\t200\tN\t0\t+\n")
    (tmp_path / "m.tsv").write_text("dataset\tplus\tminus\nA\tfragments.bed\tfragments.bed\n")
    (tmp_path / "a.tsv").write_text("plus\treads_plus\nminus\treads_minus\n")
    files = "--attributes", tmp_path / "a.tsv", "--chrom-sizes", tmp_path / "chrom.sizes", "--out", tmp_path / "o.tdb"
    return ["ingest", tmp_path / "m.tsv", *files]


@pytest.mark.parametrize(("said", "minus"), [([], []), (["--format", "fragments"], [199])])
def test_format_decides_how_reads_are_read(
    tmp_path: Path, tables: list[object], said: list[str], minus: list[int]
) -> None:
    result = invoke(*tables, "--shift", "0/0", *said)
    assert result.exit_code == 0, result.output
    with tiledb.open(str(tmp_path / "o.tdb")) as array:
        cells = array[0:400, 0]
    assert np.flatnonzero(cells["plus"]).tolist() == [100]
    assert np.flatnonzero(cells["minus"]).tolist() == minus


@pytest.mark.parametrize("said", [[], ["--format", "fragments"]])
def test_ingest_takes_the_counts_of_shift(tmp_path: Path, tables: list[object], said: list[str]) -> None:
    """Also where the format was said to one of them and found by the other."""
    (tmp_path / "fragments.bed").write_text("chr1\t100\t200\n")
    (tmp_path / "g.fa").write_text(">chr1\n" + "ACGT" * 100 + "\n")
    invoke("shift", tmp_path / "fragments.bed", "--fasta", tmp_path / "g.fa", "--format", ReadsFormat.FRAGMENTS)
    counted = sorted((cache_folder() / "ends").iterdir())
    assert counted
    assert invoke(*tables, "--shift", "0/0", *said).exit_code == 0
    assert sorted((cache_folder() / "ends").iterdir()) == counted
