"""Cut an epoch's windows into batches, and each batch into the parts of the trainers that share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerasac.config import TrainingSpec
from kerasac.sampling.batches import batch_sizes
from kerasac.sampling.plan import Windows
from kerasac.steps.trainers import Group


@dataclass(frozen=True)
class Part:
    """What one trainer reads: part ``rank`` of ``trainers`` of every batch of ``whole_batch`` windows.

    ``most_steps`` cuts an epoch; None leaves it whole.
    """

    whole_batch: int
    most_steps: int | None = None
    rank: int = 0
    trainers: int = 1

    @classmethod
    def of(cls, spec: TrainingSpec, group: Group | None) -> Part:
        """Return the part of this process."""
        rank, trainers = (0, 1) if group is None else (group.rank, group.size)
        return cls(spec.batch_size, spec.steps_per_epoch, rank, trainers)

    @property
    def batch_size(self) -> int:
        """Windows of a full batch that this trainer reads."""
        return self.whole_batch // self.trainers

    def steps(self, n_windows: int) -> int:
        """Return the batches of an epoch; a last one of fewer windows than trainers is left out."""
        sizes = [size for size in batch_sizes(n_windows, self.whole_batch) if size >= self.trainers]
        return len(sizes) if self.most_steps is None else min(self.most_steps, len(sizes))

    def take(self, epoch: Windows) -> Windows:
        """Return this trainer's windows of an epoch, in order."""
        n_windows = min(len(epoch), self.steps(len(epoch)) * self.whole_batch)
        if self.trainers == 1:
            return epoch.take(slice(0, n_windows))
        cuts = [np.arange(0)]
        for low in range(0, n_windows, self.whole_batch):
            size = min(self.whole_batch, n_windows - low)
            begin, end = (size * rank // self.trainers for rank in (self.rank, self.rank + 1))
            cuts.append(np.arange(low + begin, low + end))
        return epoch.take(np.concatenate(cuts))
