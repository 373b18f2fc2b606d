import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax, softmax
from scipy.stats import multinomial, pearsonr, spearmanr
from simulated import Halves, reorder, simulate, without_counts

from kerasac.errors import ScoreError
from kerasac.steps.predictions import open_predictions, read_predictions, write_predictions
from kerasac.steps.score import score, write_scores
from kerasac.steps.score_settings import ScoreSettings
from kerasac.steps.smoothing import Smoothing

PROFILE_METRICS = [
    "jsd_distance_mean",
    "jsd_distance_median",
    "jsd_divergence_mean",
    "jsd_norm_median",
    "mnll_mean",
    "mnll_per_count",
    "jsd_distance_mean_profile",
    "jsd_distance_uniform",
    "jsd_distance_shuffled",
]


def test_permuting_windows_changes_nothing() -> None:
    predictions = simulate()
    shuffled = reorder(predictions, np.random.default_rng(1).permutation(60))
    assert score(shuffled, ScoreSettings(seed=3)).to_dict() == score(predictions, ScoreSettings(seed=3)).to_dict()


@pytest.mark.parametrize("block_windows", [1, 7, 60, 1000])
def test_block_size_changes_nothing(block_windows: int) -> None:
    predictions = simulate()
    assert score(predictions, block_windows=block_windows).to_dict() == score(predictions).to_dict()


@pytest.mark.parametrize("block_windows", [7, 1000])
def test_a_file_scores_as_what_it_holds_does(tmp_path: Path, block_windows: int) -> None:
    predictions = simulate()
    write_predictions(tmp_path / "p.h5", predictions)
    with open_predictions(tmp_path / "p.h5") as file:
        assert score(file, block_windows=block_windows).to_dict() == score(predictions).to_dict()


def test_parts_score_window_by_window_as_the_whole_does() -> None:
    whole, predictions = score(simulate()), simulate()
    parts = [np.arange(0, 25), np.arange(25, 60)]
    scored = [score(reorder(predictions, rows)) for rows in parts]
    by_row = {int(row): at for at, row in enumerate(whole.rows)}
    for rows, part in zip(parts, scored, strict=True):
        at = [by_row[int(row)] for row in rows[part.rows]]
        for task in predictions.tasks:
            for field in dataclasses.fields(part.profiles[task]):
                expected = getattr(whole.profiles[task], field.name)[at]
                np.testing.assert_array_equal(getattr(part.profiles[task], field.name), expected)


def test_perfect_counts_score_perfectly() -> None:
    predictions = simulate()
    metrics = score(dataclasses.replace(predictions, logcount=predictions.label_logcount)).windows["peaks"]
    assert metrics["counts_pearson"] == pytest.approx(1)
    assert metrics["counts_spearman"] == pytest.approx(1)
    assert metrics["counts_mse"] == 0


def test_seed_moves_the_shuffled_floor_alone() -> None:
    first, second = (score(simulate(), ScoreSettings(seed=seed)).windows["all"] for seed in (1, 2))
    assert [name for name in first if first[name] != second[name]] == ["jsd_distance_shuffled"]


def test_profile_scores_equal_scipys_window_by_window() -> None:
    predictions = simulate()
    scores = score(predictions)
    for index, task in enumerate(predictions.tasks):
        profiles = scores.profiles[task]
        for at, row in enumerate(scores.rows):
            counts = predictions.label_profile[row, :, index].astype(float)
            logits = predictions.logits[row, :, index].astype(float)
            uniform = np.full(50, 1 / 50)
            assert profiles.jsd[at] == pytest.approx(jensenshannon(counts, softmax(logits)), abs=1e-9)
            assert profiles.jsd_uniform[at] == pytest.approx(jensenshannon(counts, uniform), abs=1e-9)
            mean = predictions.mean_profile[:, index]
            assert profiles.jsd_mean_profile[at] == pytest.approx(jensenshannon(counts, mean), abs=1e-6)
            likelihood = multinomial(int(counts.sum()), softmax(logits)).logpmf(counts)
            assert profiles.mnll[at] == pytest.approx(-likelihood, rel=1e-9)
            assert profiles.cross_entropy[at] == pytest.approx(-(counts * log_softmax(logits)).sum(), rel=1e-9)


