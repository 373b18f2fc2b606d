import dataclasses
import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib._pylab_helpers import Gcf
from matplotlib.figure import Figure
from PIL import Image

from kerasac.errors import ScoreError
from kerasac.steps.plots import (
    across_folds,
    counts_scatter,
    example_profiles,
    jsd_histogram,
    training_curves,
    write_plots,
)
from kerasac.steps.predictions import Predictions
from kerasac.steps.score import score
from kerasac.steps.summary import HeadlineRow


def simulate(n: int = 40, length: int = 60, n_tasks: int = 2, **change: np.ndarray) -> Predictions:
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (n, length, n_tasks)).astype(np.float32) * (1 + np.arange(n)[:, None, None] // 4)
    predictions = Predictions(
        chrom=np.full(n, "chr1"),
        center=np.arange(n, dtype=np.int64) * 1000,
        strand=np.full(n, "."),
        is_peak=np.arange(n) % 2 == 0,
        label_profile=counts,
        logits=rng.normal(size=counts.shape).astype(np.float32),
        label_logcount=np.log(counts.sum(axis=1) + 1),
        logcount=np.log(counts.sum(axis=1) + 20),
        tasks=tuple(f"task {i}" for i in range(n_tasks)),
    )
    return dataclasses.replace(predictions, **change)


def history(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 1.5, 2.0], **columns})


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_write_plots_makes_whole_images(tmp_path: Path) -> None:
    predictions = simulate()
    paths = write_plots(tmp_path, predictions, score(predictions), history=history(), title="run, fold 0")
    assert [path.name for path in paths] == ["counts.png", "jsd.png", "profiles.png", "training.png"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == sorted(path.name for path in paths)
    for path in paths:
        with Image.open(path) as image:
            assert image.convert("L").getextrema()[0] < 100, f"{path.name} is blank"
            assert image.info["dpi"][0] == pytest.approx(150, abs=1)


@pytest.mark.parametrize(
    "predictions",
    [
        simulate(n_tasks=5),
        simulate(n=1),
        simulate(is_peak=np.zeros(40, bool)),
        simulate(n_tasks=1, label_profile=np.zeros((40, 60, 1), np.float32), logcount=np.zeros((40, 1), np.float32)),
    ],
    ids=["five tasks", "one window", "no peaks", "no counts"],
)
def test_odd_predictions_are_drawn_all_the_same(predictions: Predictions) -> None:
    scores = score(predictions)
    for draw in (counts_scatter, jsd_histogram, example_profiles):
        figure = draw(predictions, scores)
        figure.set_layout_engine("none")  # the layout takes ten times the drawing
        figure.savefig(io.BytesIO(), dpi=20)


def test_counts_panels_give_r_and_the_number_of_windows() -> None:
    predictions = simulate(n_tasks=1)
    scores = score(predictions)
    figure = counts_scatter(predictions, scores)
    assert titles(figure) == ["Peaks  (n = 20)", "Background  (n = 20)"]
    r = scores.tasks["task 0"]["peaks"]["counts_pearson"]
    assert f"r = {r:.3f}" in figure.axes[0].texts[0].get_text()


def test_examples_are_peaks_in_order_of_counts_and_the_same_every_time() -> None:
    predictions = simulate()
    scores = score(predictions)
    shown = titles(example_profiles(predictions, scores))
    assert shown == titles(example_profiles(predictions, scores))
    rows = [int(title.split(":")[1].replace(",", "")) // 1000 for title in shown]
    assert all(predictions.is_peak[rows])
    assert sorted(rows) == rows  # counts grow with the row
    assert len(rows) == 6


def test_training_marks_the_epoch_of_the_lowest_validation_loss() -> None:
    figure = training_curves(history(logcount_loss=[1, 1, 1], val_logcount_loss=[5.0, 4.0, 3.0]))
    assert titles(figure) == ["Total loss", "Count loss"]
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["1.5", "4"]


def test_training_without_a_loss_is_refused() -> None:
    with pytest.raises(ScoreError, match="no loss; its columns are epoch"):
        training_curves(pd.DataFrame({"epoch": [1]}))


def test_across_folds_draws_a_dot_for_each_unit() -> None:
    values = {"fold-0/seed-1": 0.5, "fold-0/seed-2": 0.6, "fold-1/seed-1": None}
    row = HeadlineRow("peaks", "m", "Metric", "higher", 0.55, 0.07, values, "chance", 0.1)
    (ax,) = across_folds([row]).axes
    dots = next(line for line in ax.lines if len(line.get_xdata()) == 3)
    np.testing.assert_array_equal(dots.get_ydata(), [0.5, 0.6, np.nan])
    assert len(set(dots.get_xdata())) == 3


def test_drawing_leaves_matplotlibs_settings_and_pyplot_alone() -> None:
    before = dict(mpl.rcParams)
    training_curves(history())
    assert dict(mpl.rcParams) == before
    assert Gcf.get_all_fig_managers() == []
