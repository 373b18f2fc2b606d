from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from simulated import simulate
from typer.testing import CliRunner

from kerasac.cli.score import score
from kerasac.errors import ConfigError, ScoreError
from kerasac.runs.rescore import ScoreRequest
from kerasac.steps.binned_predictions import BinnedPredictions, write_binned_predictions
from kerasac.steps.predictions import write_predictions
from kerasac.steps.score_settings import ScoreSettings
from kerasac.steps.smoothing import Smoothing
from kerasac.store.labels.read import BinLabels


def invoke(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(score)
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def file(tmp_path: Path) -> str:
    write_predictions(tmp_path / "p.h5", simulate())
    return str(tmp_path / "p.h5")


def test_score_asks_for_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def note(source: Path, request: ScoreRequest, **options: Any) -> None:
        asked.extend([source, request, options])
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasac.runs.rescore.rescore", note)
    limits = "--min-log-counts 4 --max-log-counts 5.5 --smooth-observed 7,81 --smooth-predicted 2,9"
    tracks = "--pseudoreplicates a.bw,b.bw --pseudoreplicates c.bw,d.bw --labels-from e.bw --labels-from f.bw"
    others = "--kind regression --format kerasac --format bpnet-lite --seed 7 --out o --overwrite"
    invoke("p.h5", *f"{limits} {tracks} {others}".split())
    settings = ScoreSettings(
        label_range=(4.0, 5.5), smooth_observed=Smoothing(7.0, 81), smooth_predicted=Smoothing(2.0, 9)
    )
    pairs = ((Path("a.bw"), Path("b.bw")), (Path("c.bw"), Path("d.bw")))
    request = ScoreRequest(settings, 7, pairs, (Path("e.bw"), Path("f.bw")), "regression", ("kerasac", "bpnet-lite"))
    assert asked == [Path("p.h5"), request, {"out": Path("o"), "overwrite": True}]


def test_a_table_of_window_sets_with_floors_is_printed(file: str) -> None:
    result = invoke(file, "--by-task", "--definitions")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "p.h5: 60 windows, mean over 2 tasks"
    assert lines[1].split() == ["peaks", "background", "all"]
    assert lines[2].split() == ["30", "30", "60"]
    (mean, plus, minus) = (line.split() for line in lines if line.startswith("jsd_distance_mean "))
    assert mean[1] == "↓"
    assert float(mean[2]) == pytest.approx((float(plus[2]) + float(minus[2])) / 2, abs=2e-3)
    (floor, *_) = (line.split() for line in lines if line.startswith("jsd_distance_uniform "))
    assert floor[1] == "floor"
    assert any(line.startswith("counts_mse: Mean squared difference") for line in lines)


def test_windows_that_were_left_out_are_said(file: str) -> None:
    result = invoke(file, "--min-log-counts", "3.5")
    assert "outside the range of counts left out" in result.stdout.splitlines()[0]


def test_json_is_what_scores_json_holds(file: str, tmp_path: Path) -> None:
    result = invoke(file, "--json", "--out", str(tmp_path / "out"))
    assert json.loads(result.stdout) == json.loads((tmp_path / "out" / "scores.json").read_text())
    assert "wrote scores.json, scores.tsv in" in result.stderr


@pytest.mark.parametrize("pair", ["a.bw", "a.bw,", "a.bw,b.bw,c.bw"])
def test_what_is_no_pair_is_refused(file: str, pair: str) -> None:
    error = invoke(file, "--pseudoreplicates", pair).exception
    assert isinstance(error, ConfigError)
    assert f"{pair!r} is not two bigWigs" in str(error)


def test_what_is_no_smoothing_is_refused_before_anything_is_read() -> None:
    error = invoke("none.h5", "--smooth-observed", "7").exception
    assert isinstance(error, ScoreError)
    assert "'7' is not SIGMA,WIDTH" in str(error)


@pytest.mark.shared
def test_the_command_gives_kerasacs_own_numbers(shared_dir: Path, tmp_path: Path) -> None:
    folder = shared_dir / "reference"
    expected = json.loads((folder / "kerasac_bpnet_scores.json").read_text())
    arguments = ["--min-log-counts", "4.0", "--max-log-counts", "5.5", "--format", "kerasac", "--json"]
    result = invoke(str(folder / "scores_in.predictions"), "--out", str(tmp_path), *arguments)
    found = json.loads(result.stdout)["tasks"]
    for task in (0, 1):
        metrics, known = found[f"task_{task}"]["all"], expected[f"filtered.{task}"]
        for name, column in (("counts_pearson", "Pearson"), ("counts_mse", "MSE"), ("jsd_distance_mean", "MeanJSD")):
            assert metrics[name] == pytest.approx(float(known[column]), abs=1e-6)
        header, row = (tmp_path / f"kerasac.{task}.summary.txt").read_text().splitlines()
        likelihood = dict(zip(header.split("\t"), row.split("\t"), strict=True))["MeanMNNLL"]
        assert float(likelihood) == pytest.approx(float(known["MeanMNNLL"]), abs=1e-6)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("kind", "label", "predicted"), [("classification", "y_class", "p_class"), ("regression", "y_reg", "p_reg")]
)
def test_the_command_gives_kerasacs_own_numbers_of_bins(
    shared_dir: Path, tmp_path: Path, kind: str, label: str, predicted: str
) -> None:
    folder = shared_dir / "reference"
    expected = json.loads((folder / "kerasac_binned_scores.json").read_text())[kind]
    data = np.load(folder / "binned_scores_in.npz")
    n = len(data[label])
    places = np.zeros(n, dtype=np.int32), np.arange(n) * 50, np.arange(n) * 50 + 200
    labels = BinLabels(("chr1",), *places, data[label].astype(np.float32), ("a", "b"))
    write_binned_predictions(tmp_path / "p", BinnedPredictions(labels, data[predicted].astype(np.float32), None))
    result = invoke(str(tmp_path / "p"), "--kind", kind, "--json")
    found = json.loads(result.stdout)["tasks"]
    for name, values in expected.items():
        ours = name.replace("nonzerobins", "nonzero").replace("pearsonr", "pearson").replace("spearmanr", "spearman")
        # The tables hold float32; the numbers themselves are compared to 1e-9 in test_binned_scores.
        assert [found[task]["all"][ours] for task in ("a", "b")] == pytest.approx(values, abs=1e-6)