def test_count_metrics_equal_scipys_in_the_space_of_the_file() -> None:
    predictions = simulate()
    scores = score(predictions)
    peaks = predictions.is_peak
    x, y = predictions.logcount[peaks, 1].astype(float), predictions.label_logcount[peaks, 1].astype(float)
    found = scores.tasks["minus"]["peaks"]
    assert found["counts_pearson"] == pytest.approx(pearsonr(x, y).statistic)
    assert found["counts_spearman"] == pytest.approx(spearmanr(x, y).statistic)
    assert found["counts_mse"] == pytest.approx(np.mean((x - y) ** 2))


def test_uniform_prediction_scores_as_the_uniform_floor() -> None:
    flat = dataclasses.replace(simulate(), logits=np.full((60, 50, 2), 3.5, np.float32))
    for metrics in score(flat).windows.values():
        assert metrics["jsd_distance_mean"] == pytest.approx(metrics["jsd_distance_uniform"], abs=1e-12)
        assert metrics["jsd_norm_median"] == pytest.approx(0, abs=1e-12)
        assert metrics["mnll_per_count"] == pytest.approx(np.log(50))


def test_perfect_prediction_has_distance_zero_and_norm_one() -> None:
    predictions = simulate()
    perfect = dataclasses.replace(predictions, logits=np.log(predictions.label_profile + 1e-30))
    for metrics in score(perfect).windows.values():
        assert metrics["jsd_distance_mean"] == pytest.approx(0, abs=1e-6)
        assert metrics["jsd_norm_median"] == pytest.approx(1, abs=1e-5)


def test_prediction_where_nothing_was_observed_is_at_the_greatest_distance() -> None:
    one = simulate(n=4, tasks=("cuts",))
    counts = np.zeros((4, 50, 1), np.float32)
    counts[:, 0] = 5
    logits = np.zeros((4, 50, 1), np.float32)
    logits[:, 0] = -200
    metrics = score(dataclasses.replace(one, label_profile=counts, logits=logits)).windows["all"]
    assert metrics["jsd_distance_mean"] == pytest.approx(np.sqrt(np.log(2)))
    assert metrics["jsd_divergence_mean"] == pytest.approx(np.log(2))


def test_shuffled_floor_keeps_the_counts_and_loses_their_places() -> None:
    """A window whose counts all lie at one base of L is elsewhere after a shuffle, but for one time in L."""
    one = simulate(n=2000, length=10, tasks=("cuts",))
    counts = np.zeros((2000, 10, 1), np.float32)
    counts[:, 4] = 8
    found = score(dataclasses.replace(one, label_profile=counts)).profiles["cuts"].jsd_shuffled
    assert set(np.round(found, 6)) == {0.0, round(np.sqrt(np.log(2)), 6)}
    assert (found == 0).mean() == pytest.approx(0.1, abs=0.03)


def test_windows_without_counts_have_no_profile_scores_and_are_counted() -> None:
    predictions = without_counts(simulate(), [0, 1, 2])
    scores = score(predictions)
    assert scores.n["peaks"] == {"n_windows": 30, "n_with_counts": {"plus": 28, "minus": 28}}
    assert scores.n["all"]["n_windows"] == 60
    kept = score(reorder(predictions, np.arange(3, 60)))
    for name in PROFILE_METRICS:
        if name != "jsd_distance_shuffled":
            assert scores.windows["all"][name] == pytest.approx(kept.windows["all"][name])


def test_a_profile_that_is_uniform_itself_has_no_norm() -> None:
    one = simulate(n=6, tasks=("cuts",))
    scores = score(dataclasses.replace(one, label_profile=np.full((6, 50, 1), 2, np.float32)))
    assert scores.windows["all"]["jsd_distance_uniform"] == pytest.approx(0, abs=1e-7)
    assert scores.windows["all"]["jsd_norm_median"] is None


def test_windows_level_is_the_mean_over_tasks() -> None:
    scores = score(simulate())
    for name, metrics in scores.windows.items():
        for metric, value in metrics.items():
            both = [scores.tasks[task][name][metric] for task in ("plus", "minus")]
            assert value == pytest.approx(np.mean(both))


def test_auroc_and_auprc_tell_peaks_from_background() -> None:
    predictions = simulate(tasks=("cuts",))
    sure = dataclasses.replace(predictions, logcount=predictions.is_peak[:, None].astype(np.float32))
    assert score(sure).windows["all"]["auroc"] == 1.0
    assert score(sure).windows["all"]["auprc"] == 1.0
    clueless = dataclasses.replace(predictions, logcount=np.zeros((60, 1), np.float32))
    assert score(clueless).windows["all"]["auroc"] == 0.5
    assert score(clueless).windows["all"]["auprc"] == 0.5
    assert "auroc" not in score(sure).windows["peaks"]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_windows_give_null_and_valid_json(tmp_path: Path, n: int) -> None:
    scores = score(reorder(simulate(), np.arange(n)))
    assert scores.windows["all"]["counts_pearson"] is None
    write_scores(tmp_path, scores)
    read = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)
    assert read["windows"]["background"]["counts_spearman"] is None


