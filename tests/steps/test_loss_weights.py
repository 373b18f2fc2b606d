"""The counts loss weight, against kerasAC's numbers and by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import three_folds

from kerasac.errors import KerasacError
from kerasac.steps.loss_weights import CountsWindows, array_weight, counts_outputs, unit_weight
from kerasac.steps.prepare import prepare
from kerasac.store.schema import read_layout

WINDOWS = CountsWindows("K562", ("count_bigwig_unstranded_5p",), 100, "overlap_peak", chroms=("chr1",))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("change", "weight"), [({}, 23.1), ({"threshold": 2}, 45.9), ({"ambiguous": "ambig_peak"}, 23.2)]
)
def test_weights_equal_kerasacs(shared_dir: Path, change: dict[str, object], weight: float) -> None:
    layout = read_layout(str(shared_dir / "reference/genome/store.tdb"))
    assert array_weight(layout, replace(WINDOWS, **change)).weight == pytest.approx(weight, abs=1e-9)


@pytest.mark.shared
def test_range_of_log_counts_leaves_windows_out(shared_dir: Path) -> None:
    layout = read_layout(str(shared_dir / "reference/genome/store.tdb"))
    every = array_weight(layout, WINDOWS)
    upper = array_weight(layout, replace(WINDOWS, min_log_counts=float(np.log(every.median_counts))))
    assert upper.median_counts > every.median_counts
    assert every.n_windows / 2 <= upper.n_windows < every.n_windows


def test_weight_of_a_fold_is_a_tenth_of_its_median_training_peak(tiny_folder: Path) -> None:
    prepared = prepare(three_folds(tiny_folder))
    assert list(counts_outputs(prepared)) == ["logcount"]
    plan = prepared.plan(prepared.folds[0], 1)
    counts = prepared.source.batch(plan.train_peaks(10_000)).outputs["profile"]
    found = unit_weight(prepared, plan, "logcount")
    # The two strands are two tasks, each with its log count; the weight is of their sum.
    assert found.median_counts == np.median(counts.sum(axis=(1, 2)))
    assert found.weight == pytest.approx(found.median_counts / 10)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset": "tinny"}, "did you mean 'tiny'"),
        ({"peaks": "peeks"}, "did you mean 'peak'"),
        ({"counts": ("plus", "minos")}, "did you mean 'minus'"),
        ({"threshold": 9.0}, "no window is left"),
        ({"min_log_counts": 50.0}, "no window is left"),
        ({"flank": 0}, "the flank is 0"),
        ({"chroms": ("1",)}, "chr1"),
    ],
)
def test_wrong_windows_are_named(tiny_folder: Path, change: dict[str, object], said: str) -> None:
    layout = read_layout(str(tiny_folder / "signal.tdb"))
    with pytest.raises(KerasacError, match=said):
        array_weight(layout, replace(CountsWindows("tiny", ("plus", "minus"), 30, "peak"), **change))
