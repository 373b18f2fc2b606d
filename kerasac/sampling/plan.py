"""Turn candidates into a seeded plan of windows: the same on 1 worker or 64, today or after a resume."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kerasac.config import SamplingSpec
from kerasac.errors import SamplingError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.folds import Fold
from kerasac.genome.intervals import Spans
from kerasac.sampling.regions import Candidates, Centers

BoolArray = npt.NDArray[np.bool_]

# Third word of the random generator's seed where an epoch would stand. Validation and test windows take no
# seed of the experiment, so that all seeds of a fold are judged on the same windows.
_VALID, _TEST = 1_000_001, 1_000_002
_MAX_ROUNDS = 50


@dataclass(frozen=True)
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


Accept = Callable[[Windows], BoolArray]


def accept_all(windows: Windows) -> BoolArray:
    """Accept every window: the rule of an experiment whose outputs have no min and max."""
    return np.ones(len(windows), dtype=bool)


class SamplingPlan:
    """The windows of one fold and seed: a pure function of (seed, fold, epoch), the candidates and the spec.

    ``accept`` says which windows pass the outputs' min and max; others are never planned.

    Raises
    ------
    SamplingError
        At once, when a split has no peak or no window passes the outputs' min and max.
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
        self._train = self._split(candidates, "train")
        self._valid = self._split(candidates, "valid")
        self._test = self._split(candidates, "test")
        if not len(self._test.test_peaks):
            raise SamplingError(
                f"fold {fold.index} has no peak to score on its test chromosomes ({_listed(fold.test)})"
            )

    def train(self, epoch: int) -> Windows:
        """Return the training windows of an epoch (0, 1, …), shuffled, jittered, on random strands."""
        rng = np.random.default_rng([self.seed, self.fold.index, epoch])
        peaks, background = self._draw(self._train, rng, self.spec.train_size, train=True)
        windows = concatenate([windows_at(peaks, is_peak=True), windows_at(background, is_peak=False)])
        if self.spec.reverse_complement:
            reverse = rng.random(len(windows)) < 0.5
            windows = Windows(windows.center, reverse, windows.is_peak)
        return windows.take(rng.permutation(len(windows)))

    def valid(self) -> Windows:
        """Return the validation windows: forward strand, no jitter, the same for every seed."""
        rng = np.random.default_rng([self.fold.index, _VALID])
        peaks, background = self._draw(self._valid, rng, self.spec.valid_size, train=False)
        return concatenate([windows_at(peaks, is_peak=True), windows_at(background, is_peak=False)])

    def test(self) -> Windows:
        """Return the scored windows: every peak of the test chromosomes, and background windows drawn once."""
        rng = np.random.default_rng([self.fold.index, _TEST])
        peaks = self._test.test_peaks.middle
        n_background = round(self.background_ratio * len(peaks))
        background = self._draw_background(self._test, rng, n_background)
        return concatenate([windows_at(peaks, is_peak=True), windows_at(background, is_peak=False)])

    def train_peaks(self, limit: int) -> Windows:
        """Return at most ``limit`` training peaks, not jittered, spread evenly: what the loss weight is made of."""
        if self._train.regions is not None:
            centers = self._train.regions.middle
        else:
            assert self._train.positions is not None
            centers = positions_of(self._train.positions)
        step = max(1, -(-len(centers) // limit))
        return windows_at(centers[::step], is_peak=True)

    def digest(self, epochs: int) -> str:
        """Return 16 hex digits that identify every window of training, validation and test."""
        tables = [self.valid(), self.test(), *(self.train(epoch) for epoch in range(epochs))]
        return hashlib.sha256("".join(table.digest() for table in tables).encode()).hexdigest()[:16]

    def _split(self, candidates: Candidates, name: str) -> Candidates:
        chroms = self.fold.split(name)
        found = candidates.on(chroms)
        if found.regions is not None:
            passed = self._accept(windows_at(found.regions.middle, is_peak=True))
            found = replace(found, regions=Centers(found.regions.low[passed], found.regions.high[passed]))
        if not found.n_peaks:
            raise SamplingError(
                f"no peak in the {name} split of fold {self.fold.index} ({_listed(chroms)}); "
                "check the peak file or attribute, the outputs' min and max, and the fold table"
            )
        return found

    def _draw(
        self, found: Candidates, rng: np.random.Generator, size: int | None, *, train: bool
    ) -> tuple[IntArray, IntArray]:
        """Draw the centres of peaks and of background windows."""
        if found.regions is not None:
            peaks = self._draw_regions(found.regions, rng, size, train=train)
            negatives = self.spec.negatives
            n_background = round(negatives.ratio * len(peaks)) if negatives is not None else 0
            return peaks, self._draw_background(found, rng, n_background)
        assert found.positions is not None
        assert self.spec.peaks is not None
        assert size is not None
        n_peaks = round(self.spec.peaks.ratio * size)
        peaks = self._draw_positions(found.positions, rng, n_peaks, "peak")
        return peaks, self._draw_background(found, rng, size - n_peaks)

    def _draw_regions(self, regions: Centers, rng: np.random.Generator, size: int | None, *, train: bool) -> IntArray:
        """Take every region once, or ``size`` of them without replacement (all, then again, when fewer)."""
        index = np.arange(len(regions))
        if size is not None:
            laps = [rng.permutation(len(regions)) for _ in range(-(-size // len(regions)))]
            index = np.concatenate(laps)[:size]
        if not train:
            return regions.middle[index]
        assert self.spec.regions is not None
        centers = rng.integers(regions.low[index], regions.high[index])
        jitter = self.spec.regions.jitter
        return centers + rng.integers(-jitter, jitter + 1, size=len(centers))

    def _draw_background(self, found: Candidates, rng: np.random.Generator, n: int) -> IntArray:
        if n == 0:
            return np.empty(0, dtype=np.int64)
        if found.negatives is not None:
            if len(found.negatives) == 0:
                raise SamplingError(f"fold {self.fold.index}: sampling.negatives.bed has no region in a split")
            middle = found.negatives.middle
            return middle[rng.choice(len(middle), size=n, replace=n > len(middle))]
        return self._draw_positions(found.background, rng, n, "background")

    def _draw_positions(self, spans: Spans, rng: np.random.Generator, n: int, what: str) -> IntArray:
        """Draw ``n`` accepted positions uniformly from the bases of the spans."""
        if not spans.total_bp:
            raise SamplingError(f"fold {self.fold.index}: no {what} position is left in one of its splits")
        drawn: list[IntArray] = []
        missing = n
        for _ in range(_MAX_ROUNDS):
            centers = spans.rows_at(rng.integers(0, spans.total_bp, size=max(missing, 64)))
            accepted = centers[self._accept(windows_at(centers, is_peak=what == "peak"))][:missing]
            drawn.append(accepted)
            missing -= len(accepted)
            if missing == 0:
                return np.concatenate(drawn)
        raise SamplingError(
            f"fold {self.fold.index}: of {n:,} {what} windows, {missing:,} could not be drawn within the outputs' "
            "min and max; widen the range"
        )


def positions_of(spans: Spans) -> IntArray:
    """Return every base of the spans, in genome order."""
    return spans.rows_at(np.arange(spans.total_bp))


def _listed(chroms: Sequence[str]) -> str:
    return ", ".join(chroms[:6]) + (" …" if len(chroms) > 6 else "")
