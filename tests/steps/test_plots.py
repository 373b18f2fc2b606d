import dataclasses
import io
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from drawn import simulate
from matplotlib._pylab_helpers import Gcf
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from PIL import Image
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from kerasac.errors import ScoreError
from kerasac.steps.plots import (
    WINDOW_FIGURES,
    counts_scatter,
    fold_dots,
    jsd_histogram,
    training_curves,
    window_figure,
    write_plots,
)
from kerasac.steps.plots.chosen import best, counts_off, even_steps, worst
from kerasac.steps.plots.style import STYLE, wrapped
from kerasac.steps.predictions import Predictions, open_predictions, write_predictions
from kerasac.steps.score import score
from kerasac.steps.summary import HeadlineRow
from kerasac.steps.window_scores import Ceiling


def history(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 1.5, 2.0], **columns})


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_write_plots_makes_whole_images(tmp_path: Path) -> None:
    predictions = simulate()
    paths = write_plots(tmp_path, predictions, score(predictions), history=history(), title="run, fold 0")
    assert [path.name for path in paths] == [f"{name}.png" for name in WINDOW_FIGURES]
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
    for draw in (counts_scatter, jsd_histogram, *(partial(window_figure, name) for name in ("examples", "worst"))):
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


def test_only_the_figures_asked_for_are_drawn(tmp_path: Path) -> None:
    predictions = simulate(n=4)
    assert [path.name for path in write_plots(tmp_path, predictions, score(predictions), only=["jsd"])] == ["jsd.png"]


def test_examples_are_peaks_at_even_steps_of_the_counts() -> None:
    predictions = simulate()
    chosen = even_steps(predictions, score(predictions))
    ranked = sorted(range(0, 40, 2), key=lambda row: predictions.label_profile[row].sum())
    assert chosen.places.tolist() == [ranked[3], ranked[10], ranked[16]]  # 1/6, 3/6 and 5/6 of 20 peaks
    assert chosen.words == ("17th percentile", "50th percentile", "83rd percentile")


def naive_extremes(predictions: Predictions) -> list[int]:
    """Rows of peaks with at least the median counts, by rising Jensen-Shannon distance, worked out one by one."""
    peaks = [row for row in range(predictions.n_windows) if predictions.is_peak[row]]
    total = {row: predictions.label_profile[row].sum() for row in peaks}
    enough = [row for row in peaks if total[row] >= np.median(list(total.values()))]
    found = {}
    for row in enough:
        pairs = zip(predictions.label_profile[row].T, softmax(predictions.logits[row], axis=0).T, strict=True)
        found[row] = np.mean([jensenshannon(observed, predicted) for observed, predicted in pairs])
    return sorted(enough, key=lambda row: found[row])


def test_best_and_worst_have_at_least_the_median_counts() -> None:
    predictions = simulate()
    scores, expected = score(predictions), naive_extremes(simulate())
    assert best(predictions, scores).places.tolist() == expected[:3]
    assert worst(predictions, scores).places.tolist() == expected[:-4:-1]
    assert "of the 10 peaks with counts that have at least the median of" in best(predictions, scores).rule


def test_windows_that_overlap_a_chosen_one_are_passed_over() -> None:
    apart = simulate()
    first, second, third, fourth = naive_extremes(apart)[:4]
    center = apart.center.copy()
    center[second] = center[first] + apart.n_bases - 1
    # Near ones would be sorted elsewhere by coordinate, so names are compared, not places.
    predictions = dataclasses.replace(apart, center=center)
    scores = score(predictions)
    rows = scores.rows[best(predictions, scores).places].tolist()
    assert rows == [first, third, fourth]


def test_counts_furthest_off_are_of_all_peaks() -> None:
    predictions = simulate()
    predicted = predictions.label_logcount.copy()
    predicted[[4, 10, 30, 31]] += np.array([[2.0], [-3.0], [1.0], [9.0]])  # 31 is background
    predictions = dataclasses.replace(predictions, logcount=predicted)
    assert counts_off(predictions, score(predictions)).places.tolist() == [10, 4, 30]