@pytest.mark.parametrize("side", ["logcount", "label_logcount"])
def test_constant_counts_give_null_correlations_and_a_warning_that_names_them(
    side: str, caplog: pytest.LogCaptureFixture
) -> None:
    constant = dataclasses.replace(simulate(), **{side: np.ones((60, 2), np.float32)})
    metrics = score(constant).windows["all"]
    assert metrics["counts_pearson"] is None
    assert metrics["counts_spearman"] is None
    assert metrics["counts_mse"] is not None
    said = [record.getMessage() for record in caplog.records]
    why = "fewer than 3 windows, or a side is constant"
    for name in ("counts_pearson", "counts_spearman"):
        assert f"{name} on peaks has no value in plus, minus: {why}" in said
    assert len(said) == 6  # of three window sets


def test_windows_all_without_counts_give_null_profile_metrics_and_warnings(caplog: pytest.LogCaptureFixture) -> None:
    empty = without_counts(simulate(), list(range(60)))
    metrics = score(empty).windows["all"]
    assert {name for name in PROFILE_METRICS if metrics[name] is not None} == set()
    assert "jsd_distance_mean on all has no value in plus, minus: no window has the counts" in caplog.text


def test_good_predictions_of_peaks_alone_give_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    alone = dataclasses.replace(simulate(), is_peak=np.ones(60, dtype=bool), mean_profile=None)
    with caplog.at_level(logging.WARNING):
        assert score(alone).windows["all"]["auroc"] is None
    assert caplog.records == []


def test_smoothed_profiles_are_scipys_as_kerasac_smooths_them() -> None:
    predictions, smoothing = simulate(length=120), Smoothing(7.0, 81)
    scores = score(predictions, ScoreSettings(smooth_observed=smoothing, smooth_predicted=smoothing))
    plain = score(predictions)
    found = scores.profiles["plus"]
    for at, row in enumerate(scores.rows):
        observed, logits = (
            gaussian_filter1d(side[row, :, 0].astype(float), 7, truncate=80 / 14)
            for side in (predictions.label_profile, predictions.logits)
        )
        assert found.jsd[at] == pytest.approx(jensenshannon(observed, softmax(logits)), abs=1e-6)
        assert found.cross_entropy[at] == pytest.approx(-(observed * log_softmax(logits)).sum(), rel=1e-5)
    assert scores.windows["all"]["counts_pearson"] == plain.windows["all"]["counts_pearson"]
    assert "smoothed: Gaussian, σ 7, 81 bases wide" in scores.definitions["jsd_distance_mean"]
    assert scores.to_dict()["settings"] == dict.fromkeys(
        ("smooth_observed", "smooth_predicted"), "Gaussian, σ 7, 81 bases wide"
    )


def test_pseudoreplicates_are_scored_against_each_other() -> None:
    predictions = without_counts(simulate(), [4])
    scores = score(predictions, pseudoreplicates=Halves(), block_windows=13)
    first, second = (half.astype(float) for half in Halves().read(predictions))
    peaks = predictions.is_peak
    counts = [np.log(half.sum(axis=1) + 1)[peaks, 0] for half in (first, second)]
    jsd = [jensenshannon(first[row, :, 0], second[row, :, 0]) for row in np.flatnonzero(peaks) if row != 4]
    found = {name: value for name, value in scores.tasks["plus"]["peaks"].items() if "pseudoreplicate" in name}
    assert found == pytest.approx(
        {
            "counts_pearson_pseudoreplicate": pearsonr(*counts).statistic,
            "counts_spearman_pseudoreplicate": spearmanr(*counts).statistic,
            "jsd_distance_mean_pseudoreplicate": np.mean(jsd),
            "jsd_distance_sd_pseudoreplicate": np.std(jsd),
            "jsd_distance_median_pseudoreplicate": np.median(jsd),
        },
        abs=1e-9,
    )
    assert set(scores.windows["all"]) == set(scores.definitions)
    assert scores.to_dict()["settings"] == {"pseudoreplicates": "halves"}
    without = score(predictions).windows["all"]
    assert without.items() <= scores.windows["all"].items()


