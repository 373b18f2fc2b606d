from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.motifs import motifs
from kerasac.interpret.motifs import find
from kerasac.interpret.motifs.choices import Group, TrimBy
from kerasac.interpret.motifs.modisco import ModiscoSpec
from kerasac.interpret.motifs.trim import Trim

APP = typer.Typer()
APP.command()(motifs)


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_options_become_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[find.MotifRequest] = []

    def record(request: find.MotifRequest, say: Any) -> find.Found:
        asked.append(request)
        return find.Found((), "JASPAR", Path("out/motifs.html"), False, None, "modisco found no motif")

    monkeypatch.setattr(find, "find_motifs", record)
    options = "--window 300 --max-seqlets 50 --seed 3 --threads 2 --trim 0.4 --trim-flank 2 --trim-by information"
    rest = "--group fungi --database d.meme --matches 5 --regions r.bed --patterns m.h5 --overwrite"
    result = invoke("c.h5", "--out", "out", *options.split(), *rest.split())
    assert result.exit_code == 0, result.output
    assert asked == [
        find.MotifRequest(
            out=Path("out"),
            contributions=Path("c.h5"),
            patterns=Path("m.h5"),
            regions=Path("r.bed"),
            spec=ModiscoSpec(300, 50, 3, 2),
            trim=Trim(0.4, 2, TrimBy.INFORMATION),
            group=Group.FUNGI,
            database=Path("d.meme"),
            n_matches=5,
            overwrite=True,
        )
    ]
    assert "modisco found no motif" in result.output


def test_motifs_of_patterns_are_listed(tmp_path: Path) -> None:
    pytest.importorskip("memelite")
    from modisco_made import Made, write_modisco

    from kerasac.genome.simulate.motifs import MOTIFS
    from kerasac.interpret.motifs.meme import write_meme

    write_meme(tmp_path / "d.meme", {name: motif.pwm for name, motif in MOTIFS.items()})
    made = {"pos_patterns/pattern_0": Made(MOTIFS["CTCF-like"].pwm, [(0, 0, 14, False)] * 1234)}
    path = write_modisco(tmp_path / "m.h5", made)
    result = invoke("--patterns", path, "--out", tmp_path / "out", "--database", tmp_path / "d.meme")
    assert result.exit_code == 0, result.output
    assert "1, of d.meme" in result.output
    assert "1,234 seqlets, CCASYAGRKGGCRS, CTCF-like" in " ".join(result.output.split())
    assert {one.name for one in (tmp_path / "out").iterdir()} == {
        "motifs.html",
        "motifs.tsv",
        "motifs.meme",
        "motifs.json",
        "matrices",
    }
