import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kerasac.errors import ScoreError
from kerasac.steps.metric_summary import MetricSummary
from kerasac.steps.summary import better_direction, headline, headline_labels, summarize


def write_unit(run_dir: Path, unit: str, peaks: dict, everything: dict | None = None) -> None:
    (run_dir / unit).mkdir(parents=True)
    scores = {"windows": {"peaks": peaks, "all": everything or {}}, "tasks": {}, "definitions": {"a": "An a."}}
    (run_dir / unit / "scores.json").write_text(json.dumps(scores))


def test_with_one_seed_mean_sd_and_se_are_over_folds(tmp_path: Path) -> None:
    for fold, value in enumerate([0.1, 0.4, 0.7]):
        write_unit(tmp_path, f"fold-{fold}/seed-1234", {"a": value})
    summarize(tmp_path)
    found = json.loads((tmp_path / "summary.json").read_text())["metrics"]["peaks"]["a"]
    assert found["values"] == {f"fold-{fold}/seed-1234": v for fold, v in enumerate([0.1, 0.4, 0.7])}
    assert found["mean"] == pytest.approx(0.4)
    assert found["sd"] == pytest.approx(np.std([0.1, 0.4, 0.7], ddof=1))
    assert found["se"] == pytest.approx(np.std([0.1, 0.4, 0.7], ddof=1) / np.sqrt(3))


def test_seeds_of_a_fold_do_not_count_as_independent() -> None:
    once = MetricSummary({"fold-0/seed-1": 0.1, "fold-1/seed-1": 0.4, "fold-2/seed-1": 0.7})
    copied = MetricSummary({f"{unit}{copy}": value for unit, value in once.values.items() for copy in range(4)})
    assert copied.se == pytest.approx(once.se)
    assert copied.fold_means == pytest.approx({"fold-0": 0.1, "fold-1": 0.4, "fold-2": 0.7})


def test_every_fold_counts_once_in_the_mean() -> None:
    metric = MetricSummary({"fold-0/seed-1": 0.0, "fold-0/seed-2": 0.2, "fold-0/seed-3": 0.1, "fold-1/seed-1": 0.5})
    assert metric.mean == pytest.approx((0.1 + 0.5) / 2)
    assert metric.sd == pytest.approx(np.std([0.0, 0.2, 0.1, 0.5], ddof=1))
    assert metric.se == pytest.approx(np.std([0.1, 0.5], ddof=1) / np.sqrt(2))


def test_seeds_of_one_fold_have_a_spread_and_no_standard_error() -> None:
    metric = MetricSummary({"fold-0/seed-1": 0.1, "fold-0/seed-2": 0.3})
    assert (metric.sd, metric.se) == (pytest.approx(np.std([0.1, 0.3], ddof=1)), None)


@pytest.mark.parametrize(
    ("metric", "definition", "better"),
    [
        ("mnll_mean", "Likelihood; a uniform profile has 6.2, lower is better.", "lower"),
        ("pearson", "Correlation; higher is better, undefined for 2 bins.", "higher"),
        ("jsd_distance_uniform", "A floor that a model has to come below.", None),
        ("jsd_distance_mean", None, "lower"),
        ("num_positives", None, None),
    ],
)
def test_the_definition_says_which_way_is_better(metric: str, definition: str | None, better: str | None) -> None:
    assert better_direction(metric, definition) == better


def test_headline_labels_are_by_window_set_and_metric(tmp_path: Path) -> None:
    write_unit(tmp_path, "fold-0/seed-1", {"counts_pearson": 0.5, "a": 1.0}, {"auroc": 0.9})
    labels = headline_labels(summarize(tmp_path))
    assert labels == {("peaks", "counts_pearson"): "Count correlation r", ("all", "auroc"): "Peak detection AUROC"}


