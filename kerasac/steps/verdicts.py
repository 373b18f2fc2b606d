"""Say in words what a comparison found, and what it cannot know."""

from __future__ import annotations

import math

from kerasac.steps.comparison import ALPHA, Comparison, Contrast, Metric
from kerasac.steps.metric_summary import MetricSummary
from kerasac.steps.page import number, plural
from kerasac.steps.paired import Interval


def verdict(contrast: Contrast) -> str:
    """One clause on one run and one metric: how much better or worse than the baseline, or why that is not known.

    ``better by`` and ``worse by`` state sizes, above 0; a difference that is noise is stated with its sign.
    """
    if contrast.refused or contrast.test is None:
        return f"not compared: {contrast.refused}"
    test, n = contrast.test, len(contrast.pairs)
    if all(pair.difference == 0 for pair in contrast.pairs):
        return f"the same as {contrast.baseline} in {_folds(n)}"
    if test.interval is None:
        return f"{_direction(contrast)} by {_size(contrast)} in {_folds(n)}, {_no_interval(n)}"
    if contrast.is_different:
        return f"{_direction(contrast)} by {_size(contrast)} ({_ends(contrast, test.interval)})"
    return f"not distinguishable from {contrast.baseline}: {_noise(contrast)}"


def sentence(contrast: Contrast) -> str:
    """``b is better than a by 0.012 (0.004 to 0.020).``."""
    return f"{contrast.run} is {verdict(contrast).removesuffix('.')}."


def digits(scale: float) -> int:
    """Digits after the point that show two figures of a number of this size: 3 to 6 below 1, else 1."""
    if abs(scale) >= 1:
        return 1
    return 3 if scale == 0 else min(6, max(3, 1 - math.floor(math.log10(abs(scale)))))


def value_text(metric: MetricSummary | None, places: int = 3) -> str:
    """``0.764 ± 0.010``: mean ± standard error over folds, or the mean alone of one fold; – without such a metric."""
    if metric is None or metric.mean is None:
        return "–" if metric is None else "undefined"
    mean = number(metric.mean, places)
    return mean if metric.se is None else f"{mean} ± {number(metric.se, places)}"


def value_digits(comparison: Comparison, metric: Metric) -> int:
    """Digits after the point that show the standard error of every run in a metric."""
    found = (one.summary.get(metric.windows, metric.name) for one in comparison.configurations)
    errors = [one.se for one in found if one is not None and one.se]
    return digits(min(errors)) if errors else 3


def difference_text(contrast: Contrast) -> str:
    """``+0.012 (0.004 to 0.020)``: the difference itself, this run minus the baseline; – where there is none."""
    if contrast.test is None:
        return "–"
    places = _places(contrast)
    text = ("+" if contrast.test.difference > 0 else "") + number(contrast.test.difference, places)
    interval = contrast.test.interval
    return f"{text} ({_range(interval, places)})" if interval else text


def p_text(p: float | None) -> str:
    """``0.031``, ``< 0.001``, or – where no test was made."""
    return "–" if p is None else "< 0.001" if p < 0.001 else number(p)


def _noise(contrast: Contrast) -> str:
    n_folds = plural(len(contrast.pairs), "fold")
    text = f"the difference of {difference_text(contrast)} is noise, as far as {n_folds} can tell"
    corrected = contrast.test is not None and contrast.test.p is not None and contrast.test.p < ALPHA
    return f"{text} once corrected for {contrast.n_tests} comparisons" if corrected else text


def _no_interval(n: int) -> str:
    if n == 1:
        return "which gives no interval: whether that is noise is not known"
    return "by the same in each: there is no spread to judge it by"


def _folds(n: int) -> str:
    return "the one fold of both" if n == 1 else f"all {n} folds"


def _direction(contrast: Contrast) -> str:
    return f"{'better' if contrast.gain > 0 else 'worse'} than {contrast.baseline}"


def _size(contrast: Contrast) -> str:
    return number(abs(contrast.gain), _places(contrast))


def _ends(contrast: Contrast, interval: Interval) -> str:
    """The interval of what is said, which is above 0: what is gained, or lost."""
    below = contrast.test is not None and contrast.test.difference < 0
    return _range(Interval(-interval.high, -interval.low) if below else interval, _places(contrast))


def _range(interval: Interval, places: int) -> str:
    return f"{number(interval.low, places)} to {number(interval.high, places)}"


def _places(contrast: Contrast) -> int:
    test = contrast.test
    if test is None:
        return 3
    return digits((test.interval.high - test.interval.low) / 2 if test.interval else test.difference)
