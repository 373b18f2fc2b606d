"""Curves hold every point that their areas are of, and averages are those of the units at each grid point."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kerasac.errors import ScoreError
from kerasac.steps.curves import (
    MAX_POINTS,
    Curves,
    TaskCurves,
    UnitCurves,
    compute_curves,
    thin,
    unit_curves,
    write_json,
    write_table,
)
from kerasac.steps.plots.curves import check_figure, curves_figure, write_curves
from kerasac.steps.ranked import Positives, Ranked, Source

# Eight windows by falling prediction: + - + + - + - -
POSITIVE = np.array([1, 0, 1, 1, 0, 1, 0, 0], dtype=bool)
FALLING = np.arange(8, 0, -1, dtype=np.float32)
REVERSED = Ranked(FALLING[::-1], POSITIVE)


def drawn(n: int, seed: int, *, ties: bool = False) -> Ranked:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.2
    predicted = positive * 0.7 + rng.random(n)
    return Ranked((predicted.round(1) if ties else predicted).astype(np.float32), positive)


def curves_of(ranked: Ranked) -> UnitCurves:
    made = unit_curves(ranked)
    assert made is not None
    return made


def task(units: dict[str, Ranked]) -> TaskCurves:
    return TaskCurves({name: unit_curves(ranked) for name, ranked in units.items()})


def naive_precision(ranked: Ranked, recall: float) -> float:
    """Lower the threshold one prediction at a time until the recall is reached."""
    for threshold in sorted(set(ranked.predicted.tolist()), reverse=True):
        called = ranked.predicted >= threshold
        found = int((called & ranked.positive).sum())
        if found and found / ranked.positive.sum() >= recall - 1e-12:
            return found / int(called.sum())
    raise AssertionError


def naive_true_positive_rate(ranked: Ranked, rate: float) -> float:
    """Walk along the points from the highest threshold; straight between them, up where they are above another."""
    points = [(0.0, 0.0)]
    for threshold in sorted(set(ranked.predicted.tolist()), reverse=True):
        called = ranked.predicted >= threshold
        points.append((float(called[~ranked.positive].mean()), float(called[ranked.positive].mean())))
    last = max(i for i, (x, _) in enumerate(points) if x <= rate)
    (x0, y0), (x1, y1) = points[last], points[min(last + 1, len(points) - 1)]
    return y0 if x1 == x0 else y0 + (y1 - y0) * (rate - x0) / (x1 - x0)


def test_areas_and_points_are_worked_out_by_hand() -> None:
    made = curves_of(Ranked(FALLING, POSITIVE))
    assert (made.n, made.n_positive) == (8, 4)
    assert made.auroc == (4 + 3 + 3 + 2) / 16  # negatives below each positive, of 4 × 4 pairs
    assert made.auprc == pytest.approx((1 / 1 + 2 / 3 + 3 / 4 + 4 / 6) / 4)
    assert made.pr.x.tolist() == [0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(made.pr.y, [1, 2 / 3, 3 / 4, 4 / 6])


@pytest.mark.parametrize("ties", [False, True])
def test_grids_are_those_of_a_walk_over_thresholds(ties: bool) -> None:
    ranked = drawn(60, 3, ties=ties)
    made = curves_of(ranked)
    grid = np.arange(0, 1001, 50) / 1000
    expected = [naive_precision(ranked, recall) for recall in grid]
    np.testing.assert_allclose(made.pr_grid[::50], expected)
    np.testing.assert_allclose(made.roc_grid[::50], [naive_true_positive_rate(ranked, rate) for rate in grid])


@pytest.mark.parametrize("ties", [False, True])
def test_areas_are_sums_over_pairs_and_over_recalls(ties: bool) -> None:
    ranked = drawn(200, 1, ties=ties)
    made = curves_of(ranked)
    positives, negatives = ranked.predicted[ranked.positive], ranked.predicted[~ranked.positive]
    above = (positives[:, None] > negatives).mean() + 0.5 * (positives[:, None] == negatives).mean()
    assert made.auroc == pytest.approx(above)
    recalls = (np.arange(len(positives)) + 1) / len(positives)
    assert made.auprc == pytest.approx(np.mean([naive_precision(ranked, recall) for recall in recalls]))


def test_many_windows_give_few_points_and_the_same_areas() -> None:
    ranked = drawn(60_000, 2)
    made = curves_of(ranked)
    assert max(len(made.roc.x), len(made.pr.x)) <= MAX_POINTS
    assert (made.roc.x[0], made.roc.y[-1], made.pr.x[-1]) == (0, 1, 1)
    assert np.trapezoid(made.roc.y, made.roc.x) == pytest.approx(made.auroc, abs=1e-3)
    order = np.argsort(-ranked.predicted)
    precision = np.cumsum(ranked.positive[order]) / np.arange(1, 60_001)
    assert made.auprc == pytest.approx(precision[ranked.positive[order]].mean(), rel=1e-6)


def test_thinned_curves_keep_their_ends_and_shape() -> None:
    x = np.linspace(0, 1, 50_000)
    kept = thin(x, x**2)
    assert MAX_POINTS * 0.9 < len(kept.x) <= MAX_POINTS
    assert (kept.x[0], kept.x[-1]) == (0, 1)
    np.testing.assert_allclose(np.interp(x, kept.x, kept.y), x**2, atol=1e-5)


def test_one_unit_is_drawn_as_it_is() -> None:
    of_task = task({"fold-0/seed-1": Ranked(FALLING, POSITIVE)})
    assert of_task.curve("pr").x.tolist() == [0.25, 0.5, 0.75, 1]
    assert of_task.curve("roc").low is None
    assert of_task.area("auroc").sd is None


def test_two_units_have_their_range_as_a_band() -> None:
    of_task = task({"fold-0/seed-1": Ranked(FALLING, POSITIVE), "fold-1/seed-1": REVERSED})
    curve = of_task.curve("pr")
    assert curve.low is not None
    assert curve.high is not None
    at = 500  # recall 0.5: precisions 2/3 and, from the other end, 2/5
    assert (curve.x[at], curve.high[at], curve.low[at]) == pytest.approx((0.5, 2 / 3, 2 / 5))
    assert curve.y[at] == pytest.approx((2 / 3 + 2 / 5) / 2)


def test_more_units_have_one_standard_deviation_as_a_band() -> None:
    made = {f"fold-{i}/seed-1": drawn(80, i) for i in range(4)}
    curve = task(made).curve("roc")
    rows = np.array([[naive_true_positive_rate(ranked, rate) for rate in (0.1, 0.4)] for ranked in made.values()])
    assert curve.low is not None
    assert curve.high is not None
    np.testing.assert_allclose(curve.y[[100, 400]], rows.mean(axis=0))
    np.testing.assert_allclose(curve.low[[100, 400]], rows.mean(axis=0) - rows.std(axis=0, ddof=1))
    assert curve.high.max() <= 1


def test_each_fold_counts_once_however_many_seeds_it_has() -> None:
    twice = Ranked(FALLING, POSITIVE)
    of_task = task({"fold-0/seed-1": twice, "fold-0/seed-2": twice, "fold-1/seed-1": REVERSED})
    assert of_task.curve("pr").y[500] == pytest.approx((2 / 3 + 2 / 5) / 2)
    assert of_task.area("auroc").mean == pytest.approx((0.75 + 0.25) / 2)


def test_a_unit_of_one_class_has_no_curve() -> None:
    negatives = Ranked(FALLING, np.zeros(8, dtype=bool))
    of_task = task({"fold-0/seed-1": negatives, "fold-1/seed-1": Ranked(FALLING, POSITIVE)})
    assert of_task.units["fold-0/seed-1"] is None
    assert of_task.area("auroc").mean == 0.75
    assert of_task.chance == 0.5


class Given(Source):
    """A source whose windows are given, one unit's a task."""

    def __init__(self, name: str, tasks: Sequence[str], *, n: int = 3, kind: Positives = "peaks") -> None:
        super().__init__(name, {f"fold-{i}/seed-1": Path() for i in range(n)})
        object.__setattr__(self, "given", (kind, {task: drawn(300, len(task)) for task in tasks}))

    def read(self, unit: str) -> tuple[Positives, dict[str, Ranked]]:
        found: tuple[Positives, dict[str, Ranked]] = self.given  # type: ignore[attr-defined]
        return found