def test_undefined_values_are_left_out_and_counted(tmp_path: Path) -> None:
    for seed, value in enumerate([0.2, None, 0.4]):
        write_unit(tmp_path, f"fold-0/seed-{seed}", {"a": value, "b": None})
    metrics = summarize(tmp_path).metrics["peaks"]
    assert metrics["a"].mean == pytest.approx(0.3)
    assert (metrics["a"].n_undefined, metrics["b"].n_undefined) == (1, 3)
    assert (metrics["b"].mean, metrics["b"].sd, metrics["b"].se) == (None, None, None)


def test_one_unit_has_a_mean_and_no_spread(tmp_path: Path) -> None:
    write_unit(tmp_path, "fold-0/seed-1", {"a": 0.5})
    metric = summarize(tmp_path).metrics["peaks"]["a"]
    assert (metric.mean, metric.sd, metric.se) == (0.5, None, None)


def test_units_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for unit in ["fold-10/seed-1", "fold-2/seed-20", "fold-2/seed-3"]:
        write_unit(tmp_path, unit, {"a": 1.0})
    assert summarize(tmp_path).units == ("fold-2/seed-3", "fold-2/seed-20", "fold-10/seed-1")


def test_table_has_a_row_a_metric_and_a_column_a_unit(tmp_path: Path) -> None:
    write_unit(tmp_path, "fold-0/seed-1", {"a": 0.5, "b": None}, {"a": 0.25})
    summarize(tmp_path)
    table = pd.read_csv(tmp_path / "summary.tsv", sep="\t")
    assert table[["windows", "metric"]].to_numpy().tolist() == [["peaks", "a"], ["peaks", "b"], ["all", "a"]]
    assert table["fold-0/seed-1"].tolist()[::2] == [0.5, 0.25]


def test_headline_sets_each_number_beside_its_floor(tmp_path: Path) -> None:
    peaks = {"counts_pearson": 0.5, "jsd_distance_mean": 0.43, "jsd_distance_mean_profile": 0.66}
    for fold in range(2):
        write_unit(tmp_path, f"fold-{fold}/seed-1", peaks, {"auroc": 0.875})
    rows = {(row.windows, row.metric): row for row in headline(summarize(tmp_path))}
    assert list(rows) == [
        ("peaks", "counts_pearson"),
        ("all windows", "auroc"),
        ("peaks", "jsd_distance_mean"),
    ]
    jsd = rows["peaks", "jsd_distance_mean"]
    assert (jsd.better, jsd.floor_label, jsd.floor) == ("lower", "mean profile", pytest.approx(0.66))
    assert rows["all windows", "auroc"].floor == 0.5
    assert rows["all windows", "auroc"].text() == "0.875 ± 0.000"


def test_without_a_mean_profile_the_floor_is_the_uniform_profile(tmp_path: Path) -> None:
    peaks = {"jsd_distance_mean": 0.43, "jsd_distance_mean_profile": None, "jsd_distance_uniform": 0.68}
    write_unit(tmp_path, "fold-0/seed-1", peaks)
    (row,) = headline(summarize(tmp_path))
    assert (row.floor_label, row.floor) == ("uniform profile", 0.68)


def test_units_that_were_scored_by_other_definitions_have_no_mean(tmp_path: Path) -> None:
    for fold in range(3):
        write_unit(tmp_path, f"fold-{fold}/seed-1", {"a": 0.5})
    path = tmp_path / "fold-2/seed-1/scores.json"
    path.write_text(path.read_text().replace("An a.", "Another a."))
    with pytest.raises(
        ScoreError, match=r"a is defined otherwise in fold-0/seed-1 \(An a\.\) than in fold-2/seed-1 .*score RUN"
    ):
        summarize(tmp_path)
    assert not (tmp_path / "summary.json").exists()


def test_a_run_without_scores_and_a_broken_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="has no fold-"):
        summarize(tmp_path)
    write_unit(tmp_path, "fold-0/seed-1", {"a": 1.0})
    (tmp_path / "fold-0/seed-1/scores.json").write_text("{")
    with pytest.raises(ScoreError, match=r"fold-0/seed-1/scores.json is not a scores file"):
        summarize(tmp_path)
