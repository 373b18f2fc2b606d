"""Choose windows worth looking at, each choice with the rule behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.steps.plots.style import Floats, count_label
from kerasac.steps.score import Scores
from kerasac.steps.window_scores import Scorable

IntArray = npt.NDArray[np.int64]

N_EXAMPLES = 3
N_EXTREMES = 3


class Chosen(NamedTuple):
    """Windows by their place in ``scores.rows``, the rule that chose them, and a word on each (or none)."""

    places: IntArray
    rule: str
    words: tuple[str, ...] = ()


def even_steps(predictions: Scorable, scores: Scores, n: int = N_EXAMPLES) -> Chosen:
    """Choose windows at even steps of the ranking by observed counts."""
    pool, _ = _pool(predictions, scores)
    ranked = pool[np.argsort(_counts(scores)[pool], kind="stable")]
    steps = (np.arange(min(n, len(pool))) + 0.5) / max(min(n, len(pool)), 1)
    rule = "Windows at even steps of the ranking by observed counts; none was picked by eye."
    words = tuple(f"{_ordinal(100 * step)} percentile" for step in steps)
    return Chosen(ranked[(steps * len(ranked)).astype(np.int64)], rule, words)


def best(predictions: Scorable, scores: Scores, n: int = N_EXTREMES) -> Chosen:
    """Choose the windows with the lowest Jensen–Shannon distance among those with enough counts."""
    ranked, of_whom = _by_distance(predictions, scores)
    return Chosen(_apart(ranked[: -(-len(ranked) // 2)], n, predictions, scores), f"Lowest JSD {of_whom}")


def worst(predictions: Scorable, scores: Scores, n: int = N_EXTREMES) -> Chosen:
    """Choose the windows with the highest Jensen–Shannon distance among those with enough counts."""
    ranked, of_whom = _by_distance(predictions, scores)
    return Chosen(_apart(ranked[::-1][: len(ranked) // 2], n, predictions, scores), f"Highest JSD {of_whom}")


def counts_off(predictions: Scorable, scores: Scores, n: int = N_EXTREMES) -> Chosen:
    """Choose the windows whose predicted count is furthest from the observed one."""
    pool, kind = _pool(predictions, scores)
    error = np.abs(scores.predicted[pool] - scores.observed[pool]).mean(axis=1)
    furthest = pool[np.argsort(-error, kind="stable")]
    rule = f"Largest difference of predicted and observed {count_label(predictions)}, of all {len(pool):,} {kind}."
    return Chosen(_apart(furthest, n, predictions, scores), rule)


CHOICES: Mapping[str, tuple[str, Callable[[Scorable, Scores], Chosen]]] = {
    "examples": ("Examples", even_steps),
    "best": ("Best profiles", best),
    "worst": ("Worst profiles", worst),
    "counts_off": ("Counts furthest off", counts_off),
}
"""By name of the figure: its heading, and how its windows are chosen."""


def distances(scores: Scores) -> Floats:
    """Return the Jensen–Shannon distance of each scored window, mean over tasks with counts; NaN where none has."""
    by_task = np.stack([profiles.jsd for profiles in scores.profiles.values()])
    n = (~np.isnan(by_task)).sum(axis=0)
    return np.where(n > 0, np.nansum(by_task, axis=0) / np.maximum(n, 1), np.nan)


def _counts(scores: Scores) -> Floats:
    """Observed counts of each scored window, all tasks together."""
    counts: Floats = np.stack([profiles.counts for profiles in scores.profiles.values()]).sum(axis=0, dtype=np.float64)
    return counts


def _pool(predictions: Scorable, scores: Scores) -> tuple[IntArray, str]:
    """Places of the peaks with counts and what they are called; without such peaks, of any windows with counts."""
    counted = _counts(scores) > 0
    peaks = counted & predictions.is_peak[scores.rows]
    kind = "peaks" if peaks.any() else "windows"
    return np.flatnonzero(peaks if peaks.any() else counted), f"{kind} with counts"


def _by_distance(predictions: Scorable, scores: Scores) -> tuple[IntArray, str]:
    """Places of windows with enough counts by rising distance, and which they are."""
    pool, kind = _pool(predictions, scores)
    if not len(pool):
        return pool, "of no window: none has counts."
    counts = _counts(scores)[pool]
    least = float(np.median(counts))
    enough = pool[counts >= least]
    of_whom = f"of the {len(enough):,} {kind} that have at least the median of {least:,.0f} (fewer make any JSD high)."
    return enough[np.argsort(distances(scores)[enough], kind="stable")], of_whom


def _apart(ranked: IntArray, n: int, predictions: Scorable, scores: Scores) -> IntArray:
    """Return the first ``n`` places whose windows do not overlap one before them: neighbours show the same bases."""
    taken: list[int] = []
    for place in ranked.tolist():
        row = scores.rows[place]
        others = scores.rows[taken]
        near = np.abs(predictions.center[others] - predictions.center[row]) < predictions.n_bases
        if not (near & (predictions.chrom[others] == predictions.chrom[row])).any():
            taken.append(place)
        if len(taken) == n:
            break
    return np.array(taken, dtype=np.int64)


def _ordinal(number: float) -> str:
    n = round(number)
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
