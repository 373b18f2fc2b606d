from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from tiny import write_fasta
from typer.testing import CliRunner

from kerasac.cli.negatives import negatives
from kerasac.genome.centering import Center
from kerasac.sampling.match_spec import MatchSpec
from kerasac.steps.background import BackgroundSpec

PEAK = "chr1\t100\t110\t.\t0\t.\t0\t0\t0\t5\n"


def invoke(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(negatives)
    return CliRunner().invoke(app, arguments)


def test_negatives_asks_for_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def note(spec: BackgroundSpec, out: Path, **options: Any) -> None:
        asked.update(spec=spec, out=out, overwrite=options["overwrite"])
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasac.steps.background.write_background", note)
    match = "--width 1000 --ratio 0.5 --tolerance 0.01 --stride 20 --max-unknown 0.1 --across-chromosomes --seed 7"
    files = "--fasta g.fa --out o.bed --chrom-sizes c.sizes --blacklist b.bed --exclude e.bed --exclude f.bed"
    invoke("p.bed", *f"{files} {match} --margin 10 --center center --overwrite".split())
    assert asked["spec"] == BackgroundSpec(
        peaks=Path("p.bed"),
        fasta=Path("g.fa"),
        match=MatchSpec(1000, 0.5, 0.01, 20, 0.1, across_chromosomes=True, seed=7),
        chrom_sizes=Path("c.sizes"),
        center=Center.CENTER,
        margin_bp=10,
        blacklist=(Path("b.bed"),),
        exclude=(Path("e.bed"), Path("f.bed")),
    )
    assert (asked["out"], asked["overwrite"]) == (Path("o.bed"), True)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    write_fasta(tmp_path / "genome.fa", {"chr1": "ACGT" * 100})
    (tmp_path / "peaks.narrowPeak").write_text(PEAK + PEAK.replace("100\t110", "2\t8"))
    paths = [str(tmp_path / name) for name in ("peaks.narrowPeak", "genome.fa", "n.narrowPeak")]
    return [paths[0], "--fasta", paths[1], "--out", paths[2], "--width", "20", "--margin", "0"]


def test_what_was_found_and_what_is_missing_is_said(arguments: list[str]) -> None:
    result = invoke(*arguments, "--ratio", "30", "--stride", "20")
    assert result.exit_code == 0, result.output
    printed = " ".join(result.output.split())
    assert "peaks 1 of 2; 1 whose window leaves its chromosome" in printed
    assert "negatives 18 of 30 wanted; 0 overlap another" in printed
    assert "missing 12: no candidate left within 0.02 (12 on chr1)" in printed
    assert "negatives 0.500; KS distance 0.000" in printed


def test_json_is_the_summary(arguments: list[str]) -> None:
    result = invoke(*arguments, "--json")
    summary = json.loads(result.stdout)
    assert (summary["found"], summary["missing"], summary["peaks"]["read"]) == (1, 0, 2)
    assert summary["chromosomes"][0]["chrom"] == "chr1"
