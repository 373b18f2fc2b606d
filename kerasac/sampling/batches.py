"""Turn planned windows into the arrays that a model takes and is compared with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.cache import content_digest
from kerasac.config import Experiment, OutputSpec, TrackSpec
from kerasac.errors import SamplingError
from kerasac.genome.sequence import reverse_complement, token_genome
from kerasac.sampling.plan import BoolArray, Windows
from kerasac.store.reader import Track, TrackReader, make_reader
from kerasac.store.schema import StoreLayout

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]

_READ_ROWS = 4096  # windows read at a time where a result is reduced: bounds memory

_OPPOSITES = (("plus", "minus"), ("pos", "neg"), ("fwd", "rev"), ("forward", "reverse"))
_OPPOSITE = {word: other for pair in _OPPOSITES for word, other in (pair, pair[::-1])}
_STRAND_WORD = re.compile(rf"(?<![A-Za-z])({'|'.join(_OPPOSITE)})(?![A-Za-z])")


class Batch(NamedTuple):
    """Named inputs and outputs of a model, first axis = windows.

    Sequence inputs are tokens, (n, L) uint8; tracks are (n, L, T), aggregated ones (n, T), float32.
    """

    inputs: dict[str, Array]
    outputs: dict[str, Array]


@dataclass(frozen=True)
class TrackGroup:
    """Tracks that are read together, as wide as their widest use.

    ``partner`` is the order of the tracks on the reverse strand: plus and minus swap.
    """

    key: str
    reader: TrackReader
    flank: int
    partner: tuple[int, ...]


@dataclass(frozen=True)
class WindowSource:
    """Reads windows; small and picklable, so that it travels to every sampler.

    ``read`` gives what has to be moved between processes, in the narrowest dtype that holds it; ``finish``
    derives sums and transforms from that, where the batch is used. ``decoded`` says whether the tracks are
    mapped from the cache rather than read from the array.
    """

    token_file: str
    inputs: tuple[TrackSpec, ...]
    outputs: tuple[OutputSpec, ...]
    groups: tuple[TrackGroup, ...]
    group_of: dict[str, str]
    decoded: bool

    def read(self, windows: Windows) -> dict[str, Array]:
        """Read raw windows: tokens by input name, counts (n, 2 × flank, T) by track group; strands applied."""
        raw: dict[str, Array] = {}
        for spec in self.inputs:
            if spec.is_sequence:
                raw[spec.name] = self._read_tokens(windows, spec.flank)
        for group in self.groups:
            raw[group.key] = _read_group(group, windows)
        return raw

    def finish(self, raw: dict[str, Array]) -> Batch:
        """Make a batch of what ``read`` gave."""
        inputs = {spec.name: self._finish_one(spec, raw) for spec in self.inputs}
        outputs = {spec.name: self._finish_one(spec, raw) for spec in self.outputs}
        return Batch(inputs, outputs)

    def batch(self, windows: Windows) -> Batch:
        """Read and finish."""
        return self.finish(self.read(windows))

    def content(self) -> list[str]:
        """Return what changes when the sequence or the tracks do."""
        tracks = [part for group in self.groups for part in group.reader.content()]
        return [content_digest(Path(self.token_file)), *tracks]

    def accepts(self, windows: Windows) -> BoolArray:
        """Say of each window whether all of its outputs lie within their min and max."""
        passed = np.ones(len(windows), dtype=bool)
        for spec in self.outputs:
            if spec.min is None and spec.max is None:
                continue
            low, high = (-np.inf if spec.min is None else spec.min), (np.inf if spec.max is None else spec.max)
            for rows, counts in self._counts_of(spec, windows):
                values = derive(spec, counts).reshape(len(counts), -1)
                passed[rows] &= ((values >= low) & (values <= high)).all(axis=1)
        return passed

    def total_counts(self, windows: Windows, output: str) -> npt.NDArray[np.float64]:
        """Sum an output's raw tracks over its window and over tasks, before any transform; shape (n,)."""
        spec = next(spec for spec in self.outputs if spec.name == output)
        totals = np.zeros(len(windows))
        for rows, counts in self._counts_of(spec, windows):
            totals[rows] = counts.sum(axis=(1, 2), dtype=np.float64)
        return totals

    def _counts_of(self, spec: TrackSpec, windows: Windows) -> Iterator[tuple[slice, Array]]:
        """Yield some rows at a time and the raw counts of a track spec there, (rows, L, T)."""
        group = next(group for group in self.groups if group.key == self.group_of[spec.name])
        for low in range(0, len(windows), _READ_ROWS):
            rows = slice(low, low + _READ_ROWS)
            yield rows, _cut(_read_group(group, windows.take(rows)), spec.flank)

    def _read_tokens(self, windows: Windows, flank: int) -> Array:
        views = np.lib.stride_tricks.sliding_window_view(self._tokens, 2 * flank)
        tokens = views[windows.center - flank]
        tokens[windows.reverse] = reverse_complement(tokens[windows.reverse])
        return tokens

    def _finish_one(self, spec: TrackSpec, raw: dict[str, Array]) -> Array:
        if spec.is_sequence:
            return raw[spec.name]
        return derive(spec, _cut(raw[self.group_of[spec.name]], spec.flank))

    @cached_property
    def _tokens(self) -> Array:
        return np.asarray(np.load(self.token_file, mmap_mode="r"))

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


