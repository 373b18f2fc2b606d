"""Turn candidates into a seeded plan of windows: the same on 1 worker or 64, today or after a resume."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from kerasac.config import SamplingSpec
from kerasac.errors import SamplingError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.folds import Fold
from kerasac.genome.intervals import Spans
from kerasac.sampling.regions import Candidates, Centers

BoolArray = npt.NDArray[np.bool_]

# Last word of the random generator's seed, where training windows have the epoch. Validation and test windows
# take no seed of the experiment, so that all seeds of a fold are judged on the same windows.
VALID_SEED, TEST_SEED, SCORED_VALID_SEED = 1_000_001, 1_000_002, 1_000_003
_MAX_ROUNDS = 50
_MAX_MOVES = 10
_LEAST_SHARE, _MAX_TRIES = 1e-3, 500_000  # of positions that pass, and of positions tried at once


@dataclass(frozen=True, eq=False)
class Windows:
    """A table of windows.

    ``center``: genome rows, shape (n,), int64. ``reverse``: whether the window is read on the reverse strand,
    shape (n,), bool. ``is_peak``: whether it was drawn as a peak rather than background, shape (n,), bool.
    """

    center: IntArray
    reverse: BoolArray
    is_peak: BoolArray

    def __len__(self) -> int:
        return len(self.center)

    def take(self, index: IntArray | BoolArray | slice) -> Windows:
        """Return the rows at ``index``."""
        return Windows(self.center[index], self.reverse[index], self.is_peak[index])

    def digest(self) -> str:
        """Return 16 hex digits of the table's content."""
        text = hashlib.sha256()
        for column in (self.center.astype("<i8"), self.reverse, self.is_peak):
            text.update(np.ascontiguousarray(column).tobytes())
        return text.hexdigest()[:16]

    def coordinates(self, assembly: Assembly) -> tuple[npt.NDArray[np.str_], IntArray]:
        """Return (chromosome names, centres on their chromosome), each of shape (n,)."""
        index = np.searchsorted(assembly.offsets, self.center, side="right") - 1
        return np.asarray(assembly.names)[index], self.center - assembly.offsets[index]


def windows_at(centers: IntArray, *, is_peak: bool, reverse: bool = False) -> Windows:
    """Make a table of windows of one kind, all on one strand."""
    n = len(centers)
    return Windows(np.asarray(centers, dtype=np.int64), np.full(n, reverse), np.full(n, is_peak))


def concatenate(tables: Sequence[Windows]) -> Windows:
    """Join tables, in order."""
    return Windows(
        np.concatenate([table.center for table in tables]),
        np.concatenate([table.reverse for table in tables]),
        np.concatenate([table.is_peak for table in tables]),
    )


def plan_digest(held_out: Sequence[Windows], train: Callable[[int], Windows], epochs: int) -> str:
    """Return 16 hex digits of a plan: of its validation and test windows, and of its training windows.

    The first and the last epoch stand for all: a pure function of seed and epoch that gives both gives those between.
    """
    tables = [*held_out, *(train(epoch) for epoch in sorted({0, epochs - 1}))]
    return hashlib.sha256("".join(table.digest() for table in tables).encode()).hexdigest()[:16]


Accept = Callable[[Windows], BoolArray]


class Limits(NamedTuple):
    """What windows have to lie within to be planned, in words, and what to do when too few do."""

    within: str
    way_out: str


_MIN_AND_MAX = Limits("the outputs' min and max", "widen the range")


class Plan(Protocol):
    """What a unit of work trains, validates and is tested on: windows of an array, or bins of label files."""

    @property
    def fold(self) -> Fold:
        """The fold whose chromosomes are used."""

    def train(self, epoch: int) -> Windows:
        """Return the training windows of an epoch (0, 1, …)."""

    def valid(self) -> Windows:
        """Return the validation windows."""

    def test(self) -> Windows:
        """Return the test windows."""

    def train_peaks(self, limit: int) -> Windows:
        """Return at most ``limit`` training peaks, spread evenly."""

    def digest(self, epochs: int) -> str:
        """Return 16 hex digits that identify every window."""


def accept_all(windows: Windows) -> BoolArray:
    """Accept every window: the rule of an experiment whose outputs have no min and max."""
    return np.ones(len(windows), dtype=bool)


