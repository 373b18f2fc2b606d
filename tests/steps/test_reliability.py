"""Calibration errors are the sums that one works out by hand, and the figure shows them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import binomtest

from kerasac.steps.calibrate import Labelled
from kerasac.steps.calibration import Calibration, Isotonic, Kind, Platt
from kerasac.steps.plots.reliability import reliability_diagram
from kerasac.steps.reliability import Judgement, judge, reliability, side


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_error_of_classes_is_worked_out_by_hand() -> None:
    # 15 bins: 0.05 lies in the first, 0.3 in the fifth, 1.0 in the last.
    predicted, label = floats(0.05, 0.05, 0.3, 1.0), floats(0, 1, 0, 1)
    found = side("classification", label, predicted)
    assert found.bins.n.tolist() == [2, 1, 1]
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.05) + 1 * 0.3 + 1 * 0) / 4)
    assert found.squared_error == pytest.approx((0.05**2 + 0.95**2 + 0.3**2 + 0) / 4)


def test_a_bin_of_probabilities_holds_its_upper_edge() -> None:
    assert reliability("classification", floats(0, 1, 1), floats(0, 0.2, 3 / 15)).n.tolist() == [1, 2]


def test_error_of_values_is_of_means_between_quantiles() -> None:
    predicted = np.arange(150, dtype=np.float64)
    observed = predicted + np.where(np.arange(150) % 2, 3, -1)  # one more, on average, in each group of ten
    found = side("counts", observed, predicted)
    assert found.bins.n.tolist() == [10] * 15
    assert found.ece == pytest.approx(1)
    assert found.squared_error == pytest.approx(5)


def test_equal_predictions_share_a_bin() -> None:
    found = reliability("regression", floats(*range(40)), floats(*[2] * 30, *[7] * 10))
    assert found.n.tolist() == [30, 10]
    assert found.observed.tolist() == [14.5, 34.5]


def test_the_order_of_windows_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    predicted, observed = rng.random(300).round(1), rng.random(300)
    order = rng.permutation(300)
    for one, other in zip(
        reliability("regression", observed, predicted),
        reliability("regression", observed[order], predicted[order]),
        strict=True,
    ):
        np.testing.assert_allclose(one, other)


def test_interval_of_a_share_is_wilsons() -> None:
    found = reliability("classification", floats(*[1] * 3, *[0] * 17), np.full(20, 0.5))
    expected = binomtest(3, 20).proportion_ci(0.95, method="wilson")
    assert (found.low[0], found.high[0]) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_interval_of_a_mean_is_of_its_standard_error() -> None:
    values = floats(1, 2, 3, 6)
    found = reliability("counts", values, np.zeros(4))
    half = 1.96 * values.std(ddof=1) / 2
    assert (found.low[0], found.high[0]) == pytest.approx((3 - half, 3 + half))


def judgement(kind: Kind, n_tasks: int) -> Judgement:
    rng = np.random.default_rng(0)
    tasks = tuple(f"task {i}" for i in range(n_tasks))
    predicted = rng.random((200, n_tasks)).astype(np.float32)
    labels = (rng.random((200, n_tasks)) < predicted**2).astype(np.float32)
    labels[:5] = np.nan
    function = Platt(1.3, -1) if kind == "classification" else Isotonic((0, 0.4, 1), (0, 0.1, 1))
    functions = dict.fromkeys(tasks, function)
    n = dict.fromkeys(tasks, 9)
    made = Calibration(kind, functions, n_labelled=n, n_windows=9, chroms=("chr1",), model="", values="log(counts + 1)")
    return judge(made, Labelled(kind, tasks, labels, predicted))


def test_a_task_is_judged_on_its_labelled_windows_before_and_after() -> None:
    found = judgement("classification", 1).tasks["task 0"]
    assert found.n == 195
    assert found.after.bins.predicted.mean() < found.before.bins.predicted.mean()


def test_a_task_without_labels_is_not_judged() -> None:
    made = Calibration("counts", {"t": Isotonic((0,), (0,))}, {"t": 3}, 3, ("chr1",), "")
    predicted = np.zeros((2, 1), dtype=np.float32)
    assert judge(made, Labelled("counts", ("t",), predicted * np.nan, predicted)).tasks == {}


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for ax in figure.axes for text in ax.texts)


@pytest.mark.parametrize(("kind", "n_panels"), [("classification", 2), ("counts", 1), ("regression", 1)])
def test_the_figure_shows_the_errors(kind: Kind, n_panels: int) -> None:
    made = judgement(kind, 1)
    figure = reliability_diagram(made, title="run")
    before, after = made.tasks["task 0"].before, made.tasks["task 0"].after
    assert len(figure.axes) == n_panels
    assert f"ECE {before.ece:.3g} → {after.ece:.3g}" in texts(figure)
    assert f"{before.squared_error:.3g} → {after.squared_error:.3g}" in texts(figure)
    assert "n = 195" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_more_tasks_than_fit_are_said(kind: Kind) -> None:
    assert "first 4 of 6 tasks" in reliability_diagram(judgement(kind, 6)).get_suptitle()
