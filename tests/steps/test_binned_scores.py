from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from kerasac.errors import ScoreError
from kerasac.steps.binned_scores import (
    CLASSIFICATION_DEFINITIONS,
    REGRESSION_DEFINITIONS,
    classification_metrics,
    regression_metrics,
    score_classification,
    score_regression,
)

NAN = float("nan")
OUR_NAMES = {
    "spearmanr": "spearman",
    "pearsonr": "pearson",
    "spearmanr_nonzerobins": "spearman_nonzero",
    "pearsonr_nonzerobins": "pearson_nonzero",
}


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_kerasacs_scores_are_reproduced(shared_dir: Path, kind: str) -> None:
    folder = shared_dir / "reference"
    expected = json.loads((folder / "kerasac_binned_scores.json").read_text())[kind]
    data = np.load(folder / "binned_scores_in.npz")
    if kind == "classification":
        scores = score_classification(data["y_class"], data["p_class"], ["a", "b"])
    else:
        scores = score_regression(data["y_reg"], data["p_reg"], ["a", "b"])
    ours_alone = {"positive_share"} & set(scores.definitions)
    assert {OUR_NAMES.get(name, name) for name in expected} == set(scores.definitions) - ours_alone
    for name, values in expected.items():
        ours = [scores.tasks[task]["all"][OUR_NAMES.get(name, name)] for task in ("a", "b")]
        assert ours == pytest.approx(values, abs=1e-9), name


# Eight bins, by falling prediction: + - + + - + - -
LABELS = np.array([1, 0, 1, 1, 0, 1, 0, 0], dtype=np.float32)
PREDICTED = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.2, 0.1], dtype=np.float32)


def test_classification_metrics_worked_out_by_hand() -> None:
    assert classification_metrics(LABELS, PREDICTED) == pytest.approx(
        {
            "auroc": (4 + 3 + 3 + 2) / 16,  # negatives below each positive
            "auprc": (1 / 1 + 2 / 3 + 3 / 4 + 4 / 6) / 4,
            "recall_at_fdr_50": 4 / 4,  # a rate of 1/2 after the second bin and after the last
            "recall_at_fdr_20": 1 / 4,  # a rate of 0 after the first; then at least 1/4
            "recall_at_fdr_10": 1 / 4,
            "unbalanced_accuracy": 5 / 8,  # 0.5 is negative
            "positive_accuracy": 3 / 4,
            "negative_accuracy": 2 / 4,
            "balanced_accuracy": 5 / 8,
            "num_positives": 4,
            "num_negatives": 4,
            "positive_share": 4 / 8,
        }
    )


def test_recall_is_that_of_the_highest_rate_within_the_limit() -> None:
    # Rates after each bin: 0, 0, 0, 0, 1/5, 1/6, …: at most 0.2 is 1/5, whose recall is 4/5 though 5/5 has 1/6.
    metrics = classification_metrics(np.array([1, 1, 1, 1, 0, 1, 0]), np.linspace(0.9, 0.1, 7))
    assert (metrics["recall_at_fdr_10"], metrics["recall_at_fdr_20"]) == (4 / 5, 4 / 5)


def test_recall_is_0_where_every_threshold_has_a_higher_rate() -> None:
    metrics = classification_metrics(np.array([0, 0, 1]), np.array([0.9, 0.8, 0.7]))
    assert [metrics[f"recall_at_fdr_{fdr}"] for fdr in (50, 20, 10)] == [0, 0, 0]


labels_and_predictions = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 20).map(lambda value: value / 20)), min_size=2, max_size=60
).filter(lambda rows: len({label for label, _ in rows}) == 2)


@given(labels_and_predictions)
def test_ranking_metrics_are_scikit_learns(rows: list[tuple[int, float]]) -> None:
    labels, predicted = (np.array(column) for column in zip(*rows, strict=True))
    metrics = classification_metrics(labels, predicted)
    assert metrics["auroc"] == pytest.approx(roc_auc_score(labels, predicted), abs=1e-12)
    assert metrics["auprc"] == pytest.approx(average_precision_score(labels, predicted), abs=1e-12)
    precision, recall, _ = precision_recall_curve(labels, predicted)
    for percent in (50, 20, 10):
        within = sorted((1 - p, r) for p, r in zip(precision[:-1], recall[:-1], strict=True) if 1 - p <= percent / 100)
        assert metrics[f"recall_at_fdr_{percent}"] == pytest.approx(within[-1][1] if within else 0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3)), min_size=3, max_size=40))
def test_correlations_are_scipys(rows: list[tuple[int, int]]) -> None:
    labels, predicted = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    metrics = regression_metrics(labels, predicted)
    for suffix, chosen in (("", np.isfinite(labels)), ("_nonzero", labels != 0)):
        x, y = predicted[chosen], labels[chosen]
        defined = len(x) >= 3 and len(set(x.tolist())) > 1 and len(set(y.tolist())) > 1
        for name, reference in (("pearson", pearsonr), ("spearman", spearmanr)):
            value = metrics[f"{name}{suffix}"]
            assert value == (pytest.approx(reference(x, y).statistic, abs=1e-9) if defined else None)


