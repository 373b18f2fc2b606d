from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from contributions_made import with_motif, write_contributions
from typer.testing import CliRunner

from kerasac.cli.plot import plot
from kerasac.errors import InterpretError
from kerasac.interpret.plots import draw
from kerasac.interpret.plots.choices import Format, Kind
from kerasac.interpret.plots.places import Place
from kerasac.interpret.plots.region import Look
from kerasac.interpret.plots.tracks import Files

APP = typer.Typer()
APP.command()(plot)


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_options_become_one_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[Any] = []

    def record(*arguments: Any, **options: Any) -> list[Path]:
        options.pop("advance")
        calls.append((arguments, options))
        return [Path("out/chr1_5-25.svg")]

    monkeypatch.setattr(draw, "draw_places", record)
    bed = tmp_path / "a.bed"
    bed.write_text("chr2\t10\t20\nchr2\t50\t60\n")
    files = "--contributions a.h5 --contributions b.bw --predictions p.h5 --observed o.bw --predicted q.bw --fasta g.fa"
    options = "--windows w.bed --tracks predicted,contributions --tasks plus,minus --ymin -1 --ymax 2 --shared-scale"
    more = "--threshold 0.1 --minimal --title T --format svg --overwrite --first 1 --flank 10"
    result = invoke("chr1:10-20", "--out", "out", "--bed", bed, *files.split(), *options.split(), *more.split())
    assert result.exit_code == 0, result.output
    expected = Files(
        contributions=(Path("a.h5"), Path("b.bw")),
        predictions=Path("p.h5"),
        observed=(Path("o.bw"),),
        predicted=(Path("q.bw"),),
        fasta=Path("g.fa"),
        windows=Path("w.bed"),
        tasks=("plus", "minus"),
    )
    assert calls == [
        (
            ([Place("chr1", 5, 25), Place("chr2", 5, 25)], expected, Path("out")),
            {
                "look": Look(-1, 2, 0.1, True, True, "T"),
                "kinds": [Kind.PREDICTED, Kind.CONTRIBUTIONS],
                "form": Format.SVG,
                "overwrite": True,
            },
        )
    ]
    assert "wrote 1 figure" in result.output
    assert "out/chr1_5-25.svg" in result.output


def test_a_place_is_drawn(tmp_path: Path) -> None:
    path = write_contributions(tmp_path / "c.h5", *with_motif(3, 100, "GTTACCCGT")[:2])
    result = invoke("chr1:120-180", "--contributions", path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "chr1_120-180.png").stat().st_size > 5000


def test_a_track_that_there_is_not_is_said() -> None:
    result = invoke("chr1:1-2", "--tracks", "predictions", "--contributions", "a.h5")
    assert isinstance(result.exception, InterpretError)
    assert "did you mean 'predicted'" in str(result.exception)


def test_many_figures_are_drawn_only_when_asked_for(tmp_path: Path) -> None:
    bed = tmp_path / "a.bed"
    bed.write_text("".join(f"chr1\t{at}\t{at + 5}\n" for at in np.arange(201) * 10))
    result = invoke("--bed", bed, "--contributions", "a.h5")
    assert isinstance(result.exception, InterpretError)
    assert "201 places, a figure each; say how many with --first" in str(result.exception)
