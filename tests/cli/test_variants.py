from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.cli.marginal import _spacings
from kerasac.errors import ConfigError
from kerasac.runs import ablation, marginal, variants
from kerasac.runs.ablation import Ablated, AblationRequest
from kerasac.runs.marginal import MarginalDone, MarginalRequest
from kerasac.runs.variants import ScoredVariants, VariantRequest


def told(arguments: str, *words: str) -> None:
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == 0, result.output
    for word in words:
        assert word in result.output


def test_variants_become_one_request_and_the_result_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[VariantRequest] = []

    def record(request: VariantRequest, progress: Any) -> ScoredVariants:
        calls.append(request)
        progress(1, 2)
        files = (Path("v.tsv"), Path("v.folds.tsv"), Path("v.left_out.tsv"))
        plots = (Path("v.plots/001_rs1.png"),)
        return ScoredVariants(*files, 1000, 1500, 2000, 3, 5, {"with N in its window": 4}, plots)

    monkeypatch.setattr(variants, "score_variants", record)
    options = "--held-out --null 1000 --plot 1 --task plus --swap-alleles --seed 7 --corrected --fasta g.fa --workers 2"
    told(
        f"variants runs/a runs/b v.vcf --out v {options} --overwrite -q",
        *(
            "wrote v.tsv",
            "1,000",
            "1,500 of 3,000 kept from before",
            "2,000",
            "4 with N",
            "v.left_out.tsv",
            "1 in v.plots",
        ),
    )
    assert calls == [
        VariantRequest(
            sources=(Path("runs/a"), Path("runs/b")),
            variants=Path("v.vcf"),
            out=Path("v"),
            held_out_only=True,
            swap_alleles=True,
            n_null=1000,
            seed=7,
            n_plots=1,
            task="plus",
            fasta=Path("g.fa"),
            corrected=True,
            workers=2,
            overwrite=True,
        )
    ]


def test_motifs_and_pairs_become_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[MarginalRequest] = []

    def record(request: MarginalRequest, progress: Any) -> MarginalDone:
        calls.append(request)
        progress(1, 2)
        return MarginalDone((Path("m.tsv"), Path("m.png")), "log2fc", (("A", 1.25, 0.1, -0.02),), 50, 50, 5)

    monkeypatch.setattr(marginal, "marginal_effects", record)
    options = "--motif A=ACGT --motif B=RTN --motifs f.meme --draw-sites --backgrounds b.bed --n 50 --pair A,B"
    told(f"marginal run --out m {options} --spacings 5..15..5 --seed 3 -q", "wrote m.tsv", "+1.250 ± 0.100", "m.png")
    assert calls == [
        MarginalRequest(
            sources=(Path("run"),),
            out=Path("m"),
            motifs=(("A", "ACGT"), ("B", "RTN")),
            meme=Path("f.meme"),
            drawn=True,
            backgrounds=Path("b.bed"),
            n=50,
            pairs=(("A", "B"),),
            spacings=(5, 10, 15),
            seed=3,
        )
    ]


def test_regions_become_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[AblationRequest] = []

    def record(request: AblationRequest, progress: Any) -> Ablated:
        calls.append(request)
        return Ablated(Path("a.tsv"), Path("a.left_out.tsv"), 10, 4, 5, {"with N in its window": 2})

    monkeypatch.setattr(ablation, "ablate_regions", record)
    told("ablate run r.bed --out a --n 5 --held-out -q", "wrote a.tsv", "10, 6 kept", "2 with N", "a.left_out.tsv")
    assert calls == [AblationRequest((Path("run"),), Path("r.bed"), Path("a"), n=5, held_out_only=True)]


@pytest.mark.parametrize(
    ("text", "numbers"), [("10..30..10", (10, 20, 30)), ("1..3", (1, 2, 3)), ("5", (5,)), ("4,9", (4, 9))]
)
def test_spacings_are_a_range_or_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert _spacings(text) == numbers


@pytest.mark.parametrize("text", ["a", "1..", "5..1", "1..9..0", "1..2..3..4", ""])
def test_spacings_that_are_none_are_a_mistake(text: str) -> None:
    with pytest.raises(ConfigError, match="--spacings"):
        _spacings(text)


def test_a_motif_without_a_name_is_a_mistake() -> None:
    result = CliRunner().invoke(app, ["marginal", "run", "--out", "m", "--motif", "ACGT"])
    assert isinstance(result.exception, ConfigError)
    assert "--motif NAME=SEQUENCE" in str(result.exception)
