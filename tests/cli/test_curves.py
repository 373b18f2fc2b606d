from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.curves import curves
from kerasac.errors import ScoreError
from kerasac.steps.predictions import Predictions, write_predictions


def invoke(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(curves)
    return CliRunner().invoke(app, arguments)


def test_curves_asks_for_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def found(paths: list[Path], names: list[str]) -> str:
        asked.update(paths=paths, names=names)
        return "sources"

    def computed(sources: str, tasks: list[str]) -> None:
        asked.update(sources=sources, tasks=tasks)
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasac.steps.ranked.find_sources", found)
    monkeypatch.setattr("kerasac.steps.curves.compute_curves", computed)
    typed = "a b --out c.svg --task plus --task minus --name A --name B"
    invoke(*typed.split())
    paths = [Path("a"), Path("b")]
    assert asked == {"paths": paths, "names": ["A", "B"], "sources": "sources", "tasks": ["plus", "minus"]}


def test_a_figure_that_cannot_be_written_is_refused_before_anything_is_read() -> None:
    result = invoke("gone", "--out", "c.jpg")
    assert isinstance(result.exception, ScoreError)
    assert "c.jpg is no .png" in str(result.exception)


def test_figure_points_and_areas_of_a_run_are_written(tmp_path: Path) -> None:
    for fold in range(2):
        unit = tmp_path / "run" / f"fold-{fold}" / "seed-1"
        unit.mkdir(parents=True)
        write_predictions(unit / "predictions.h5", predictions(flipped=fold))
    out, points, table = (tmp_path / name for name in ("c.png", "c.json", "c.tsv"))
    result = invoke(str(tmp_path / "run"), "--out", str(out), "--json", str(points), "--tsv", str(table))
    assert result.exit_code == 0, result.output
    # The second unit ranks one pair of peak and background wrongly, of 2 × 2.
    assert "run  2      0.9167 ± 0.1179  0.500   0.8750 ± 0.1768" in result.stdout
    units = json.loads(points.read_text())["sources"]["run"]["plus"]["units"]
    assert [unit["auroc"] for unit in units.values()] == [1.0, 0.75]
    assert out.stat().st_size > 10_000
    assert table.read_text().startswith("source\ttask\tcurve\tx\ty\tlow\thigh\nrun\tplus\troc\t0.0\t")


def predictions(*, flipped: int) -> Predictions:
    """Two peaks and two background windows; with ``flipped`` the second peak ranks below the first background."""
    counts = np.array([[4], [2 if flipped else 3], [3 if flipped else 2], [1]], dtype=np.float32)
    profile = np.ones((4, 5, 1), dtype=np.float32)
    peaks = np.array([True, True, False, False])
    where = np.full(4, "chr1"), np.arange(4), np.full(4, ".")
    return Predictions(*where, peaks, profile, profile, counts, counts, ("plus",))
