"""Replace regions inside their windows by shuffled sequence, and score what that changes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.cache import digest, file_digest, write_whole
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.intervals import Intervals
from kerasac.genome.sequence import N, TokenArray
from kerasac.interpret.both_strands import Outputs
from kerasac.interpret.effects import Lengths
from kerasac.interpret.model_average import Averages, BoolArray, ModelSet
from kerasac.interpret.references import dinucleotide_shuffles
from kerasac.interpret.scoring_job import Scores, ScoringJob

SHARD_SEQUENCES = 1024  # each is predicted on both strands
_UNKNOWN_CHROM = "on a chromosome that the genome lacks"
_BEYOND = "whose window would leave its chromosome"
_LONG = "longer than the model's input"
_UNKNOWN_BASES = "with N in its window"
_NO_MODEL = "on a chromosome that no fold tests on"
_NOT_KNOWN = "NA"

DEFINITION = (
    "Each score compares the window with the region's bases replaced (alternate) to the window as it is (reference), "
    "the mean over shuffles. A replacement is the region's stretch of a dinucleotide shuffle of the whole window; the "
    "window is centred in the middle of the region. _sd_shuffles: standard deviation over shuffles."
)


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions with a window: ``chrom`` (n,) int64 places in the assembly, ``start`` and ``end`` (n,) int64.

    ``left_out`` are the others, as (chrom, start, end, reason).
    """

    chrom: IntArray
    start: IntArray
    end: IntArray
    left_out: tuple[tuple[str, int, int, str], ...] = ()

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def reasons(self) -> dict[str, int]:
        """Number of regions that are left out, by reason."""
        return dict(Counter(one[-1] for one in self.left_out))

    def centers(self, assembly: Assembly) -> IntArray:
        """Return the genome rows of the windows' centres, (n,)."""
        rows: IntArray = assembly.offsets[self.chrom] + (self.start + self.end) // 2
        return rows


class Room(NamedTuple):
    """What a region must have: a window of ± ``flank`` bases, fewer bases than ``width_bp``, a model on its chromosome.

    ``scored`` (n_chroms,) bool.
    """

    flank: int
    width_bp: int
    scored: BoolArray


def checked_regions(given: Intervals, assembly: Assembly, genome: TokenArray, room: Room) -> Regions:
    """Keep the regions that have room, in a genome's tokens (total_bp,) without N."""
    chroms = given.chrom_index(assembly)
    places = list(zip(chroms.tolist(), given.start.tolist(), given.end.tolist(), strict=True))
    reasons = [_reason(*place, assembly, genome, room) for place in places]
    kept = np.array([not reason for reason in reasons], dtype=bool)
    columns = zip(given.chrom.tolist(), given.start.tolist(), given.end.tolist(), reasons, strict=True)
    left_out = tuple(one for one in columns if one[-1])
    return Regions(chroms[kept], given.start[kept], given.end[kept], left_out)