def test_without_a_mean_profile_its_floor_is_null() -> None:
    scores = score(dataclasses.replace(simulate(), mean_profile=None))
    assert scores.windows["all"]["jsd_distance_mean_profile"] is None
    assert scores.windows["all"]["jsd_distance_uniform"] is not None


def test_every_metric_is_defined_in_words_that_name_the_count_space() -> None:
    scores = score(dataclasses.replace(simulate(), pseudocount=0.001))
    assert set(scores.windows["all"]) == set(scores.definitions)
    assert "log(count + 0.001)" in scores.definitions["counts_pearson"]
    assert "3.912" in scores.definitions["mnll_per_count"]  # log(50)


def test_scores_tsv_is_tidy(tmp_path: Path) -> None:
    scores = score(simulate())
    write_scores(tmp_path, scores)
    table = pd.read_csv(tmp_path / "scores.tsv", sep="\t")
    assert list(table.columns) == ["task", "windows", "metric", "value"]
    assert set(table["task"]) == {"mean", "plus", "minus"}
    row = table[(table.task == "plus") & (table.windows == "peaks") & (table.metric == "mnll_mean")]
    assert row["value"].item() == pytest.approx(scores.tasks["plus"]["peaks"]["mnll_mean"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.json", "scores.tsv"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("logits", np.nan, r"logits of window 5 \(chr\d:\d+\) is not finite; look at the training"),
        ("label_profile", -1.0, r"label_profile of window 5 .* is negative or not finite; look at the tracks"),
        ("logcount", np.inf, "logcount of window 5"),
    ],
)
def test_numbers_that_cannot_be_scored_are_refused_by_name(name: str, value: float, message: str) -> None:
    array = getattr(simulate(), name).copy()
    array[5] = value
    with pytest.raises(ScoreError, match=message):
        score(dataclasses.replace(simulate(), **{name: array}))


def test_label_range_keeps_its_ends_and_drops_a_window_outside_in_any_task() -> None:
    labels = np.full((60, 2), 5.0, np.float32)
    labels[0], labels[1], labels[2, 1], labels[3, 0] = 4.0, 5.5, 3.9, 5.6
    predictions = dataclasses.replace(simulate(), label_logcount=labels)
    scores = score(predictions, ScoreSettings(label_range=(4.0, 5.5)))
    assert set(scores.rows) == set(range(60)) - {2, 3}
    assert scores.n["all"]["n_outside_label_range"] == 2


@pytest.mark.shared
@pytest.mark.parametrize(("name", "label_range"), [("all", (None, None)), ("filtered", (4.0, 5.5))])
@pytest.mark.parametrize("task", [0, 1])
def test_kerasacs_own_scores_are_reproduced(
    shared_dir: Path, name: str, label_range: tuple[float | None, float | None], task: int
) -> None:
    folder = shared_dir / "reference"
    expected = json.loads((folder / "kerasac_bpnet_scores.json").read_text())[f"{name}.{task}"]
    predictions = read_predictions(folder / "scores_in.predictions")
    scores = score(predictions, ScoreSettings(label_range=label_range, mnll_trials="logcount"))
    metrics, profiles = scores.tasks[f"task_{task}"]["peaks"], scores.profiles[f"task_{task}"]
    found = {
        "Pearson": metrics["counts_pearson"],
        "Spearman": metrics["counts_spearman"],
        "MSE": metrics["counts_mse"],
        "MeanJSD": metrics["jsd_distance_mean"],
        "StdJSD": profiles.jsd.std(),
        "MeanMNNLL": metrics["mnll_mean"],
        "StdMNNLL": profiles.mnll.std(),
    }
    assert found == pytest.approx({key: float(expected[key]) for key in found}, abs=1e-6)


@pytest.mark.shared
def test_chrombpnets_own_profile_scores_are_reproduced(shared_dir: Path) -> None:
    expected = json.loads((shared_dir / "reference" / "chrombpnet_profile_scores.json").read_text())
    scores = score(read_predictions(shared_dir / "reference" / "scores_in.predictions"))
    profiles, metrics = scores.profiles["task_0"], scores.tasks["task_0"]["peaks"]
    np.testing.assert_allclose(profiles.jsd, np.array(expected["jsd"])[scores.rows], atol=1e-7)
    np.testing.assert_allclose(profiles.jsd_norm, np.array(expected["norm_jsd"])[scores.rows], atol=1e-7)
    assert metrics["jsd_distance_median"] == pytest.approx(expected["median_jsd"], abs=1e-7)
    assert metrics["jsd_norm_median"] == pytest.approx(expected["median_norm_jsd"], abs=1e-7)
