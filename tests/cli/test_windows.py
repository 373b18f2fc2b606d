from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.windows import windows
from kerasac.genome.centering import Center
from kerasac.sampling.tiling_spec import Edges, Overlaps, TilingSpec

PEAKS = "chr1\t50\t80\t.\t0\t.\t0\t0\t0\t22\nchr1\t0\t6\t.\t0\t.\t0\t0\t0\t2\n"


def invoke(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(windows)
    return CliRunner().invoke(app, arguments)


def test_windows_asks_for_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def note(peaks: Path, chrom_sizes: Path, out: Path, spec: TilingSpec, **options: Any) -> None:
        asked.update(files=(peaks, chrom_sizes, out), spec=spec, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasac.steps.tile.write_tiling", note)
    shape = "--width 100 --stride 50 --center center --one-a-peak --edges drop --overlaps none"
    invoke(*f"p.bed --chrom-sizes c.sizes --out o.bed {shape} --overwrite".split())
    assert asked["files"] == (Path("p.bed"), Path("c.sizes"), Path("o.bed"))
    assert asked["spec"] == TilingSpec(
        100, 50, Center.CENTER, one_a_peak=True, edges=Edges.DROP, overlaps=Overlaps.NONE
    )
    assert asked["overwrite"] is True


def test_windows_are_written_and_counted(tmp_path: Path) -> None:
    (tmp_path / "chrom.sizes").write_text("chr1\t100\n")
    (tmp_path / "peaks.narrowPeak").write_text(PEAKS)
    paths = [str(tmp_path / name) for name in ("peaks.narrowPeak", "chrom.sizes", "w.bed")]
    result = invoke(paths[0], "--chrom-sizes", paths[1], "--out", paths[2], "--width", "10")
    assert result.exit_code == 0, result.output
    printed = " ".join(result.output.split())
    assert "windows 5; 1 moved into their chromosome" in printed
    assert "covered 100.0% of 36 bases in peaks" in printed
    assert (tmp_path / "w.bed").read_text().splitlines()[-1] == "chr1\t0\t10"