def test_a_window_is_labelled_with_place_counts_and_distance() -> None:
    predictions = simulate(n_tasks=1)
    scores = score(predictions)
    figure = window_figure("best", predictions, scores, title="run, fold 0")
    row = int(scores.rows[best(predictions, scores).places[0]])
    ax = figure.axes[0]
    assert ax.get_title(loc="left") == f"chr1:{row * 1000:,}"
    assert ax.get_title(loc="right") == f"JSD {scores.profiles['task 0'].jsd[row]:.2f}"
    counts = predictions.label_profile[row].sum()
    assert ax.texts[0].get_text() == f"{counts:,.0f} counts, {counts + 19:,.0f} predicted"


def test_windows_are_drawn_from_an_open_file_as_from_memory(tmp_path: Path) -> None:
    predictions = simulate()
    write_predictions(tmp_path / "predictions.h5", predictions)
    drawn = [io.BytesIO(), io.BytesIO()]
    with open_predictions(tmp_path / "predictions.h5") as file:
        window_figure("worst", file, score(file)).savefig(drawn[0], dpi=40)
    window_figure("worst", predictions, score(predictions)).savefig(drawn[1], dpi=40)
    assert drawn[0].getvalue() == drawn[1].getvalue()


def test_pseudoreplicates_are_drawn_beside_the_floors() -> None:
    predictions = simulate(n_tasks=1)
    scores = score(predictions)
    labels = [text.get_text() for text in jsd_histogram(predictions, scores).axes[0].get_legend().get_texts()]
    assert not any("pseudoreplicate" in label for label in labels)
    jsd = np.where(predictions.is_peak, 0.25, 0.75)[:, None]
    scores = dataclasses.replace(scores, ceiling=Ceiling(np.ones((2, 40, 1)), jsd))
    labels = [text.get_text() for text in jsd_histogram(predictions, scores).axes[0].get_legend().get_texts()]
    assert "0.250  one pseudoreplicate of the other" in labels


def test_captions_are_wrapped_to_their_width() -> None:
    text = "Windows at even steps of the ranking by observed counts; none was picked by eye. " * 3
    lines = wrapped(text, 3.0, size=8).splitlines()
    font = FontProperties(family=STYLE["font.family"])
    widths = [TextPath((0, 0), line, size=8, prop=font).get_extents().width / 72 for line in lines]
    assert 2.5 < max(widths) <= 3.0
    assert " ".join(lines) == text.strip()
    assert wrapped("unbreakable" * 9, 1.0, size=8) == "unbreakable" * 9


def test_training_marks_the_epoch_of_the_lowest_validation_loss() -> None:
    figure = training_curves(history(logcount_loss=[1, 1, 1], val_logcount_loss=[5.0, 4.0, 3.0]))
    assert titles(figure) == ["Total loss", "Count loss"]
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["1.5", "4"]


def test_training_without_a_loss_is_refused() -> None:
    with pytest.raises(ScoreError, match="no loss; its columns are epoch"):
        training_curves(pd.DataFrame({"epoch": [1]}))


def test_fold_dots_draw_a_dot_for_each_unit() -> None:
    values = {"fold-0/seed-1": 0.5, "fold-0/seed-2": 0.6, "fold-1/seed-1": None}
    row = HeadlineRow("peaks", "m", "Metric", "higher", 0.55, 0.07, values, "chance", 0.1)
    (ax,) = fold_dots(row).axes
    dots = next(line for line in ax.lines if len(line.get_xdata()) == 3)
    np.testing.assert_array_equal(dots.get_ydata(), [0.5, 0.6, np.nan])
    assert len(set(dots.get_xdata())) == 3


def test_drawing_leaves_matplotlibs_settings_and_pyplot_alone() -> None:
    before = dict(mpl.rcParams)
    training_curves(history())
    assert dict(mpl.rcParams) == before
    assert Gcf.get_all_fig_managers() == []
