import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scored import DEFINITIONS, Values, fold_table, one_seed, write_run

from kerasac.errors import ScoreError
from kerasac.steps.comparison import Comparison, Contrast, compare
from kerasac.steps.configurations import read_configurations
from kerasac.steps.verdicts import difference_text, p_text, sentence, verdict

BASE = {0: 0.50, 1: 0.52, 2: 0.47, 3: 0.55, 4: 0.49}
GAIN = [0.031, 0.029, 0.030, 0.032, 0.028]


def shifted(by: list[float]) -> dict[int, float | None]:
    return {fold: BASE[fold] + gain for fold, gain in enumerate(by)}


def compared(*runs: Path, **options: Any) -> Comparison:
    return compare(read_configurations(runs), **options)


def only(comparison: Comparison) -> Contrast:
    (contrast,) = comparison.contrasts
    return contrast


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_run(tmp_path / "a", one_seed(BASE))


def test_the_difference_is_of_folds_and_seeds_are_averaged_first(tmp_path: Path, base: Path) -> None:
    values: Values = {
        (fold, seed): BASE[fold] + gain + offset
        for fold, gain in enumerate(GAIN)
        for seed, offset in ((1, -0.02), (2, 0.02))
    }
    contrast = only(compared(base, write_run(tmp_path / "b", values)))
    assert [pair.difference for pair in contrast.pairs] == pytest.approx(GAIN)
    assert contrast.test is not None
    assert contrast.test.n == 5
    error = math.sqrt((1 / 5 + 1 / 3) * np.var(GAIN, ddof=1))  # one chromosome is tested on, three are trained on
    assert contrast.test_to_train == pytest.approx(1 / 3)
    assert contrast.test.p == pytest.approx(2 * stats.t.sf(np.mean(GAIN) / error, 4))


def test_folds_are_paired_by_their_test_chromosomes_not_by_their_numbers(tmp_path: Path, base: Path) -> None:
    table = fold_table(5)
    turned = {str(k): table[str((k + 2) % 5)] for k in range(5)}
    values = {k: BASE[(k + 2) % 5] + GAIN[(k + 2) % 5] for k in range(5)}
    contrast = only(compared(base, write_run(tmp_path / "b", one_seed(values), folds=turned)))
    assert [pair.difference for pair in contrast.pairs] == pytest.approx(GAIN)


def test_folds_of_other_chromosomes_are_left_out_and_named(tmp_path: Path, base: Path) -> None:
    table = fold_table(5)
    table["1"]["test"] = ["chr1", "chr9"]
    contrast = only(compared(base, write_run(tmp_path / "b", one_seed(shifted(GAIN)), folds=table)))
    assert [pair.fold for pair in contrast.pairs] == ["fold-0", "fold-2", "fold-3", "fold-4"]
    assert contrast.left_out == (
        "fold-1: b has no scores on its scored chromosomes",
        "fold-1 of b: a has no scores on its scored chromosomes",
    )


def test_the_split_that_a_unit_was_trained_on_counts_before_the_table(tmp_path: Path, base: Path) -> None:
    other = write_run(tmp_path / "b", one_seed(shifted(GAIN)))
    split = fold_table(5)["0"] | {"test": ["chr9"]}
    (other / "fold-0/seed-1/unit.json").write_text(json.dumps({"split": split}))
    assert [pair.fold for pair in only(compared(base, other)).pairs] == ["fold-1", "fold-2", "fold-3", "fold-4"]


def test_a_fold_where_a_metric_is_undefined_is_left_out(tmp_path: Path, base: Path) -> None:
    other = write_run(tmp_path / "b", one_seed(shifted(GAIN) | {2: None}))
    contrast = only(compared(base, other))
    assert [pair.fold for pair in contrast.pairs] == ["fold-0", "fold-1", "fold-3", "fold-4"]
    assert contrast.left_out == ("fold-2: not defined in b",)


