"""Plan and read bins of label files, as windows of an array are planned and read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasac.cache import ShardMap, in_process, local_copy
from kerasac.config import BinSampling, Experiment, OutputSpec, SamplingSpec, TrackSpec
from kerasac.errors import SamplingError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.folds import Fold
from kerasac.genome.intervals import Spans
from kerasac.genome.peak_centers import read_spans
from kerasac.genome.sequence import TokenGenome, token_genome
from kerasac.sampling.batches import Array, Batch, Recipe, Signature, read_tokens
from kerasac.sampling.plan import TEST_SEED, VALID_SEED, BoolArray, Windows, concatenate, plan_digest, windows_at
from kerasac.store.label_bins import LabelBins, label_bins

_LEAST_SHARE = 1e-9  # below it what is left of ratios is rounding
_POSITIVE = 0.5  # a bin with a label from here on counts as a peak, where no threshold says otherwise


@dataclass(frozen=True)
class BinSource:
    """Reads bins: the sequence around their centres, and their values; small and picklable.

    It stands where :class:`kerasac.sampling.batches.WindowSource` does. ``columns`` are the label files of the outputs
    and of the inputs that have one, by name; validation and test bins have a source of their own. No bin with its
    centre in ``blacklist`` is planned.
    """

    tokens: TokenGenome
    inputs: tuple[TrackSpec, ...]
    outputs: tuple[OutputSpec, ...]
    columns: dict[str, LabelBins]
    blacklist: Spans = field(default_factory=Spans.empty)

    in_memory = True  # values are looked up in mapped files

    @property
    def labels(self) -> LabelBins:
        """The bins of the first output."""
        return self.columns[self.outputs[0].name]

    @property
    def recipe(self) -> Recipe:
        """Inputs and outputs are what ``read`` gives."""
        return Recipe(self.inputs, self.outputs, {})

    def ensure(self, shards: ShardMap = in_process, *, verify: bool = False) -> None:
        """See that this machine's cache holds the tokens and all columns, whole."""
        self.tokens.ensure(shards, verify=verify)
        for column in self.columns.values():
            column.ensure(verify=verify)

    def folders(self) -> list[Path]:
        """Return the folders of this machine's cache that hold the tokens and the columns."""
        return [self.tokens.ensure(), *{column.ensure() for column in self.columns.values()}]

    def check_unchanged(self) -> None:
        """Nothing to see to: what is read is in the cache, under a name that the file's state is part of."""

    def signature(self) -> dict[str, Signature]:
        """Return shape (without the axis of windows) and dtype of every array that ``read`` gives."""
        signature = {
            spec.name: Signature((spec.width_bp,), np.dtype(np.uint8)) for spec in self.inputs if spec.is_sequence
        }
        columns = {name: Signature((len(column.tasks),), np.dtype(np.float32)) for name, column in self.columns.items()}
        return signature | columns

    def read(self, windows: Windows) -> dict[str, Array]:
        """Read tokens (n, L) by input name, and values (n, n_tasks) by the name of input or output."""
        raw: dict[str, Array] = {
            spec.name: read_tokens(self._tokens, windows, spec.flank) for spec in self.inputs if spec.is_sequence
        }
        return raw | {name: table.at(windows.center) for name, table in self._tables.items()}

    def finish(self, raw: dict[str, Array]) -> Batch:
        """Make a batch of what ``read`` gave."""
        return Batch({spec.name: raw[spec.name] for spec in self.inputs}, {s.name: raw[s.name] for s in self.outputs})

    def batch(self, windows: Windows) -> Batch:
        """Read and finish."""
        return self.finish(self.read(windows))

    def content(self) -> list[str]:
        """Return what changes when the sequence, the values or the bins that are left out do."""
        listed = [self.blacklist.digest()] if len(self.blacklist) else []
        return [self.tokens.content(), *(column.content() for column in self.columns.values()), *listed]

    @cached_property
    def _tokens(self) -> Array:
        return self.tokens.open()

    @cached_property
    def _tables(self) -> dict[str, Any]:
        return {name: column.open() for name, column in self.columns.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


def make_bin_sources(experiment: Experiment, assembly: Assembly) -> tuple[BinSource, BinSource]:
    """Return the source of training bins and that of validation and test bins; they may be the same.

    Raises
    ------
    StoreError, GenomeError
        When a file is missing or does not fit the genome.
    """
    assert experiment.labels is not None, "an experiment of bins has labels"
    tokens = token_genome(experiment.genome.fasta, assembly)
    listed = experiment.genome.blacklist
    blacklist = Spans.empty() if listed is None else read_spans(local_copy(listed), assembly)
    sources = []
    for held_out in (False, True):
        path = experiment.labels.held_out if held_out else experiment.labels.train
        columns = {spec.name: label_bins(path, spec.source, assembly) for spec in experiment.outputs}
        for spec in experiment.inputs:
            file = (spec.valid_file or spec.file) if held_out else spec.file
            if file is not None:
                columns[spec.name] = label_bins(file, spec.source, assembly)
        sources.append(BinSource(tokens, experiment.inputs, experiment.outputs, columns, blacklist))
    return sources[0], sources[1]


class BinPlan:
    """The bins of one fold and seed: a pure function of (seed, fold, epoch), the label files and the spec.

    It stands where :class:`kerasac.sampling.plan.SamplingPlan` does. Bins whose window leaves its chromosome, whose
    centre is blacklisted, or that are ambiguous in every task, are never planned.

    Raises
    ------
    SamplingError
        At once, when a split has no bin, or none in a part that is to be drawn from.
    """

    def __init__(self, train: BinSource, held_out: BinSource, spec: SamplingSpec, fold: Fold, seed: int) -> None:
        assert spec.bins is not None, "the experiment was checked to be one of bins"
        self.spec, self.bins, self.fold, self.seed = spec, spec.bins, fold, seed
        self._train = _Parts(train, self.bins, fold, "train")
        self._valid = _Parts(held_out, self.bins, fold, "valid")
        self._test = _Parts(held_out, self.bins, fold, "test")
        self._train.check(self.bins.ratios)
        self._valid.check(self.bins.valid_ratios or ())

    def train(self, epoch: int) -> Windows:
        """Return the training bins of an epoch (0, 1, …), shuffled, on random strands."""
        rng = np.random.default_rng([self.seed, self.fold.index, epoch])
        windows = self._train.draw(self.spec.train_size, self.bins.ratios, rng)
        if self.spec.reverse_complement:
            windows = Windows(windows.center, rng.random(len(windows)) < 0.5, windows.is_peak)
        return windows.take(rng.permutation(len(windows)))

    def valid(self) -> Windows:
        """Return the validation bins: forward strand, in genome order, the same for every seed."""
        rng = np.random.default_rng([self.fold.index, VALID_SEED])
        windows = self._valid.draw(self.spec.valid_size, self.bins.valid_ratios or (), rng)
        return windows.take(np.argsort(windows.center, kind="stable"))

    def test(self) -> Windows:
        """Return every bin of the test chromosomes, in genome order."""
        windows = self._test.draw(None, (), np.random.default_rng([self.fold.index, TEST_SEED]))
        return windows.take(np.argsort(windows.center, kind="stable"))

    def train_peaks(self, limit: int) -> Windows:
        """Return at most ``limit`` training bins with a label above the threshold, spread evenly."""
        windows = self._train.all()
        positive = windows.take(windows.is_peak)
        return positive.take(slice(None, None, max(1, -(-len(positive) // limit))))

    def digest(self, epochs: int) -> str:
        """Return 16 hex digits that identify every bin of training, validation and test."""
        return plan_digest([self.valid(), self.test()], self.train, epochs)

    def counts(self) -> dict[str, int]:
        """Return how many training bins are in each part, from the lowest."""
        return self._train.counts()


class _Parts:
    """The usable bins of a split, by the thresholds that their greatest label reaches."""

    def __init__(self, source: BinSource, spec: BinSampling, fold: Fold, split: str) -> None:
        self.fold, self.split, self.thresholds = fold, split, spec.thresholds
        table, assembly = source.labels.open(), source.tokens.assembly
        flank = max((spec.flank for spec in source.inputs if spec.is_sequence), default=0)
        centers, tops = [], []
        for chrom in fold.split(split):
            offset, size = int(assembly.offsets[assembly.index(chrom)]), assembly.as_dict()[chrom]
            inside = table.between(offset + flank, offset + size - flank)
            found = table.center[inside].astype(np.int64)
            top, labelled = _greatest(table.values[inside])
            usable = labelled & ~source.blacklist.contains(found)
            centers.append(found[usable])
            tops.append(top[usable])
        self.center, self.top = np.concatenate(centers), np.concatenate(tops)
        if not len(self.center):
            raise SamplingError(
                f"no usable bin in the {split} split of fold {fold.index} ({', '.join(fold.split(split))}) of "
                f"{source.labels.path}; check its chromosomes and labels, the fold table and the blacklist"
            )

    def check(self, ratios: Sequence[float]) -> None:
        """Raise SamplingError when a part that is to be drawn from is empty."""
        for part, share in enumerate(self._shares(ratios)):
            if share and self.thresholds and ratios and not self._member(part).any():
                raise SamplingError(
                    f"no bin of the {self.split} split of fold {self.fold.index} has its greatest label "
                    f"{self._name(part)}; change sampling.bins.thresholds or its ratio"
                )

    def draw(self, n: int | None, ratios: Sequence[float], rng: np.random.Generator) -> Windows:
        """Draw ``n`` bins (as many as there are, for None) with these shares of the parts; all as they are without."""
        total = len(self.center) if n is None else n
        if not ratios:
            return self._windows(_drawn(np.arange(len(self.center)), total, rng))
        sizes = _divided(total, self._shares(ratios))
        rows = [_drawn(np.flatnonzero(self._member(part)), size, rng) for part, size in enumerate(sizes)]
        return concatenate([self._windows(found) for found in rows])

    def all(self) -> Windows:
        """Return every bin, in genome order."""
        return self._windows(np.arange(len(self.center)))

    def counts(self) -> dict[str, int]:
        return {self._name(part): int(self._member(part).sum()) for part in range(len(self.thresholds) + 1)}

    def _windows(self, rows: IntArray) -> Windows:
        found = windows_at(self.center[rows], is_peak=False)
        bound = self.thresholds[0] if self.thresholds else _POSITIVE
        return Windows(found.center, found.reverse, self.top[rows] >= bound)

    def _member(self, part: int) -> BoolArray:
        bounds = (-np.inf, *self.thresholds, np.inf)
        member: BoolArray = (self.top >= bounds[part]) & (self.top < bounds[part + 1])
        return member if part < len(self.thresholds) else member | (self.top == np.inf)

    def _shares(self, ratios: Sequence[float]) -> list[float]:
        rest = 1 - math.fsum(ratios)
        return [rest if rest > _LEAST_SHARE else 0.0, *ratios]

    def _name(self, part: int) -> str:
        bounds = (None, *self.thresholds, None)
        low, high = bounds[part], bounds[part + 1]
        if low is None:
            return "anywhere" if high is None else f"below {high:g}"
        return f"at least {low:g}" if high is None else f"from {low:g} to below {high:g}"


def _greatest(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], BoolArray]:
    """Return each bin's greatest label, and whether it has one; a bin that is ambiguous in all tasks has none."""
    labelled: BoolArray = np.asarray(~np.isnan(values).all(axis=1))
    return np.fmax.reduce(values, axis=1, initial=-np.inf), labelled


def _drawn(rows: IntArray, n: int, rng: np.random.Generator) -> IntArray:
    """Draw ``n`` rows, each as often as the others, or once more."""
    if not n:
        return rows[:0]
    whole, rest = divmod(n, len(rows))
    return np.concatenate([np.tile(rows, whole), rng.permutation(rows)[:rest]])


def _divided(total: int, shares: Sequence[float]) -> list[int]:
    """Divide a number by shares into whole numbers that add up to it."""
    bounds = np.rint(np.cumsum([0.0, *shares]) * total).astype(int)
    bounds[-1] = total if sum(shares) > 1 - 1e-9 else bounds[-1]
    return [int(size) for size in np.diff(bounds)]
