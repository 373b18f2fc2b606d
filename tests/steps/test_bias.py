"""What a bias model is trained on and how it is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import tiny_experiment

from kerasac.config import BiasSpec
from kerasac.errors import ConfigError, KerasacError
from kerasac.steps.bias import judge, offsets
from kerasac.steps.check import check, checked
from kerasac.steps.prepare import prepare

MODEL = {"architecture": "bpnet", "filters": 2, "dilated_layers": 1, "first_kernel": 9, "profile_kernel": 15}
RISING = np.arange(10.0)


def log_counts(r: float) -> np.ndarray:
    """Ten values, of which the correlation with 0, 1, 2, … is r."""
    rising = RISING - RISING.mean()
    across = (RISING - 4.5) ** 2
    across = across - across.mean()
    return np.asarray(r * rising / np.linalg.norm(rising) + np.sqrt(1 - r**2) * across / np.linalg.norm(across))


@pytest.mark.parametrize(
    ("r", "fail_below", "verdict"),
    [(0.4, -0.5, "pass"), (-0.29, -0.5, "pass"), (-0.31, -0.5, "warn"), (-0.51, -0.5, "fail"), (-0.9, None, "warn")],
)
def test_verdict_follows_the_correlation_in_peaks(r: float, fail_below: float | None, verdict: str) -> None:
    observed = np.concatenate([RISING, RISING])[:, None]
    predicted = np.concatenate([log_counts(r), -RISING])[:, None]  # background has none to say
    found = judge(BiasSpec(fail_below=fail_below), ["a"], observed, predicted, np.arange(20) < 10)
    assert found.verdict == verdict
    assert found.peaks == {"a": pytest.approx(r)}
    assert found.background == {"a": pytest.approx(-1)}
    assert f"r = {r:.2f} in peaks ({verdict})" in str(found)


def test_worst_task_decides_and_a_constant_one_does_not() -> None:
    observed = np.stack([RISING, RISING, RISING], axis=1)
    predicted = np.stack([RISING, log_counts(-0.4), np.zeros(10)], axis=1)
    found = judge(BiasSpec(), ["a", "b", "c"], observed, predicted, np.ones(10, dtype=bool))
    assert found.verdict == "warn"
    assert found.peaks == {"a": pytest.approx(1), "b": pytest.approx(-0.4), "c": None}


def test_offset_is_the_mean_difference_of_each_task() -> None:
    observed, predicted = np.array([[3.0, 1.0], [5.0, 1.0]]), np.array([[1.0, 2.0], [1.0, 2.0]])
    assert offsets(observed, predicted) == [3.0, -1.0]


def test_check_says_how_much_background_there_is(tiny_folder: Path) -> None:
    found = check(tiny_experiment(tiny_folder, bias={"model": MODEL, "threshold": 3.0}))
    assert found.passed
    said = dict(found.facts)["background of the bias model"]
    assert said.count("below") == 5
    assert "(by fold)" in said


COUNTS = {"name": "logcount", "source": ["plus", "minus"], "flank": 30, "aggregate": "sum"}


@pytest.mark.parametrize(
    ("bias", "changes", "said"),
    [
        ({"threshold": 0.01}, {}, "bias.threshold 0.01 times the"),
        ({"model": {**MODEL, "filtres": 3}}, {}, "bias.model: unknown parameter 'filtres'"),
        ({"model": {**MODEL, "dilated_layers": 7}}, {}, "bias.model: output profile of 60 bases is longer"),
        ({"model_file": "none.keras"}, {}, "bias.model_file: "),
        (
            {},
            {"outputs": [{"name": "profile", "source": ["plus", "minus"], "flank": 30}, COUNTS]},
            "output logcount has transform none: set it to log, or bias.form to mixed",
        ),
    ],
)
def test_what_cannot_be_is_said_before_training(tiny_folder: Path, bias: Any, changes: Any, said: str) -> None:
    experiment = tiny_experiment(tiny_folder, bias={"model": MODEL, **bias}, **changes)
    with pytest.raises(KerasacError) as raised:
        checked(experiment)
    assert said in str(raised.value)


def test_missing_file_of_initial_weights_is_said_before_training(tiny_folder: Path) -> None:
    with pytest.raises(KerasacError, match=r"training\.initialize\.file: .*none\.keras"):
        checked(tiny_experiment(tiny_folder, training={"initialize": "none.keras"}))


def test_bias_goes_with_tracks() -> None:
    from binned import binned_experiment  # its own folder is not needed: the mistake is in the experiment

    with pytest.raises(ConfigError, match="bias goes with store"):
        binned_experiment(Path("unused"), bias={})


def test_fingerprint_follows_what_the_bias_model_is_made_of(tiny_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "bias.keras"

    def fingerprint(**bias: Any) -> str:
        return prepare(tiny_experiment(tiny_folder, bias={"model": MODEL, "threshold": 3.0, **bias})).fingerprint()

    first = fingerprint()
    assert fingerprint(fail_below=None) == first  # a verdict changes no model
    assert fingerprint(threshold=2.0) != first
    file.write_bytes(b"one")
    given = fingerprint(model_file=str(file))
    (tmp_path / "moved.keras").write_bytes(b"one")
    assert fingerprint(model_file=str(tmp_path / "moved.keras")) == given
    file.write_bytes(b"other")
    assert fingerprint(model_file=str(file)) != given