def test_a_mean_over_fewer_tasks_is_not_compared(tmp_path: Path, base: Path) -> None:
    other = write_run(tmp_path / "b", one_seed(shifted(GAIN)))
    for run, value in ((base, 0.5), (other, None)):
        for path in run.glob("fold-*/seed-*/scores.json"):
            scores = json.loads(path.read_text())
            scores["tasks"]["u"] = {"peaks": {"counts_pearson": value}, "all": {}}
            path.write_text(json.dumps(scores))
    said = "means over other tasks (peaks.counts_pearson, fold-0): b has no value in u"
    assert only(compared(base, other)).refused == said


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n_windows": 90}, "other windows are scored (peaks, fold-0): n_windows is 100 in a, 90 in b"),
        ({"uniform": 0.71}, "other windows are scored (peaks, fold-0): jsd_distance_uniform is 0.7 in a, 0.71 in b"),
        (
            {"definitions": DEFINITIONS | {"counts_pearson": "Of log(count + 0.001); higher is better."}},
            f"defined otherwise. a: {DEFINITIONS['counts_pearson']} b: Of log(count + 0.001); higher is better.",
        ),
        ({"tasks": {"u": {}}}, "other tasks: a has t, b has u"),
        (
            {"folds": {str(k): {"train": ["x"], "valid": ["y"], "test": [f"z{k}"]} for k in range(5)}},
            "no fold of a and b is known to test on the same chromosomes",
        ),
        ({"metric": "other"}, "b has no peaks.counts_pearson"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(
    tmp_path: Path, base: Path, changes: dict[str, Any], why: str
) -> None:
    other = write_run(tmp_path / "b", one_seed(shifted(GAIN)), **changes)
    contrast = only(compared(base, other))
    assert (contrast.refused, contrast.test) == (why, None)
    assert verdict(contrast) == f"not compared: {why}"


def test_labels_may_differ_by_rounding(tmp_path: Path, base: Path) -> None:
    other = write_run(tmp_path / "b", one_seed(shifted(GAIN)), uniform=0.7 + 1e-9)
    assert only(compared(base, other)).refused == ""


def test_a_run_without_a_fold_table_is_not_compared(tmp_path: Path, base: Path) -> None:
    other = write_run(tmp_path / "b", one_seed(shifted(GAIN)))
    (other / "folds.json").unlink()
    assert only(compared(base, other)).refused.endswith("; there is no folds.json of b")


def test_a_metric_undefined_everywhere_is_refused(tmp_path: Path, base: Path) -> None:
    other = write_run(tmp_path / "b", one_seed(dict.fromkeys(range(5))))
    assert only(compared(base, other)).refused == "b has no peaks.counts_pearson that is defined"


@pytest.mark.parametrize(
    ("metric", "gains", "said"),
    [
        ("counts_pearson", GAIN, "better than a by 0.0300 (0.0268 to 0.0332)"),
        ("counts_pearson", [-g for g in GAIN], "worse than a by 0.0300 (0.0268 to 0.0332)"),
        ("jsd_distance_mean", GAIN, "worse than a by 0.0300 (0.0268 to 0.0332)"),
        ("jsd_distance_mean", [-g for g in GAIN], "better than a by 0.0300 (0.0268 to 0.0332)"),
        (
            "counts_pearson",
            [0.1, -0.1, 0.1, -0.1, 0.01],
            "not distinguishable from a: the difference of +0.002 (−0.201 to 0.205) is noise, as far as "
            "5 folds can tell",
        ),
        ("counts_pearson", [0.0] * 5, "the same as a in all 5 folds"),
        (
            "counts_pearson",
            [0.25] * 5,
            "better than a by 0.250 in all 5 folds, by the same in each: there is no spread to judge it by",
        ),
    ],
)
def test_the_verdict_says_it_in_words(tmp_path: Path, metric: str, gains: list[float], said: str) -> None:
    a = write_run(tmp_path / "a", one_seed(BASE), metric=metric)
    b = write_run(tmp_path / "b", one_seed(shifted(gains)), metric=metric)
    assert verdict(only(compared(a, b))) == said
    assert sentence(only(compared(a, b))) == f"b is {said}."


def test_one_shared_fold_gives_no_interval_and_says_so(tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name, one_seed({0: value})) for name, value in (("a", 0.5), ("b", 0.48)))
    contrast = only(compared(a, b))
    assert verdict(contrast) == (
        "worse than a by 0.020 in the one fold of both, which gives no interval: whether that is noise is not known"
    )
    assert (difference_text(contrast), p_text(contrast.p_holm)) == ("−0.020", "–")


def test_p_is_corrected_for_the_runs_compared_in_a_metric(tmp_path: Path, base: Path) -> None:
    gains = [0.031, 0.009, 0.030, 0.012, 0.028]  # p is 0.042 for one comparison
    names = ("b", "c", "d")
    runs = [write_run(tmp_path / name, one_seed(shifted(gains))) for name in names]
    alone = only(compared(base, runs[0]))
    assert alone.is_different
    together = compared(base, *runs)
    assert [contrast.n_tests for contrast in together.contrasts] == [3, 3, 3]
    assert together.contrasts[0].p_holm == pytest.approx(3 * (alone.p_holm or 0))
    assert verdict(together.contrasts[0]).endswith(
        "is noise, as far as 5 folds can tell once corrected for 3 comparisons"
    )


def test_runs_are_ranked_on_the_folds_that_all_share(tmp_path: Path, base: Path) -> None:
    better = write_run(tmp_path / "b", one_seed(shifted(GAIN)))
    few = write_run(tmp_path / "c", one_seed({0: 0.49, 1: 0.52}))
    alien = write_run(tmp_path / "d", one_seed(BASE), n_windows=7)
    (ranking,) = compared(base, better, few, alien).rankings
    assert ranking.folds == ("fold-0", "fold-1")
    assert [(name, pytest.approx(metric.mean)) for name, metric in ranking.rows] == [
        ("b", 0.54),
        ("a", 0.51),
        ("c", 0.505),
    ]