def test_ambiguous_bins_change_nothing() -> None:
    without = score_classification(LABELS[:, None], PREDICTED[:, None], ["a"])
    labels, predicted = np.insert(LABELS, [0, 3, 8], NAN), np.insert(PREDICTED, [0, 3, 8], [0.1, 0.95, 0.6])
    with_some = score_classification(labels[:, None], predicted[:, None], ["a"])
    assert with_some.tasks == without.tasks
    assert with_some.n == {"all": {"n_windows": 11, "n_labelled": {"a": 8}}}
    values = np.arange(8, dtype=np.float32)
    labels = np.insert(values, [0, 3, 8], NAN)
    assert score_regression(labels[:, None], predicted[:, None], ["a"]).tasks["a"]["all"] == regression_metrics(
        values, PREDICTED
    )


BOTH_CLASSES = ("auroc", "auprc", "recall_at_fdr_50", "recall_at_fdr_20", "recall_at_fdr_10", "balanced_accuracy")


@pytest.mark.parametrize(
    ("labels", "undefined"),
    [
        ([0, 0, NAN], {*BOTH_CLASSES, "positive_accuracy"}),
        ([1, 1, NAN], {*BOTH_CLASSES, "negative_accuracy"}),
        (
            [NAN] * 3,
            {*BOTH_CLASSES, "positive_accuracy", "negative_accuracy", "unbalanced_accuracy", "positive_share"},
        ),
        ([1, 0, NAN], set()),
    ],
)
def test_what_needs_a_class_that_is_missing_is_none(labels: list[float], undefined: set[str]) -> None:
    scores = score_classification(np.array([labels]).T, np.full((3, 1), 0.3), ["a"])
    assert {name for name, value in scores.tasks["a"]["all"].items() if value is None} == undefined
    json.dumps(scores.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("labels", "predicted", "undefined"),
    [
        ([1, 2, 3], [5, 5, 5], {"pearson", "spearman", "pearson_nonzero", "spearman_nonzero"}),
        ([0, 0, 1], [1, 2, 3], {"pearson_nonzero", "spearman_nonzero"}),
        ([1, 2, NAN], [1, 2, 3], {"pearson", "spearman", "pearson_nonzero", "spearman_nonzero"}),
        ([NAN] * 3, [1, 2, 3], {"pearson", "spearman", "pearson_nonzero", "spearman_nonzero"}),
        ([1, 2, 4], [1, 2, 3], set()),
    ],
)
def test_correlation_that_has_no_value_is_none(labels: Any, predicted: Any, undefined: set[str]) -> None:
    scores = score_regression(np.array([labels]).T, np.array([predicted]).T, ["a"])
    assert {name for name, value in scores.tasks["a"]["all"].items() if value is None} == undefined


def test_mean_is_over_the_tasks_in_which_a_metric_is_defined() -> None:
    labels = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0]])
    predicted = np.array([[0.9, 0.1, 0.1], [0.4, 0.2, 0.3], [0.3, 0.3, 0.2]])
    scores = score_classification(labels, predicted, ["a", "b", "c"])
    assert [scores.tasks[task]["all"]["auroc"] for task in "abc"] == [0.5, None, 0]
    assert scores.windows["all"]["auroc"] == 0.25
    assert scores.windows["all"]["num_positives"] == 1


@pytest.mark.parametrize(
    ("score", "definitions"),
    [(score_classification, CLASSIFICATION_DEFINITIONS), (score_regression, REGRESSION_DEFINITIONS)],
)
def test_every_metric_is_defined_in_words(score: Any, definitions: Any) -> None:
    scores = score(LABELS[:, None], PREDICTED[:, None], ["a"])
    assert list(scores.definitions) == list(scores.tasks["a"]["all"]) == list(scores.windows["all"])
    assert scores.definitions == dict(definitions)


@pytest.mark.parametrize(
    ("score", "labels", "predicted", "tasks", "expected"),
    [
        (score_classification, [[0], [0.5]], [[0], [0]], ["a"], r"the label of bin 1 in task a is 0.5 \(1 such\)"),
        (score_classification, [[0], [1]], [[0], [1.5]], ["a"], "prediction of bin 1 in task a is 1.5 .*not logits"),
        (score_classification, [[0, 1]], [[0, NAN]], ["a", "b"], "prediction of bin 0 in task b is nan"),
        (score_regression, [[0], [np.inf]], [[0], [0]], ["a"], "label of bin 1 in task a is inf"),
        (score_regression, [[NAN], [1]], [[NAN], [1]], ["a"], "prediction of bin 0 in task a is nan .*training"),
        (score_regression, [[1, 2]], [[1]], ["a"], r"labels have shape \(1, 2\), predictions \(1, 1\)"),
        (score_regression, [1, 2], [1, 2], ["a"], r"labels have shape \(2,\)"),
        (score_regression, [[1, 2]], [[1, 2]], ["a"], "1 task names .* for 2 tasks"),
        (score_regression, [[1, 2]], [[1, 2]], ["a", "a"], "2 task names .* for 2 tasks; give each its own"),
    ],
)
def test_what_cannot_be_scored_is_named(score: Any, labels: Any, predicted: Any, tasks: Any, expected: str) -> None:
    with pytest.raises(ScoreError, match=expected):
        score(np.array(labels, dtype=float), np.array(predicted, dtype=float), tasks)
