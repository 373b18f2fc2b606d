"""What a check says of labels, and what it leaves behind."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import ASSEMBLY, tiny_experiment, write_tracks

from kerasac.config import OutputSpec
from kerasac.errors import KerasacError
from kerasac.steps.check import check, checked, write_check
from kerasac.steps.label_values import LabelValues, judge_labels, label_values
from kerasac.steps.prepare import prepare

POSITIONS = {
    "regions": None,
    "negatives": None,
    "peaks": {"attribute": "peak", "ratio": 1.0},
    "train_size": 64,
    "valid_size": 32,
}


def values(peaks: Any, background: Any, *, trains_on_background: bool = True, **spec: Any) -> LabelValues:
    output = OutputSpec(name="logcount", source=("x",), flank=5, aggregate="sum", transform="log", **spec)
    arrays = (np.asarray(part, dtype=np.float64) for part in (peaks, background))
    return LabelValues(output, "x", *arrays, trains_on_background)


def own_tracks(folder: Path, tmp_path: Path, change: Any) -> Path:
    """Return a folder like the tiny one, whose tracks of the first dataset are changed."""
    for path in folder.iterdir():
        if path.name != "signal.tdb":
            (tmp_path / path.name).symlink_to(path)
    rng = np.random.default_rng(0)
    tracks = {name: rng.poisson(2, ASSEMBLY.total_bp).astype(np.float32) for name in ("plus", "minus")}
    marks = {name: np.zeros(ASSEMBLY.total_bp, dtype=np.int64) for name in ("peak", "ambig")}
    write_tracks(tmp_path / "signal.tdb", ASSEMBLY, {"tiny": {**change(tracks), **marks}})
    return tmp_path


def test_labels_are_those_that_training_sees(tiny_folder: Path) -> None:
    prepared = prepare(tiny_experiment(tiny_folder))
    plus, minus = label_values(prepared)
    assert (plus.name, minus.name) == ("logcount · plus", "logcount · minus")
    regions = prepared.candidates.regions
    assert regions is not None
    assert len(plus.peaks) == len(regions)
    # log(sum + 1) of the peaks is far above that of the background in this genome.
    assert np.median(plus.peaks) > np.median(plus.background) + 1
    assert len(plus.background) == 5_000


def test_positions_are_sampled_over_the_whole_genome(tiny_folder: Path) -> None:
    prepared = prepare(tiny_experiment(tiny_folder, sampling=POSITIONS))
    assert len(label_values(prepared)[0].peaks) == 5_000


def test_suggestion_keeps_99_percent_of_the_peaks() -> None:
    peaks = np.arange(1000) / 100
    assert values(peaks, [0], trains_on_background=False).suggested == (0.04, 9.95)
    assert values(peaks, [0]).suggested == (None, 9.95), "a min would leave out the background too"


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        (values([2, 2, 2], [0]), "error", "every peak has the value 2"),
        (values([0] * 30 + list(range(1, 71)), [0]), "warning", "30% of the peaks have the least value"),
        (values(range(10), [50, 60, 70]), "warning", "are peaks and track of the same sample"),
        (values(range(100), [0], max=60), "warning", "leave out 39% of the peaks; max 98.51"),
    ],
)
def test_odd_labels_are_said(tiny_folder: Path, found: LabelValues, level: str, said: str) -> None:
    findings = judge_labels(prepare(tiny_experiment(tiny_folder)), [found])
    assert [(finding.level, said in finding.message) for finding in findings] == [(level, True)]


def test_ordinary_labels_are_not(tiny_folder: Path) -> None:
    prepared = prepare(tiny_experiment(tiny_folder))
    assert judge_labels(prepared, label_values(prepared)) == []


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        (lambda tracks: {**tracks, "plus": -tracks["plus"]}, "error", "plus, minus holds negative values"),
        (lambda tracks: {**tracks, "plus": tracks["plus"] / 3}, "warning", "plus, minus holds fractions"),
    ],
)
def test_profiles_that_are_no_counts_are_said(
    tiny_folder: Path, tmp_path: Path, change: Any, level: str, said: str
) -> None:
    experiment = tiny_experiment(own_tracks(tiny_folder, tmp_path, change), outputs=_log1p_outputs())
    found = [finding for finding in check(experiment).findings if said in finding.message]
    assert [finding.level for finding in found] == [level]


def _log1p_outputs() -> list[dict[str, Any]]:
    # A sum of negative values has no logarithm; asinh takes all.
    strands = {"source": ["plus", "minus"], "flank": 30}
    counts = {**strands, "name": "logcount", "aggregate": "sum", "transform": "asinh"}
    return [{**strands, "name": "profile"}, counts]


def test_errors_end_cv_before_training_and_warnings_are_logged(
    tiny_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = own_tracks(tiny_folder, tmp_path, lambda tracks: {**tracks, "minus": -tracks["minus"]})
    experiment = tiny_experiment(folder, outputs=_log1p_outputs())
    with caplog.at_level(logging.WARNING), pytest.raises(KerasacError, match="negative values"):
        checked(experiment)
    assert "same sample" in caplog.text


def test_check_writes_what_it_found(tiny_folder: Path, tmp_path: Path) -> None:
    result = check(tiny_experiment(tiny_folder))
    assert result.passed
    paths = write_check(result, tmp_path / "check")
    document = json.loads(paths[0].read_text())
    assert document["passed"] is True
    assert document["facts"]["candidates"] == "120 regions"
    assert len(document["facts"]["loss weight of logcount"].split("(")[0].split(",")) == 5
    assert document["labels"][0]["peaks"]["0.5"] == pytest.approx(np.median(result.labels[0].peaks), abs=1e-4)
    with Image.open(paths[1]) as image:
        assert image.width > 600


def test_check_with_mistakes_has_no_facts(tiny_folder: Path, tmp_path: Path) -> None:
    result = check(tiny_experiment(tiny_folder, datasets="tinny"))
    assert not result.passed
    assert [path.name for path in write_check(result, tmp_path)] == ["check.json"]