@dataclass(frozen=True, eq=False, kw_only=True)
class AblationJob(ScoringJob):
    """Regions, the items; each is replaced ``n_shuffles`` times."""

    regions: Regions
    n_shuffles: int

    @property
    def n_items(self) -> int:
        """Number of regions."""
        return len(self.regions)

    @property
    def n_sequences(self) -> int:
        """Sequences of an item: the window as it is, and with its region replaced."""
        return 1 + self.n_shuffles

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores, S: the effects', and how the first one differs between shuffles."""
        return (*self.effects.names, f"{self.effects.names[0]}_sd_shuffles")

    def chroms(self, items: IntArray) -> IntArray:
        """Return the chromosome of each item, by its place in the assembly."""
        return self.regions.chrom[items]

    def digest(self) -> str:
        """Return 16 hex digits that change with whatever decides the scores."""
        arrays = (self.regions.chrom, self.regions.start, self.regions.end, self.uses)
        content = hashlib.sha256(b";".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
        return digest(
            {
                "models": [file_digest(path) for path in self.models],
                "regions": [content, self.n_shuffles, self.shard_items, self.seed],
                "data": self.reading.content(),
                "ends": [repr(self.ends), repr(self.effects)],
            }
        )

    def scores_of(self, items: IntArray, genome: TokenArray) -> Scores:
        """Score some regions: replaced against intact, the mean over shuffles."""
        centers = self.regions.centers(self.reading.assembly)[items]
        tokens = np.stack([self._sequences(*pair, genome) for pair in zip(items, centers, strict=True)])
        return self.by_models(items, tokens, centers, lambda found, asked: self._summed_up(found, len(asked)))

    def _sequences(self, item: int, center: int, genome: TokenArray) -> TokenArray:
        """Return a window as it is, and with its region replaced, (1 + shuffles, L)."""
        flank = self.ends.width_bp // 2
        window = np.ascontiguousarray(genome[center - flank : center + flank])
        shuffles = dinucleotide_shuffles(window, self.n_shuffles, np.random.default_rng([self.seed, int(center)]))
        start, end = int(self.regions.start[item]), int(self.regions.end[item])
        low = flank + start - (start + end) // 2
        high = low + end - start
        sequences = np.tile(window, (1 + self.n_shuffles, 1))
        sequences[1:, low:high] = shuffles[:, low:high]
        return sequences

    def _summed_up(self, found: Outputs, n: int) -> npt.NDArray[np.float64]:
        """Score n windows' shuffles against the windows: (n, G, S)."""
        rows = np.arange(n * self.n_sequences).reshape(n, self.n_sequences)
        intact, replaced = np.repeat(rows[:, 0], self.n_shuffles), rows[:, 1:].ravel()
        none = np.zeros(len(intact), dtype=np.int64)
        scores = self.effects.score(found.take(intact), found.take(replaced), Lengths(none, none))
        by_window = scores.reshape(n, self.n_shuffles, *scores.shape[1:])
        spread = by_window[..., :1].std(axis=1, ddof=1) if self.n_shuffles > 1 else by_window[:, 0, :, :1] * np.nan
        return np.concatenate([by_window.mean(axis=1), spread], axis=2)


def write_ablation(path: Path, job: AblationJob, sets: Sequence[tuple[ModelSet, Averages]]) -> None:
    """Write a line a region and task: scores averaged over each set of models."""
    first = job.effects.names[0]
    header = ["chrom", "start", "end", "task"]
    for models, _ in sets:
        header += [f"{name}_{models.name}" for name in (*job.score_names, f"{first}_sd", "n_models")]
    write_whole(path, "\n".join(["\t".join(header), *_lines(job, sets)]) + "\n")


def write_left_out_regions(path: Path, regions: Regions) -> None:
    """List regions that have no score, with the reasons, by tabs."""
    rows = [("chrom", "start", "end", "reason"), *regions.left_out]
    write_whole(path, "".join("\t".join(map(str, row)) + "\n" for row in rows))


def _lines(job: AblationJob, sets: Sequence[tuple[ModelSet, Averages]]) -> Iterator[str]:
    names = job.reading.assembly.names
    columns = (job.regions.chrom.tolist(), job.regions.start.tolist(), job.regions.end.tolist())
    for i, (chrom, start, end) in enumerate(zip(*columns, strict=True)):
        for g, target in enumerate(job.targets):
            values = [[*found.mean[i, g].tolist(), float(found.sd[i, g, 0]), int(found.n[i])] for _, found in sets]
            texts = [_NOT_KNOWN if np.isnan(value) else f"{value:.6g}" for one in values for value in one]
            yield "\t".join([names[chrom], str(start), str(end), target.name, *texts])


def _reason(chrom: int, start: int, end: int, assembly: Assembly, genome: TokenArray, room: Room) -> str:
    """Say why a region has no score; nothing when it has."""
    if chrom < 0:
        return _UNKNOWN_CHROM
    if not room.scored[chrom]:
        return _NO_MODEL
    if end - start >= room.width_bp:
        return _LONG
    center = (start + end) // 2
    if center < room.flank or center + room.flank > assembly.sizes[chrom]:
        return _BEYOND
    row = int(assembly.offsets[chrom]) + center
    return _UNKNOWN_BASES if (genome[row - room.flank : row + room.flank] == N).any() else ""
