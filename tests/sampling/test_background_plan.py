"""The background of a bias model passes its rule, keeps to its split, and is the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planned import ASSEMBLY, BACKGROUND, FOLD, PEAKS, POSITIONS, REGIONS, candidates

from kerasac.config import SamplingSpec
from kerasac.errors import SamplingError
from kerasac.genome.intervals import BoolArray
from kerasac.sampling.background_plan import BackgroundPlan
from kerasac.sampling.plan import Limits, SamplingPlan, Windows
from kerasac.sampling.regions import Centers

LIMITS = Limits("1 to below 9 counts", "raise bias.threshold")
NEGATIVES = Centers(PEAKS + 150, PEAKS + 151)
SETTINGS = [
    pytest.param(POSITIONS, None, id="positions"),
    pytest.param(REGIONS, None, id="regions"),
    pytest.param(REGIONS, NEGATIVES, id="listed"),
]


def even(windows: Windows) -> BoolArray:
    passed: BoolArray = windows.center % 500 < 200
    return passed


def base(setting: dict[str, Any], negatives: Centers | None, seed: int = 7) -> SamplingPlan:
    found = replace(candidates(setting), negatives=negatives)
    return SamplingPlan(found, SamplingSpec.model_validate(setting), FOLD, seed)


def background(setting: dict[str, Any], negatives: Centers | None = None, **changes: Any) -> BackgroundPlan:
    options: dict[str, Any] = {"accept": even, "train_size": 60, "valid_size": 9, "limits": LIMITS, **changes}
    return BackgroundPlan(base(setting, negatives), **options)


@pytest.mark.parametrize(("setting", "negatives"), SETTINGS)
def test_windows_are_background_of_their_split_that_passes(setting: Any, negatives: Any) -> None:
    plan = background(setting, negatives)
    allowed = {"train": FOLD.train, "valid": FOLD.valid}
    for split, windows in (("train", plan.train(0)), ("train", plan.train(3)), ("valid", plan.valid())):
        assert len(windows)
        assert even(windows).all()
        assert not windows.is_peak.any()
        assert BACKGROUND.contains(windows.center).all()
        assert set(windows.coordinates(ASSEMBLY)[0]) <= set(allowed[split])
        if negatives is not None:
            assert np.isin(windows.center, negatives.low).all()


@pytest.mark.parametrize(("setting", "negatives"), SETTINGS)
def test_plan_depends_on_seed_and_epoch_alone(setting: Any, negatives: Any) -> None:
    one, same = background(setting, negatives), background(setting, negatives)
    assert one.digest(3) == same.digest(3)
    assert one.train(0).digest() != one.train(1).digest()
    other = BackgroundPlan(base(setting, negatives, seed=8), even, train_size=60, valid_size=9, limits=LIMITS)
    assert other.train(0).digest() != one.train(0).digest()
    assert other.valid().digest() == one.valid().digest()


def test_listed_windows_are_drawn_at_most_once() -> None:
    n_passing = int(even(Windows(NEGATIVES.low, np.zeros(len(PEAKS), bool), np.zeros(len(PEAKS), bool))).sum())
    centers = background(REGIONS, NEGATIVES, train_size=10_000).train(0).center
    assert len(set(centers.tolist())) == len(centers) <= n_passing


def test_strands_follow_the_experiment() -> None:
    assert background(POSITIONS).train(0).reverse.any()
    assert not background(POSITIONS, reverse_complement=False).train(0).reverse.any()
    assert not background(POSITIONS).valid().reverse.any()


@pytest.mark.parametrize(
    ("negatives", "said"),
    [
        (None, "0 lie within 1 to below 9 counts, and 9 are asked for; raise bias.threshold"),
        (NEGATIVES, "background windows of valid lies within 1 to below 9 counts; raise bias.threshold"),
    ],
)
def test_too_little_background_is_said_at_once(negatives: Any, said: str) -> None:
    with pytest.raises(SamplingError, match=said):
        background(REGIONS, negatives, accept=lambda windows: np.zeros(len(windows), dtype=bool))
