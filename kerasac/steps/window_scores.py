"""Score windows one by one, block by block, so that any number of them takes little memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from kerasac.errors import ScoreError
from kerasac.steps.prediction_layouts import StrArray
from kerasac.steps.predictions import Predictions
from kerasac.steps.profile_scores import (
    BoolArray,
    Floats,
    IntArray,
    ProfileScorer,
    ProfileScores,
    profile_distances,
    window_keys,
)
from kerasac.steps.score_definitions import WindowSpace
from kerasac.steps.score_settings import LabelRange, ScoreSettings
from kerasac.steps.smoothing import Smoothing

BLOCK_WINDOWS = 2048  # read at a time, of 1000 bases: 80 MB of work space for any number


class Scorable(WindowSpace, Protocol):
    """Labelled predictions, in memory or in an open file, of which some rows are taken at a time."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, T."""

    @property
    def mean_profile(self) -> npt.NDArray[np.float32] | None:
        """Mean profile of the training peaks, (L, T)."""

    @property
    def chrom(self) -> StrArray:
        """Chromosomes, (N,)."""

    @property
    def center(self) -> IntArray:
        """Centres, (N,)."""

    @property
    def strand(self) -> StrArray:
        """``.``, ``p`` or ``r``, (N,)."""

    @property
    def is_peak(self) -> BoolArray:
        """Which windows are peaks, (N,)."""

    @property
    def n_windows(self) -> int:
        """Windows, N."""

    def take(self, rows: slice) -> Predictions:
        """Return some of the windows."""