def test_the_lowest_ranks_first_where_lower_is_better(tmp_path: Path) -> None:
    runs = [
        write_run(
            tmp_path / name, one_seed({fold: value + by for fold, value in BASE.items()}), metric="jsd_distance_mean"
        )
        for name, by in (("a", 0.2), ("b", 0.0), ("c", 0.1))
    ]
    (ranking,) = compared(*runs).rankings
    assert [name for name, _ in ranking.rows] == ["b", "c", "a"]


def test_another_baseline_can_be_named(tmp_path: Path, base: Path) -> None:
    other = write_run(tmp_path / "b", one_seed(shifted(GAIN)))
    contrast = only(compared(base, other, baseline="b"))
    assert (contrast.run, contrast.baseline) == ("a", "b")
    assert [pair.difference for pair in contrast.pairs] == pytest.approx([-gain for gain in GAIN])


def test_one_run_has_nothing_to_compare(base: Path) -> None:
    comparison = compared(base)
    assert (comparison.baseline, comparison.contrasts, comparison.rankings) == (None, (), ())
    assert [metric.key for metric in comparison.metrics] == ["peaks.counts_pearson"]


def test_a_run_without_scores_is_named_and_the_rest_compared(tmp_path: Path, base: Path) -> None:
    other = write_run(tmp_path / "b", one_seed(shifted(GAIN)))
    empty = write_run(tmp_path / "c", one_seed({0: 0.1}), folds={"0": fold_table(5)["0"]})
    (empty / "fold-0/seed-1/scores.json").unlink()
    comparison = compared(empty, base, other)
    assert comparison.baseline == "a"
    assert comparison.notes == ("c: 1 of 1 models have no scores and are left out (fold-0/seed-1)",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "other"}, r"no run 'other' to be the baseline; known: a, b"),
        ({"metrics": ["peaks.counts_persn"]}, r"did you mean 'peaks.counts_pearson'\?"),
        ({"metrics": ["peaks.jsd_distance_uniform"]}, "no metric 'peaks.jsd_distance_uniform' that can be better"),
    ],
)
def test_unknown_names_are_refused(tmp_path: Path, base: Path, options: dict[str, Any], message: str) -> None:
    other = write_run(tmp_path / "b", one_seed(shifted(GAIN)))
    with pytest.raises(ScoreError, match=message):
        compared(base, other, **options)


def test_all_stands_for_every_metric_that_can_be_better(tmp_path: Path) -> None:
    values = {"peaks": {"counts_pearson": 0.5, "jsd_distance_mean": 0.4, "jsd_distance_uniform": 0.7}}
    run = write_run(tmp_path / "a", one_seed(BASE), windows="all")
    (run / "fold-0/seed-1/scores.json").write_text(json.dumps({"windows": values, "definitions": DEFINITIONS}))
    keys = [metric.key for metric in compared(run, metrics=["all"]).metrics]
    assert keys == ["peaks.counts_pearson", "peaks.jsd_distance_mean", "all.counts_pearson"]


@pytest.mark.parametrize(("metric", "kind"), [("auroc", "bins of classes"), ("pearson", "bins of values")])
def test_windows_and_bins_are_not_mixed(tmp_path: Path, base: Path, metric: str, kind: str) -> None:
    other = write_run(tmp_path / "b", one_seed(BASE), windows="all", metric=metric)
    for path in other.glob("*/*/scores.json"):
        document = json.loads(path.read_text())
        document["windows"].pop("peaks")
        path.write_text(json.dumps(document))
    with pytest.raises(ScoreError, match=f"a is scored on profile windows, b on {kind}; compare runs of one kind"):
        compared(base, other)


def test_the_ratio_of_test_to_training_is_in_scored_windows(tmp_path: Path) -> None:
    """Fold 0 tests on 100 windows of chr0 and trains on chr2, chr3 and chr4, of 300, 400 and 500 windows; and so on."""
    runs = [write_run(tmp_path / name, one_seed(BASE)) for name in ("a", "b")]
    for run in runs:
        for fold in range(5):
            path = run / f"fold-{fold}/seed-1/scores.json"
            document = json.loads(path.read_text()) | {"n": {"all": {"n_windows": 100 * (fold + 1)}}}
            path.write_text(json.dumps(document))
    expected = np.mean([1 / (3 + 4 + 5), 2 / (1 + 4 + 5), 3 / (1 + 2 + 5), 4 / (1 + 2 + 3), 5 / (2 + 3 + 4)])
    assert only(compared(*runs)).test_to_train == pytest.approx(expected)


def test_the_ratio_is_in_chromosomes_where_windows_are_not_known(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, one_seed({0: 0.5, 1: 0.6})) for name in ("a", "b")]
    assert only(compared(*runs)).test_to_train == pytest.approx(1 / 3)
