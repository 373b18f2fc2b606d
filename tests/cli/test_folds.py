"""kerasac-ray folds: what is typed is what is written, printed and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.folds import folds_app
from kerasac.errors import ConfigError, FoldError

app = typer.Typer()
app.add_typer(folds_app, name="folds")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A genome of five chromosomes, of which chrE is a copy of chrA, and six peaks."""
    rng = np.random.default_rng(0)
    chroms = {f"chr{name}": "".join(rng.choice(list("ACGT"), 400)) for name in "ABCD"}
    chroms["chrE"] = chroms["chrA"]
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in chroms.items()))
    (tmp_path / "sizes").write_text("".join(f"{name}\t400\n" for name in chroms))
    rows = [("chrA", 190), ("chrA", 240), ("chrB", 190), ("chrC", 190), ("chrD", 190), ("chrE", 190)]
    (tmp_path / "p.bed").write_text("".join(f"{chrom}\t{start}\t{start + 20}\n" for chrom, start in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["folds", *arguments])


def run(*arguments: str, status: int = 0) -> str:
    result = invoke(*arguments)
    assert result.exit_code == status, (result.output, result.exception)
    return str(result.stdout)


def test_make_balances_peaks_and_prints_the_table(folder: Path) -> None:
    printed = run("make", "--chrom-sizes", "sizes", "--peaks", "p.bed", "--n", "3", "--out", "f.json")
    table = json.loads((folder / "f.json").read_text())
    assert [table[k]["test"] for k in "012"] == [["chrA"], ["chrB", "chrD"], ["chrC", "chrE"]]
    assert "2 / 2 / 2" in printed
    assert "balanced by peaks: the largest test set is 0.0% above the mean" in printed


def test_make_balances_bases_without_peaks_and_leaves_out_what_is_excluded(folder: Path) -> None:
    printed = run("make", "--chrom-sizes", "sizes", "--n", "3", "--exclude", "chrE,chrUn*", "--out", "f.json")
    table = json.loads((folder / "f.json").read_text())
    assert [table[k]["test"] for k in "012"] == [["chrA", "chrD"], ["chrB"], ["chrC"]]
    assert "balanced by bases: the largest test set is 50.0% above the mean" in printed
    assert "in no fold (excluded): chrE" in printed


def test_make_does_not_count_blacklisted_peaks(folder: Path) -> None:
    (folder / "b.bed").write_text("chrE\t0\t400\n")
    printed = run(
        "make", "--chrom-sizes", "sizes", "--peaks", "p.bed", "--blacklist", "b.bed", "--n", "3", "--out", "f"
    )
    assert "in no fold (no peaks): chrE" in printed


def test_make_writes_the_format_asked_for(folder: Path) -> None:
    arguments = ["make", "--chrom-sizes", "sizes", "--format", "chrombpnet", "--out", "splits", "--n"]
    assert "wrote 5 files to splits" in run(*arguments, "5")
    assert isinstance(invoke(*arguments, "4").exception, FoldError)
    run(*arguments, "4", "--overwrite")
    assert sorted(path.name for path in (folder / "splits").iterdir()) == [f"fold_{k}.json" for k in range(4)]


def test_show_prints_what_the_splits_hold(folder: Path) -> None:
    run("make", "--chrom-sizes", "sizes", "--n", "5", "--out", "f.json")
    printed = run("show", "f.json", "--chrom-sizes", "sizes", "--peaks", "p.bed").splitlines()
    assert len(printed) == 6
    assert " ".join(printed[1].split()) == "0 chrA chrB 3 chroms 2 / 1 / 3 0.00 / 0.00 / 0.00"
    assert " ".join(run("show", "hg38-5").splitlines()[1].split()) == "0 chr1 chr3 chr6 chr8 chr20 19 chroms"


def test_convert_goes_round_all_formats(folder: Path) -> None:
    run("convert", "kerasac-10", "--to", "chrombpnet", "--out", "splits")
    run("convert", "splits", "--to", "bpnet", "--out", "splits.json")
    run("convert", "splits.json", "--to", "kerasac-ray", "--out", "folds.json")
    assert json.loads((folder / "splits" / "fold_9.json").read_text())["test"] == ["chr8", "chr10"]
    assert json.loads((folder / "splits.json").read_text())["9"]["val"] == ["chr9", "chr12"]
    assert run("show", "folds.json") == run("show", "kerasac-10")


def test_convert_drops_what_the_genome_lacks(folder: Path) -> None:
    (folder / "mouse").write_text("".join(f"chr{name}\t9\n" for name in (*range(1, 20), "X", "Y")))
    run("convert", "kerasac-10", "--to", "bpnet", "--out", "f.json", "--chrom-sizes", "mouse")
    assert json.loads((folder / "f.json").read_text())["3"]["test"] == ["chr6", "chr13"]


def test_verify_is_content_with_a_good_table(folder: Path) -> None:
    assert run("verify", "hg38-5") == "hg38-5: 5 folds, nothing is wrong\n"


def test_verify_names_everything_at_once_with_status_1(folder: Path) -> None:
    first = {"train": ["chrA", "chrB"], "val": ["chrB"], "test": []}
    broken = {"0": first, "1": {"train": ["chrA"], "val": ["chrB"], "test": ["chrZ"]}}
    (folder / "f.json").write_text(json.dumps(broken))
    printed = run("verify", "f.json", "--chrom-sizes", "sizes", status=1)
    assert printed.splitlines() == [
        "warning: not in the genome, and left out of its folds: chrZ",
        "error: fold 0: test has no chromosome",
        "error: fold 0: chrB in both train and valid",
        "error: fold 1: test has no chromosome of the genome: chrZ",
        "warning: never tested: chrA, chrB",
        "warning: fold 0: in no split, but used by other folds: chrZ",
        "f.json: 2 folds, 6 findings",
    ]


GENOME = ("--chrom-sizes", "sizes", "--fasta", "g.fa", "--peaks", "p.bed")
LEAKAGE = ("--check-leakage", *GENOME, "--center", "center", "--width", "200")


def test_verify_finds_windows_that_are_in_train(folder: Path) -> None:
    run("make", "--chrom-sizes", "sizes", "--n", "5", "--out", "f.json")
    printed = run("verify", "f.json", *LEAKAGE, "--out-bed", "leaks.bed", status=1)
    assert "fold 0 test: 2 of 2 windows (100.0%) nearly in train" in printed
    assert "  chrA:100-300 shares 100% with chrE:100-300" in printed
    assert "leakage: up to 100.0% of the valid or test windows of fold 0, 3 are nearly in train" in printed
    assert [row.split()[0] for row in (folder / "leaks.bed").read_text().splitlines()] == ["chrA", "chrA", "chrE"]
    assert "nothing is wrong" in run("verify", "f.json", *LEAKAGE, "--max-leaking", "1")
    assert "nothing is wrong" in run("verify", "f.json", *LEAKAGE, "--blacklist", "leaks.bed")


def test_verify_prints_json(folder: Path) -> None:
    run("make", "--chrom-sizes", "sizes", "--n", "5", "--out", "f.json")
    found = json.loads(run("verify", "f.json", *LEAKAGE, "--json", status=1))
    assert (found["table"], found["folds"], found["passed"]) == (["f.json"], 5, False)
    assert found["leakage"]["splits"][1]["leaking"] == 2


def test_verify_says_that_a_broken_table_was_not_compared(folder: Path) -> None:
    (folder / "f.json").write_text(json.dumps({"train": ["chrA"], "valid": ["chrA"], "test": ["chrB"]}))
    assert "leakage was not checked: correct the table first" in run("verify", "f.json", *LEAKAGE, status=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("make --chrom-sizes sizes --by peaks --out f.json", "balancing by peaks needs --peaks"),
        ("show hg38-5 --peaks p.bed", "counting peaks needs --chrom-sizes"),
        ("verify hg38-5 --check-leakage --fasta g.fa", "--check-leakage needs --chrom-sizes, --fasta and --peaks"),
        ("verify hg38-5 --out-bed leaks.bed", "are for --check-leakage: add it"),
    ],
)
def test_options_that_belong_together_are_asked_for(folder: Path, arguments: str, message: str) -> None:
    found = invoke(*arguments.split()).exception
    assert isinstance(found, ConfigError)
    assert message in str(found)