def make_source(experiment: Experiment, layout: StoreLayout, *, reader: str) -> WindowSource:
    """Open what an experiment reads; tokens and, for the ``map`` reader, tracks are decoded now if they are new.

    Raises
    ------
    StoreError, GenomeError
        When the array or the FASTA lacks something.
    """
    specs = (*experiment.inputs, *experiment.outputs)
    group_of: dict[str, str] = {}
    flanks: dict[str, int] = {}
    tracks: dict[str, tuple[Track, ...]] = {}
    for spec in (spec for spec in specs if not spec.is_sequence):
        datasets = experiment.track_datasets(spec)
        key = f"tracks:{','.join(datasets)}:{','.join(spec.source)}"
        tracks[key] = tuple(Track(dataset, attribute) for dataset in datasets for attribute in spec.source)
        flanks[key] = max(flanks.get(key, 0), spec.flank)
        group_of[spec.name] = key
    groups = tuple(
        TrackGroup(key, make_reader(layout, tracks[key], reader), flanks[key], strand_partners(tracks[key]))
        for key in tracks
    )
    token_file = token_genome(Path(experiment.genome.fasta), layout.assembly)
    return WindowSource(str(token_file), experiment.inputs, experiment.outputs, groups, group_of, reader == "map")


def strand_partners(tracks: Sequence[Track]) -> tuple[int, ...]:
    """Return, for each track, which takes its place on the reverse strand.

    The partner of ``x_plus_y`` is ``x_minus_y`` of the same dataset when both are there; a track without a
    partner (unstranded) keeps its place.
    """
    order = []
    for i, track in enumerate(tracks):
        partners = (Track(track.dataset, attribute) for attribute in other_strands(track.attribute))
        order.append(next((tracks.index(partner) for partner in partners if partner in tracks), i))
    return tuple(order)


def other_strands(attribute: str) -> list[str]:
    """Return what an attribute's other strand may be called: one word for a strand changed, the last one first."""
    return [
        attribute[: word.start()] + _OPPOSITE[word.group()] + attribute[word.end() :]
        for word in reversed(list(_STRAND_WORD.finditer(attribute)))
    ]


def derive(spec: TrackSpec, values: Array) -> FloatArray:
    """Aggregate raw values over positions and transform them.

    Parameters
    ----------
    values
        Shape (n, L, T).

    Returns
    -------
    array, shape (n, L, T) without aggregation, else (n, T); float32.
    """
    if spec.aggregate == "none" and spec.transform == "none":
        return values.astype(np.float32)  # most of what is read: spared the way through float64
    return _transform(_aggregate(values, spec.aggregate), spec).astype(np.float32)


def rebatch(blocks: Iterator[dict[str, Array]], sizes: Iterator[int]) -> Iterator[dict[str, Array]]:
    """Cut blocks of any number of rows into batches of the given sizes; rows keep their order.

    Raises
    ------
    SamplingError
        When the blocks hold fewer rows than the sizes ask for.
    """
    held: dict[str, Array] = {}
    for size in sizes:
        while _rows(held) < size:
            block = next(blocks, None)
            if block is None:
                raise SamplingError(f"the samplers ended {size - _rows(held)} windows early; run the command again")
            held = {key: np.concatenate([held[key], block[key]]) for key in block} if _rows(held) else dict(block)
        yield {key: values[:size] for key, values in held.items()}
        held = {key: values[size:] for key, values in held.items()}


def batch_sizes(n_windows: int, batch_size: int) -> list[int]:
    """Return the sizes of an epoch's batches: all full but the last."""
    full, rest = divmod(n_windows, batch_size)
    return [batch_size] * full + ([rest] if rest else [])


def _aggregate(values: Array, how: str) -> Array:
    wide: Array = values.astype(np.float64)
    aggregates: dict[str, Callable[[Array], Array]] = {
        "none": lambda x: x,
        "sum": lambda x: x.sum(axis=1),
        "average": lambda x: x.mean(axis=1),
        "max": lambda x: x.max(axis=1),
        "binary_max": lambda x: (x.max(axis=1) > 0).astype(np.float64),
    }
    return aggregates[how](wide)


def _transform(values: Array, spec: TrackSpec) -> Array:
    transforms: dict[str, Callable[[Array], Array]] = {
        "none": lambda x: x,
        "log": lambda x: np.log(x + spec.pseudocount),
        "log10": lambda x: np.log10(x + spec.pseudocount),
        "log1p": np.log1p,
        "asinh": np.arcsinh,
        "counts_to_logit": lambda x: _counts_to_logit(x, spec.pseudocount),
    }
    return transforms[spec.transform](values)


def _counts_to_logit(values: Array, pseudocount: float) -> Array:
    """Turn counts over positions into the log odds of each position, pseudocount a position."""
    padded = values + pseudocount
    share = padded / padded.sum(axis=1, keepdims=True)
    odds: Array = share / (1 - share)
    return np.log(odds)


def _read_group(group: TrackGroup, windows: Windows) -> Array:
    counts = group.reader.read(windows.center - group.flank, 2 * group.flank)
    back = windows.reverse
    if back.any():
        counts[back] = counts[back][:, ::-1][:, :, list(group.partner)]
    return counts


def _cut(values: Array, flank: int) -> Array:
    """Cut the middle 2 × flank positions out of a wider window."""
    spare = values.shape[1] // 2 - flank
    return values[:, spare : values.shape[1] - spare] if spare else values


def _rows(held: dict[str, Array]) -> int:
    return len(next(iter(held.values()))) if held else 0
