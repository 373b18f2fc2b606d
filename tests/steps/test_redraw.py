"""Figures that a finished unit lacks are drawn from its predictions."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from drawn import simulate
from PIL import Image

from kerasac.steps.binned_predictions import BinnedPredictions, write_binned_predictions
from kerasac.steps.binned_scores import score_bins
from kerasac.steps.plots import WINDOW_FIGURES
from kerasac.steps.predictions import write_predictions
from kerasac.steps.report import renew_report
from kerasac.steps.report.redraw import draw_missing
from kerasac.steps.score import score, write_scores
from kerasac.store.labels.read import BinLabels


def make_unit(folder: Path, *, missing: tuple[str, ...]) -> Path:
    predictions = simulate(n=6)
    write_predictions(folder / "predictions.h5", predictions)
    write_scores(folder, score(predictions))
    (folder / "history.csv").write_text("epoch,loss,val_loss,seconds\n1,3,3,60\n2,2,2.5,120\n")
    (folder / "plots").mkdir()
    for name in set(WINDOW_FIGURES) - set(missing):
        Image.new("RGB", (20, 10), "white").save(folder / "plots" / f"{name}.png")
    return folder


def test_what_is_missing_is_drawn_and_nothing_else(tmp_path: Path) -> None:
    unit = make_unit(tmp_path / "fold-0" / "seed-1", missing=("best", "training"))
    before = (unit / "plots" / "jsd.png").read_bytes()
    said: list[str] = []
    drawn = draw_missing(tmp_path, said.append)
    assert {path.name for path in drawn} == {"best.png", "training.png"}
    assert said == ["fold-0/seed-1: drawing best, training"]
    assert (unit / "plots" / "jsd.png").read_bytes() == before
    assert draw_missing(tmp_path, said.append) == []
    assert len(said) == 1


def test_unreadable_predictions_do_not_keep_the_report_from_being_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unit = make_unit(tmp_path / "fold-0" / "seed-1", missing=("best",))
    (unit / "predictions.h5").write_bytes(b"broken")
    with caplog.at_level(logging.WARNING):
        page = renew_report(tmp_path).read_text()
    assert "best cannot be drawn" in caplog.text
    assert "plots/best.png is missing" in page


def test_figures_of_bins_are_drawn_too(tmp_path: Path) -> None:
    unit = tmp_path / "fold-0" / "seed-1"
    start, labels = np.arange(4) * 100, np.array([[1], [0], [1], [0]], dtype=np.float32)
    made_of = BinLabels(("chr1",), np.zeros(4, dtype=np.int32), start, start + 1000, labels, ("atac",))
    made = BinnedPredictions(made_of, labels * 0.5 + 0.2, "classification")
    write_binned_predictions(unit / "test", made)
    write_scores(unit, score_bins(made))
    assert {path.name for path in draw_missing(tmp_path)} == {"classes.png"}  # there is no history
