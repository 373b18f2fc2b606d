"""Calibrations equal the original's, survive the file, and belong to one model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from kerasac.errors import ModelError, ScoreError
from kerasac.steps.calibrate import Labelled, fit, fit_isotonic, fit_platt
from kerasac.steps.calibration import (
    Calibration,
    Isotonic,
    Kind,
    Platt,
    logits,
    read_calibration,
    write_calibration,
)


def calibration(kind: Kind, functions: dict[str, Isotonic | Platt], model: str = "") -> Calibration:
    n = dict.fromkeys(functions, 5)
    return Calibration(kind, functions, n_labelled=n, n_windows=6, chroms=("chr1", "chr2"), model=model, values="v")


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


@pytest.mark.shared
def test_platt_scaling_equals_abstentions(shared_dir: Path) -> None:
    reference = np.load(shared_dir / "reference" / "calibration.npz")
    logit, label = reference["logit"], reference["label"]
    labelled = ~np.isnan(label)
    fitted = fit_platt(logit[labelled], label[labelled])
    np.testing.assert_allclose(fitted(expit(logit)), reference["platt"], atol=1e-6, rtol=0)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("kind", "given", "label", "expected"),
    [("classification", "logit", "label", "platt"), ("regression", "preact", "target", "isotonic")],
)
def test_predictions_of_a_model_are_calibrated_as_by_the_original(
    shared_dir: Path, kind: Kind, given: str, label: str, expected: str
) -> None:
    reference = np.load(shared_dir / "reference" / "calibration.npz")
    values = expit(reference[given]) if kind == "classification" else reference[given]
    predicted = np.stack([values, values], axis=1).astype(np.float32)  # as a model gives them
    labels = np.stack([reference[label], reference[label]], axis=1).astype(np.float32)
    found = calibration(kind, dict(fit(Labelled(kind, ("a", "b"), labels, predicted)))).apply(predicted)
    assert (found.dtype, found.shape) == (np.float32, predicted.shape)
    np.testing.assert_allclose(found, np.stack([reference[expected]] * 2, axis=1), atol=1e-6, rtol=0)


def test_isotonic_regression_pools_what_falls() -> None:
    # 3 and 1 fall, so both become their mean; the two windows predicted 4 count as one of 6.
    fitted = fit_isotonic(np.array([1, 2, 3, 4, 4]), np.array([0, 3, 1, 5, 7]))
    assert fitted == Isotonic((1, 2, 3, 4), (0, 2, 2, 6))


def test_isotonic_values_are_clipped_beyond_the_fitted_range_and_straight_within() -> None:
    made = calibration("counts", {"t": Isotonic((1, 2, 4), (0, 1, 5))})
    np.testing.assert_array_equal(made.apply(column(-9, 1, 1.5, 3, 4, 99)), column(0, 0, 0.5, 3, 5, 5))


def test_platt_scaling_moves_the_logit() -> None:
    made = calibration("classification", {"t": Platt(2.0, -1.0)})
    np.testing.assert_allclose(made.apply(column(expit(0.5), expit(1.0))), column(0.5, expit(1.0)), rtol=1e-6)


def test_probabilities_that_float32_rounds_to_0_and_1_have_a_logit() -> None:
    found = logits(np.array([0, np.float32(1e-30), 1], dtype=np.float32))
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()


def test_each_task_has_its_own_function() -> None:
    labels = np.array([[0, 1], [2, 2], [4, 3]], dtype=np.float32)
    windows = Labelled("counts", ("same", "half"), labels, np.array([[0, 2], [2, 4], [4, 6]], dtype=np.float32))
    made = calibration("counts", dict(fit(windows)))
    np.testing.assert_allclose(made.apply(windows.predicted), labels)


def test_windows_without_a_label_are_left_out_of_the_fit() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.random((50, 1)).astype(np.float32)
    labels = (rng.random((50, 1)) < predicted).astype(np.float32)
    without = fit(Labelled("classification", ("t",), labels, predicted))
    more_labels = np.concatenate([labels, np.full((20, 1), np.nan, dtype=np.float32)])
    more_predicted = np.concatenate([predicted, np.full((20, 1), 0.01, dtype=np.float32)])
    joined = Labelled("classification", ("t",), more_labels, more_predicted)
    assert fit(joined) == without


@pytest.mark.parametrize(
    ("kind", "labels", "predicted", "message"),
    [
        ("classification", column(1, 1, 1, np.nan), column(0.1, 0.2, 0.3, 0.4), "all 3 labelled validation bins are 1"),
        ("counts", column(1, 2, np.nan), column(1, 2, 3), "2 labelled validation windows, calibration needs 3"),
        ("counts", column(1, 2, 3), column(1, 2, np.nan), "1 predictions are not finite"),
    ],
)
def test_what_cannot_be_fitted_names_its_task(
    kind: Kind, labels: np.ndarray, predicted: np.ndarray, message: str
) -> None:
    with pytest.raises(ScoreError, match=f"task odd.*{message}"):
        fit(Labelled(kind, ("odd",), labels, predicted))


def test_predictions_that_say_nothing_of_the_labels_are_told(caplog: pytest.LogCaptureFixture) -> None:
    fit(Labelled("regression", ("t",), column(3, 2, 1), column(1, 2, 3)))
    assert "labels do not rise with predictions" in caplog.text


def test_another_number_of_tasks_is_refused() -> None:
    made = calibration("counts", {"t": Isotonic((0, 1), (0, 1))})
    with pytest.raises(ScoreError, match=r"shape \(2, 3\); this calibration is of 1 tasks \(t\)"):
        made.apply(np.zeros((2, 3), dtype=np.float32))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    path.write_bytes(b"weights")
    return path


@pytest.mark.parametrize(
    ("kind", "functions"),
    [("counts", {"b": Isotonic((0.1, 1 / 3), (0.2, 2 / 3)), "a": Isotonic((1,), (2,))}),
     ("classification", {"t": Platt(1 / 3, -2e-17)})],
)  # fmt: skip
def test_a_calibration_is_read_as_it_was_written(
    model: Path, kind: Kind, functions: dict[str, Isotonic | Platt]
) -> None:
    from kerasac.cache import file_digest

    made = calibration(kind, functions, model=file_digest(model))
    path = model.with_name("calibration.json")
    write_calibration(path, made)
    read = read_calibration(path)
    assert read == made
    assert read.tasks == tuple(functions), "in the order of the model's output"
    document = json.loads(path.read_text())
    assert document["method"] in document["definitions"]


def test_the_calibration_of_another_model_is_refused(model: Path) -> None:
    path = model.with_name("calibration.json")
    write_calibration(path, calibration("counts", {"t": Isotonic((0, 1), (0, 1))}, model="0" * 16))
    with pytest.raises(ModelError, match=r"fitted on another model than .*model\.keras is now; make it again"):
        read_calibration(path)
    with pytest.raises(ModelError, match=r"does not exist, so .* cannot be held against it"):
        read_calibration(path, model.with_name("other.keras"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist; make it with 'kerasac-ray calibrate'"),
        ("{", "is no calibration"),
        ("[1]", "is no calibration"),
        ('{"format_version": 99}', "is of format 99"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "calibration.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError, match=f"calibration.json {message}"):
        read_calibration(path)