def test_sources_are_drawn_in_the_tasks_they_share(caplog: pytest.LogCaptureFixture) -> None:
    made = compute_curves([Given("one", ["b", "only", "a"]), Given("two", ["a", "b"])])
    assert made.tasks == ("b", "a")
    assert "tasks that not all sources have are left out: only" in caplog.text


def test_only_tasks_asked_for_are_computed() -> None:
    made = compute_curves([Given("one", ["a", "b"])], ["b"])
    assert list(made.sources["one"]) == ["b"]


@pytest.mark.parametrize(
    ("sources", "tasks", "message"),
    [
        ([Given("one", ["plus"])], ["plsu"], "one has no task 'plsu'; did you mean 'plus'"),
        ([Given("one", ["a"]), Given("two", ["b"])], [], r"no task in common \(one: a; two: b\)"),
        ([Given("one", ["a"]), Given("two", ["a"], kind="positive bins")], [], "one of peaks, two of positive bins"),
    ],
)
def test_what_does_not_go_together_is_refused(sources: list[Source], tasks: list[str], message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        compute_curves(sources, tasks)


def test_windows_of_one_class_everywhere_are_refused() -> None:
    source = Given("one", ["a"])
    source.given[1]["a"] = Ranked(FALLING, np.ones(8, dtype=bool))  # type: ignore[attr-defined]
    with pytest.raises(ScoreError, match="no unit has both positives and negatives of a"):
        compute_curves([source])


def test_predictions_that_are_no_numbers_are_named() -> None:
    source = Given("one", ["a"])
    source.given[1]["a"].predicted[3] = np.nan  # type: ignore[attr-defined]
    with pytest.raises(ScoreError, match="predictions of a by one, fold-0/seed-1 are not all finite"):
        compute_curves([source])


@pytest.fixture(scope="module")
def two() -> Curves:
    return compute_curves([Given("basset", ["a", "bb"]), Given("deepsea", ["a", "bb"], n=1)])


def test_json_holds_areas_by_unit_points_and_definitions(two: Curves, tmp_path: Path) -> None:
    write_json(two, tmp_path / "c.json")
    document = json.loads((tmp_path / "c.json").read_text())
    of_task = document["sources"]["basset"]["a"]
    assert of_task["auroc"]["mean"] == pytest.approx(of_task["units"]["fold-0/seed-1"]["auroc"])
    assert len(of_task["roc"]["false_positive_rate"]) == len(of_task["roc"]["low"]) == 1001
    assert document["sources"]["deepsea"]["bb"]["pr"]["low"] is None
    assert {"auroc", "auprc", "roc", "pr", "band"} <= document["definitions"].keys()


def test_the_table_holds_the_points_of_every_curve(two: Curves, tmp_path: Path) -> None:
    write_table(two, tmp_path / "c.tsv")
    table = pd.read_csv(tmp_path / "c.tsv", sep="\t")
    assert list(table.columns) == ["source", "task", "curve", "x", "y", "low", "high"]
    assert table.groupby(["source", "task", "curve"]).ngroups == 8
    assert table[table.source == "deepsea"].low.isna().all()


def test_the_figure_names_areas_and_has_a_band_where_units_are_averaged(two: Curves) -> None:
    figure = curves_figure(two, title="run")
    assert len(figure.axes) == 4
    legend = figure.axes[1].get_legend()
    assert legend is not None
    area = two.sources["basset"]["a"].area("auroc")
    assert [text.get_text() for text in legend.get_texts()] == [
        f"basset: {area.mean:.3f} ± {area.sd:.3f} (3)",
        f"deepsea: {area.mean:.3f}",
    ]
    assert legend.get_title().get_text() == "AUROC"
    assert len(figure.axes[1].collections) == 1, "the band of the first"


@pytest.mark.parametrize("ending", [".pdf", ".svg"])
def test_figures_are_of_the_kind_their_name_says(tmp_path: Path, ending: str) -> None:
    write_curves(tmp_path / f"c{ending}", compute_curves([Given("one", ["a"], n=1)]))
    start = (tmp_path / f"c{ending}").read_bytes()[:200]
    assert {".pdf": b"%PDF", ".svg": b"<?xml"}[ending] in start


def test_figures_that_cannot_be_drawn_are_refused_first() -> None:
    with pytest.raises(ScoreError, match=r"c\.jpg is no \.png, \.pdf, \.svg file"):
        check_figure(Path("c.jpg"), 1)
    with pytest.raises(ScoreError, match="8 sources are too many"):
        check_figure(Path("c.png"), 8)
