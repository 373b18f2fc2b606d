"""Classes are weighed by their numbers, or as a file of kerasAC says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kerasac.errors import ModelError
from kerasac.models.class_weights import class_weights, read_class_weights

NAN = float("nan")


def test_class_weights_give_each_class_of_each_task_the_same_weight() -> None:
    labels = np.array([[1, 0], [0, 1], [0, 1], [NAN, 1], [0, 1]], dtype=np.float32)
    w0, w1 = class_weights(labels)
    np.testing.assert_array_equal(w0, [5 / 3, 5 / 1])
    np.testing.assert_array_equal(w1, [5 / 1, 5 / 4])


@pytest.mark.parametrize(("column", "missing"), [([0, 0, NAN], "positive"), ([1, 1, 1], "negative")])
def test_task_of_one_class_is_named(column: list[float], missing: str) -> None:
    labels = np.array([[0, 1, NAN], column], dtype=np.float32).T
    with pytest.raises(ModelError, match=f"^CTCF has no {missing} among 3 bins"):
        class_weights(labels, ["GATA1", "CTCF"])


def test_file_has_w1_then_w0_a_task(tmp_path: Path) -> None:
    path = tmp_path / "weights.txt"
    path.write_text("10 1.5\n20 1.25\n")
    w0, w1 = read_class_weights(path, ["a", "b"])
    np.testing.assert_array_equal(w1, [10, 20])
    np.testing.assert_array_equal(w0, [1.5, 1.25])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2\n", "has 1 rows of 2 numbers; there are 2 tasks (a, b)"),
        ("1 2 3\n1 2 3\n", "has 2 rows of 3 numbers"),
        ("1 2\n0 2\n", "weights that are not above 0"),
        ("1 2\nnan 2\n", "weights that are not above 0"),
        ("task w1\n", "is no table of w1 and w0"),
    ],
)
def test_file_that_does_not_fit_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "weights.txt"
    path.write_text(text)
    with pytest.raises(ModelError) as raised:
        read_class_weights(path, ["a", "b"])
    assert said in str(raised.value)
    assert "weights.txt" in str(raised.value)