class Pseudoreplicates(Protocol):
    """Two halves of the reads that the labels were counted from."""

    def read(self, windows: Predictions) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the counts of each half in these windows, (n, L, T)."""


@dataclass(frozen=True, eq=False)
class Ceiling:
    """What two pseudoreplicates say of each other: ``counts`` (2, n, T), and distances of their profiles, (n, T)."""

    counts: Floats
    jsd: Floats

    def take(self, member: BoolArray | IntArray) -> Ceiling:
        """The same of some of the windows."""
        return Ceiling(self.counts[:, member], self.jsd[member])

    @classmethod
    def joined(cls, parts: Sequence[Ceiling]) -> Ceiling:
        """Put windows after one another."""
        return cls(
            np.concatenate([part.counts for part in parts], axis=1), np.concatenate([part.jsd for part in parts])
        )


class WindowScores(NamedTuple):
    """Scores of windows, one by one; of a block, or of all."""

    rows: IntArray
    profiles: list[ProfileScores]
    """One for each task."""
    observed: Floats
    predicted: Floats
    ceiling: Ceiling | None

    def in_order(self, predictions: Scorable) -> WindowScores:
        """Put windows in the order of their coordinates."""
        at = self.rows
        keys = (predictions.is_peak[at], predictions.strand[at], predictions.center[at], predictions.chrom[at])
        order: IntArray = np.lexsort((self.observed.sum(axis=1), *keys)).astype(np.int64)
        ceiling = None if self.ceiling is None else self.ceiling.take(order)
        profiles = [profile.take(order) for profile in self.profiles]
        return WindowScores(at[order], profiles, self.observed[order], self.predicted[order], ceiling)


def score_windows(
    predictions: Scorable,
    settings: ScoreSettings,
    pseudoreplicates: Pseudoreplicates | None = None,
    *,
    block_windows: int = BLOCK_WINDOWS,
) -> WindowScores:
    """Score each window by itself, and put the scores in the order of coordinates.

    Raises
    ------
    ScoreError
        For labels that are no counts, and predictions that are no numbers.
    """
    scorers = [
        ProfileScorer(predictions.n_bases, _mean_profile(predictions, task), (settings.seed, task))
        for task in range(len(predictions.tasks))
    ]
    work = _Work(scorers, settings, pseudoreplicates)
    lows = range(0, max(predictions.n_windows, 1), block_windows)  # without windows, a block of none
    return _join([work.of(predictions.take(slice(low, low + block_windows)), low) for low in lows]).in_order(
        predictions
    )


class _Work(NamedTuple):
    """How blocks of windows are scored."""

    scorers: list[ProfileScorer]
    settings: ScoreSettings
    pseudoreplicates: Pseudoreplicates | None

    def of(self, block: Predictions, first: int) -> WindowScores:
        """Score the windows of a block that lie in the label range; ``first`` is the number of its first row."""
        _check_numbers(block, first)
        inside = np.flatnonzero(_inside(block.label_logcount, self.settings.label_range))
        if len(inside) < block.n_windows:
            block = block.take(inside)
        observed, predicted = (array.astype(np.float64) for array in (block.label_logcount, block.logcount))
        counts = _smoothed(block.label_profile, self.settings.smooth_observed)
        logits = _smoothed(block.logits, self.settings.smooth_predicted)
        keys = window_keys(block.chrom, block.center, block.strand)
        profiles = [
            scorer.score(
                counts[:, :, task],
                logits[:, :, task],
                keys,
                np.exp(observed[:, task]) if self.settings.mnll_trials == "logcount" else None,
            )
            for task, scorer in enumerate(self.scorers)
        ]
        return WindowScores(inside.astype(np.int64) + first, profiles, observed, predicted, self._ceiling(block))

    def _ceiling(self, block: Predictions) -> Ceiling | None:
        if self.pseudoreplicates is None:
            return None
        pair = self.pseudoreplicates.read(block)
        smooth = [_smoothed(counts, self.settings.smooth_observed) for counts in pair]
        jsd = [profile_distances(smooth[0][:, :, task], smooth[1][:, :, task]) for task in range(len(block.tasks))]
        totals = np.stack([counts.sum(axis=1, dtype=np.float64) for counts in pair])
        return Ceiling(totals, np.stack(jsd, axis=1))


def _join(blocks: Sequence[WindowScores]) -> WindowScores:
    rows, profiles, observed, predicted, ceilings = zip(*blocks, strict=True)
    found = [ceiling for ceiling in ceilings if ceiling is not None]
    return WindowScores(
        np.concatenate(rows),
        [ProfileScores.joined(parts) for parts in zip(*profiles, strict=True)],
        np.concatenate(observed),
        np.concatenate(predicted),
        Ceiling.joined(found) if found else None,
    )


def _mean_profile(predictions: Scorable, task: int) -> npt.NDArray[np.float32] | None:
    mean: npt.NDArray[np.float32] | None = predictions.mean_profile
    return None if mean is None else mean[:, task]


def _smoothed(profiles: npt.NDArray[np.float32], smoothing: Smoothing | None) -> npt.NDArray[np.float32]:
    return profiles if smoothing is None else smoothing.smooth(profiles)


def _inside(labels: npt.NDArray[np.float32], label_range: LabelRange) -> BoolArray:
    """Whether windows lie within the label range in every task."""
    low, high = label_range
    inside = np.ones(len(labels), dtype=bool)
    if low is not None:
        inside &= (labels >= low).all(axis=1)
    if high is not None:
        inside &= (labels <= high).all(axis=1)
    return inside


def _check_numbers(block: Predictions, first: int) -> None:
    """Refuse labels that are no counts and predictions that are no numbers, naming the first such window."""
    for name in ("label_profile", "logits", "label_logcount", "logcount"):
        array = getattr(block, name)
        fine = np.isfinite(array)
        if name == "label_profile":
            fine &= array >= 0
        if not fine.all():
            row = int(np.argmin(fine.reshape(len(array), -1).all(axis=1)))
            where = f"window {first + row} ({block.chrom[row]}:{block.center[row]})"
            fault = "negative or not finite" if name == "label_profile" else "not finite"
            source = "the tracks" if name.startswith("label") else "the training"
            raise ScoreError(f"{name} of {where} is {fault}; look at {source}")