class SamplingPlan:
    """The windows of one fold and seed: a pure function of (seed, fold, epoch), the candidates and the spec.

    ``accept`` says which windows pass the outputs' min and max; others are not planned for training and
    validation. Test windows are not filtered: configurations are compared on the same ones.

    Raises
    ------
    SamplingError
        At once, when a split has no peak, no region that passes, or no background where some is asked for.
    """

    def __init__(
        self,
        candidates: Candidates,
        spec: SamplingSpec,
        fold: Fold,
        seed: int,
        *,
        accept: Accept = accept_all,
        background_ratio: float = 1.0,
    ) -> None:
        self.spec, self.fold, self.seed = spec, fold, seed
        self.background_ratio = background_ratio
        self._accept = accept
        self._train = self._passing(candidates, "train")
        self._valid = self._passing(candidates, "valid")
        self._scored_valid = candidates.on(fold.valid)
        self._test = self._split(candidates, "test")
        if not len(self._test.test_peaks):
            raise SamplingError(
                f"fold {fold.index} has no peak to score on its test chromosomes ({_listed(fold.test)}); "
                "check score.peaks and the fold table"
            )
        if background_ratio:
            self._check_background(self._test, "test")

    def train(self, epoch: int) -> Windows:
        """Return the training windows of an epoch (0, 1, …), shuffled, jittered, on random strands."""
        rng = np.random.default_rng([self.seed, self.fold.index, epoch])
        windows = self._draw(self._train, rng, self.spec.train_size, train=True)
        if self.spec.reverse_complement:
            reverse = rng.random(len(windows)) < 0.5
            windows = Windows(windows.center, reverse, windows.is_peak)
        return windows.take(rng.permutation(len(windows)))

    def valid(self) -> Windows:
        """Return the validation windows: forward strand, no jitter, the same for every seed."""
        rng = np.random.default_rng([self.fold.index, VALID_SEED])
        return self._draw(self._valid, rng, self.spec.valid_size, train=False)

    def test(self) -> Windows:
        """Return the scored windows: every peak of the test chromosomes, and background windows drawn once."""
        return self._scored(self._test, TEST_SEED)

    def scored_valid(self) -> Windows:
        """Return what would be scored were the validation chromosomes those of the test.

        Unlike :meth:`valid` they do not depend on how training windows are drawn, so configurations can be compared.
        """
        return self._scored(self._scored_valid, SCORED_VALID_SEED)

    def background(
        self, split: str, rng: np.random.Generator, n: int | None, accept: Accept, limits: Limits = _MIN_AND_MAX
    ) -> Windows:
        """Draw background windows of ``train`` or ``valid`` that ``accept`` takes, forward strand.

        They are ``n`` of the listed negatives where those are sampled, each at most once (None = all), else positions
        drawn anywhere outside the peaks.

        Raises
        ------
        SamplingError
            When too few pass; ``limits`` says what they had to.
        """
        found = {"train": self._train, "valid": self._valid}[split]
        if found.negatives is None:
            self._check_background(found, split)
            assert n is not None, "positions are too many to take all"
            centers = self._draw_positions(found.background, rng, n, accept, is_peak=False, limits=limits)
            return windows_at(centers, is_peak=False)
        listed = windows_at(found.negatives.middle, is_peak=False)
        passed = listed.take(accept(listed))
        if not len(passed):
            raise self._none_within(len(listed), f"background windows of {split}", limits)
        return passed.take(rng.permutation(len(passed))[:n])

    def train_peaks(self, limit: int) -> Windows:
        """Return at most ``limit`` training peaks that pass, not jittered, spread evenly: the loss weight is of these.

        Raises
        ------
        SamplingError
            When no position passes of those that are tried.
        """
        regions, positions = self._train.regions, self._train.positions
        if regions is not None:
            return windows_at(regions.middle[:: _step(len(regions), limit)], is_peak=True)
        assert positions is not None, "candidates have one of the two"
        return self._spread_peaks(positions, limit)

    def digest(self, epochs: int) -> str:
        """Return 16 hex digits that identify every window of training, validation and test."""
        return plan_digest([self.valid(), self.test()], self.train, epochs)

    def _scored(self, found: Candidates, word: int) -> Windows:
        rng = np.random.default_rng([self.fold.index, word])
        peaks = found.test_peaks.middle
        background = self._draw_background(found, rng, round(self.background_ratio * len(peaks)), accept_all)
        return _peaks_and_background(peaks, background)

    def _spread_peaks(self, positions: Spans, limit: int) -> Windows:
        """Try ``limit`` positions, and twice as many until half of the limit pass; at most ``limit`` are returned."""
        n_tried = limit
        while True:
            tried = _evenly_spaced(positions, n_tried)
            passed = tried.take(self._accept(tried))
            if 2 * len(passed) >= limit or n_tried >= min(positions.total_bp, _MAX_TRIES):
                break
            n_tried *= 2
        if not len(passed):
            raise self._none_within(len(tried), "peak windows of train")
        n = min(limit, len(passed))
        return passed.take(np.arange(n) * len(passed) // n)

    def _split(self, candidates: Candidates, name: str) -> Candidates:
        found = candidates.on(self.fold.split(name))
        if not found.n_peaks:
            raise SamplingError(
                f"no peak in the {name} split of fold {self.fold.index} ({_listed(self.fold.split(name))}); "
                "check the peak file or attribute, the outputs' min and max, and the fold table"
            )
        return found

    def _passing(self, candidates: Candidates, name: str) -> Candidates:
        """Keep the regions of a split that pass; positions are too many, and are judged when they are drawn."""
        found = candidates.on(self.fold.split(name))
        regions, negatives = self._judged(found.regions, is_peak=True), self._judged(found.negatives, is_peak=False)
        passing = self._split(replace(found, regions=regions, negatives=negatives), name)
        if self._wants_background:
            self._check_background(found, name)
            if found.negatives is not None and not passing.negatives:
                limits = _MIN_AND_MAX._replace(way_out="widen the range, or leave out sampling.negatives")
                raise self._none_within(len(found.negatives), f"background windows of {name}", limits)
        return passing

    def _judged(self, regions: Centers | None, *, is_peak: bool) -> Centers | None:
        if regions is None:
            return None
        passed = self._accept(windows_at(regions.middle, is_peak=is_peak))
        return Centers(regions.low[passed], regions.high[passed])

    @property
    def _wants_background(self) -> bool:
        if self.spec.peaks is not None:
            return self.spec.peaks.ratio < 1
        return self.spec.negatives is not None and self.spec.negatives.ratio > 0

    def _check_background(self, found: Candidates, name: str) -> None:
        where = f"in the {name} split of fold {self.fold.index} ({_listed(self.fold.split(name))})"
        if found.negatives is not None and not len(found.negatives):
            if self.spec.negatives is not None and self.spec.negatives.gc_matched:
                raise SamplingError(
                    f"no window {where} was matched to the GC content of a region; check the fold table, or leave out "
                    "sampling.negatives.gc_matched"
                )
            raise SamplingError(f"no region of sampling.negatives.bed {where}; check the file and the fold table")
        if found.negatives is None and not found.background.total_bp:
            raise SamplingError(
                f"no background {where}: every window touches a peak, an ambiguous base or the blacklist; "
                "use narrower outputs, or no background"
            )

    def _none_within(self, n: int, windows: str, limits: Limits = _MIN_AND_MAX) -> SamplingError:
        return SamplingError(
            f"fold {self.fold.index}: none of {n:,} {windows} lies within {limits.within}; {limits.way_out}"
        )

    def _draw(self, found: Candidates, rng: np.random.Generator, size: int | None, *, train: bool) -> Windows:
        """Draw the peaks and the background windows of an epoch, in this order."""
        if found.regions is not None:
            peaks = self._draw_regions(found.regions, rng, size, moved=train)
            ratio = self.spec.negatives.ratio if self.spec.negatives is not None else 0.0
            n_background = round(ratio * len(peaks))
        else:
            assert found.positions is not None
            assert self.spec.peaks is not None
            assert size is not None, "SamplingSpec asks for it"
            n_peaks = round(self.spec.peaks.ratio * size)
            peaks = self._draw_positions(found.positions, rng, n_peaks, self._accept)
            n_background = size - n_peaks
        return _peaks_and_background(peaks, self._draw_background(found, rng, n_background, self._accept))

    def _draw_regions(self, regions: Centers, rng: np.random.Generator, size: int | None, *, moved: bool) -> IntArray:
        """Take every region once, or ``size`` of them without replacement (all, then again, when fewer)."""
        index = np.arange(len(regions))
        if size is not None:
            laps = [rng.permutation(len(regions)) for _ in range(-(-size // len(regions)))]
            index = np.concatenate(laps)[:size]
        chosen = Centers(regions.low[index], regions.high[index])
        return self._move(chosen, rng) if moved else chosen.middle

    def _move(self, regions: Centers, rng: np.random.Generator) -> IntArray:
        """Draw a centre in each region and jitter it; what may not be planned is drawn again, at last the middle."""
        assert self.spec.regions is not None, "candidates with regions come from this section"
        jitter = self.spec.regions.jitter
        centers, left = regions.middle, np.arange(len(regions))
        for _ in range(_MAX_MOVES):
            drawn = rng.integers(regions.low[left], regions.high[left])
            drawn = drawn + rng.integers(-jitter, jitter + 1, size=len(left))
            passed = ~self._train.excluded.contains(drawn) & self._accept(windows_at(drawn, is_peak=True))
            centers[left[passed]] = drawn[passed]
            left = left[~passed]
            if not len(left):
                break
        return centers

    def _draw_background(self, found: Candidates, rng: np.random.Generator, n: int, accept: Accept) -> IntArray:
        if found.negatives is None:
            return self._draw_positions(found.background, rng, n, accept, is_peak=False)
        middle = found.negatives.middle
        return middle[rng.choice(len(middle), size=n, replace=n > len(middle))] if n else middle[:0]

    def _draw_positions(
        self,
        spans: Spans,
        rng: np.random.Generator,
        n: int,
        accept: Accept,
        *,
        is_peak: bool = True,
        limits: Limits = _MIN_AND_MAX,
    ) -> IntArray:
        """Draw ``n`` accepted positions uniformly, with replacement, from the bases of the spans."""
        drawn: list[IntArray] = [np.empty(0, dtype=np.int64)]
        missing, n_tried, n_passed = n, 0, 0
        for _ in range(_MAX_ROUNDS):
            hopeless = n_tried > _MAX_TRIES and n_passed < _LEAST_SHARE * n_tried
            if not missing or hopeless:
                break
            share = max(n_passed / n_tried, _LEAST_SHARE) if n_tried else 1.0
            size = min(max(math.ceil(missing / share), 64), max(n, _MAX_TRIES))
            centers = spans.rows_at(rng.integers(0, spans.total_bp, size=size))
            passed = centers[accept(windows_at(centers, is_peak=is_peak))]
            n_tried, n_passed = n_tried + size, n_passed + len(passed)
            drawn.append(passed[:missing])
            missing -= len(drawn[-1])
        if missing:
            what = "peak" if is_peak else "background"
            raise SamplingError(
                f"fold {self.fold.index}: of {n_tried:,} {what} windows, {n_passed:,} lie within {limits.within}, and "
                f"{n:,} are asked for; {limits.way_out}"
            )
        return np.concatenate(drawn)


def _peaks_and_background(peaks: IntArray, background: IntArray) -> Windows:
    return concatenate([windows_at(peaks, is_peak=True), windows_at(background, is_peak=False)])


def _step(n: int, limit: int) -> int:
    """Return the step that takes at most ``limit`` of ``n``."""
    return max(1, -(-n // limit))


def _evenly_spaced(positions: Spans, limit: int) -> Windows:
    """Return at most ``limit`` of the positions, the same number of them apart."""
    ranks = np.arange(0, positions.total_bp, _step(positions.total_bp, limit))
    return windows_at(positions.rows_at(ranks), is_peak=True)


def positions_of(spans: Spans) -> IntArray:
    """Return every base of the spans, in genome order."""
    return spans.rows_at(np.arange(spans.total_bp))


def _listed(chroms: Sequence[str]) -> str:
    return ", ".join(chroms[:6]) + (" …" if len(chroms) > 6 else "")
