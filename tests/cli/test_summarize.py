from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from scored import one_seed, write_run
from typer.testing import CliRunner

from kerasac.cli.summarize import summarize


def invoke(*arguments: str | Path) -> Any:
    app = typer.Typer()
    app.command()(summarize)
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    gains = [0.031, 0.029, 0.030, 0.032, 0.028]
    values = {fold: 0.5 + 0.02 * fold for fold in range(5)}
    better = {fold: value + gains[fold] for fold, value in values.items()}
    name = "a-name-that-is-too-long-for-a-narrow-terminal-and-is-not-cut"
    return [write_run(tmp_path / "a", one_seed(values)), write_run(tmp_path / name, one_seed(better))]


def test_summarize_asks_for_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def compare(read: Any, **options: Any) -> None:
        asked.update(read=read, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasac.steps.configurations.read_configurations", list)
    monkeypatch.setattr("kerasac.steps.comparison.compare", compare)
    invoke("a", "b", "--baseline", "b", "--metric", "peaks.x", "--metric", "all.y")
    assert asked == {"read": [Path("a"), Path("b")], "baseline": "b", "metrics": ["peaks.x", "all.y"]}


def test_the_table_and_the_verdict_are_printed(runs: list[Path]) -> None:
    result = invoke(*runs)
    assert result.exit_code == 0, result.output
    assert "Count correlation r, peaks ↑" in result.output
    assert "+0.0300 (0.0268 to 0.0332)" in result.output
    assert f"{runs[1].name} is better than a by 0.0300 (0.0268 to 0.0332)." in result.output
    assert "wrote" not in result.output


def test_files_are_written_where_asked(runs: list[Path], tmp_path: Path) -> None:
    result = invoke(*runs, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out/comparison.html").exists()
    assert f"wrote {tmp_path / 'out/summary.tsv'}" in result.output


def test_json_is_the_document(runs: list[Path]) -> None:
    document = json.loads(invoke(*runs, "--json").output)
    assert [run["name"] for run in document["runs"]] == [run.name for run in runs]
    assert document["comparisons"][0]["difference"] == pytest.approx(0.03)


def test_one_run_is_a_table(runs: list[Path]) -> None:
    result = invoke(runs[0])
    assert "0.540 ± 0.014" in result.output
    assert "give two or more to compare them" in result.output
