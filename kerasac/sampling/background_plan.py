"""Plan the background windows that a bias model is trained on."""

from __future__ import annotations

import numpy as np

from kerasac.genome.folds import Fold
from kerasac.sampling.plan import VALID_SEED, Accept, Limits, SamplingPlan, Windows, plan_digest

_BACKGROUND_SEED = 1_000_003  # apart from the words that other draws of the same fold and epoch have


class BackgroundPlan:
    """Background windows of one fold and seed that ``accept`` takes: a pure function of these and the epoch.

    ``base`` is the plan of the model whose bias is learned: its negatives are used where it lists some, its folds, its
    test windows. An epoch has ``train_size`` windows (all listed ones that pass, if they are fewer), on random strands
    where ``reverse_complement``.

    Raises
    ------
    SamplingError
        At once, when a split has no window that passes, or hardly any; ``limits`` says what they had to.
    """

    def __init__(
        self,
        base: SamplingPlan,
        accept: Accept,
        *,
        train_size: int,
        valid_size: int,
        reverse_complement: bool = True,
        limits: Limits,
    ) -> None:
        self.base, self.accept, self.limits = base, accept, limits
        self.sizes = {"train": train_size, "valid": valid_size}
        self.reverse_complement = reverse_complement
        self.valid()
        self.train(0)

    @property
    def fold(self) -> Fold:
        """The fold whose chromosomes are drawn from."""
        return self.base.fold

    def train(self, epoch: int) -> Windows:
        """Return the training windows of an epoch (0, 1, …), shuffled, on random strands."""
        rng = np.random.default_rng([self.base.seed, self.fold.index, epoch, _BACKGROUND_SEED])
        windows = self._draw("train", rng)
        if self.reverse_complement:
            windows = Windows(windows.center, rng.random(len(windows)) < 0.5, windows.is_peak)
        return windows

    def valid(self) -> Windows:
        """Return the validation windows: forward strand, the same for every seed."""
        return self._draw("valid", np.random.default_rng([self.fold.index, VALID_SEED, _BACKGROUND_SEED]))

    def test(self) -> Windows:
        """Return the test windows of the model whose bias is learned."""
        return self.base.test()

    def train_peaks(self, limit: int) -> Windows:
        """Return at most ``limit`` of the training windows, which stand for peaks here."""
        return self.train(0).take(slice(limit))

    def digest(self, epochs: int) -> str:
        """Return 16 hex digits that identify every window of training and validation."""
        return plan_digest([self.valid()], self.train, epochs)

    def _draw(self, split: str, rng: np.random.Generator) -> Windows:
        return self.base.background(split, rng, self.sizes[split], self.accept, self.limits)
