"""Turn planned windows into the arrays that a model takes and is compared with."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from kerasac.cache import ShardMap, in_process
from kerasac.config import Experiment, OutputSpec, TrackSpec
from kerasac.errors import SamplingError
from kerasac.genome.intervals import Spans
from kerasac.genome.sequence import TokenGenome, reverse_complement, token_genome
from kerasac.sampling.plan import BoolArray, Windows
from kerasac.store.decode import DecodedTrack
from kerasac.store.readers import ReaderKind, TrackReader, make_reader
from kerasac.store.schema import StoreLayout, check_unchanged
from kerasac.store.slabs import Track
from kerasac.store.stored_runs import track_content

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]

_READ_ROWS = 4096  # windows read at a time where a result is reduced: bounds memory

_OPPOSITES = (
    ("plus", "minus"),
    ("pos", "neg"),
    ("positive", "negative"),
    ("fwd", "rev"),
    ("fw", "rv"),
    ("forward", "reverse"),
    ("sense", "antisense"),
    ("top", "bottom"),
    ("watson", "crick"),
)
# As names are written: plus, Plus, PLUS.
_OPPOSITE = {
    case(word): case(other)
    for pair in _OPPOSITES
    for word, other in (pair, pair[::-1])
    for case in (str.lower, str.capitalize, str.upper)
}
_STRAND_WORD = re.compile(rf"(?<![A-Za-z])({'|'.join(_OPPOSITE)})(?![A-Za-z])")


class Batch(NamedTuple):
    """Named inputs and outputs of a model, first axis = windows.

    Sequence inputs are tokens, (n, L) uint8; tracks are (n, L, T), aggregated ones (n, T), float32.
    """

    inputs: dict[str, Array]
    outputs: dict[str, Array]


class Recipe(NamedTuple):
    """How inputs and outputs are derived from raw windows; ``group_of`` names the raw array that each reads."""

    inputs: tuple[TrackSpec, ...]
    outputs: tuple[OutputSpec, ...]
    group_of: dict[str, str]

    def of(self, names: Collection[str]) -> Recipe:
        """Keep the inputs that are named; outputs stay."""
        return self._replace(inputs=tuple(spec for spec in self.inputs if spec.name in names))


class Signature(NamedTuple):
    """Shape, without the axis of windows, and dtype of a raw array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Source(Protocol):
    """What windows are read from: an array's tracks, or the labels of bins; small and picklable."""

    @property
    def recipe(self) -> Recipe:
        """How inputs and outputs are derived from what ``read`` gives."""

    @property
    def tokens(self) -> TokenGenome:
        """The genome that windows of sequence are cut out of."""

    @property
    def in_memory(self) -> bool:
        """Whether windows are looked up in mapped files, rather than read from an array."""

    def ensure(self, shards: ShardMap = in_process, *, verify: bool = False) -> None:
        """See that this machine's cache holds what is read."""

    def folders(self) -> list[Path]:
        """Return the folders of this machine's cache that windows are read from."""

    def check_unchanged(self) -> None:
        """Raise StoreError when what is read was changed since it was opened."""

    def signature(self) -> dict[str, Signature]:
        """Return shape (without the axis of windows) and dtype of every array that ``read`` gives for training."""

    def read(self, windows: Windows) -> dict[str, Array]:
        """Read raw windows, by name."""

    def batch(self, windows: Windows) -> Batch:
        """Read inputs and outputs, by name."""

    def content(self) -> list[str]:
        """Return what changes when what is read does, wherever it lies."""


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

    ``read`` gives what has to be moved between processes, in the narrowest dtype that holds it; sums and
    transforms are derived from that where the batch is used: in the model's graph while training
    (:mod:`kerasac.models.feed`), by ``finish`` elsewhere.
    """

    tokens: TokenGenome
    layout: StoreLayout
    inputs: tuple[TrackSpec, ...]
    outputs: tuple[OutputSpec, ...]
    groups: tuple[TrackGroup, ...]
    group_of: dict[str, str]

    @property
    def decoded(self) -> tuple[DecodedTrack, ...]:
        """The decoded tracks, each once; none when windows are read from the array."""
        return tuple({track.name: track for group in self.groups for track in group.reader.decoded}.values())

    @property
    def in_memory(self) -> bool:
        """Whether all windows come out of decoded tracks."""
        return all(group.reader.in_memory for group in self.groups)

    @property
    def recipe(self) -> Recipe:
        """How inputs and outputs are derived from what ``read`` gives."""
        return Recipe(self.inputs, self.outputs, self.group_of)

    def ensure(self, shards: ShardMap = in_process, *, verify: bool = False) -> None:
        """See that this machine's cache holds the tokens and all decoded tracks, whole."""
        self.tokens.ensure(shards, verify=verify)
        for track in self.decoded:
            track.ensure(shards, verify=verify)

    def folders(self) -> list[Path]:
        """Return the folders of this machine's cache that hold the tokens and the decoded tracks."""
        return [self.tokens.ensure(), *(track.ensure() for track in self.decoded)]

    def check_unchanged(self) -> None:
        """Raise StoreError when the array was written to since it was opened."""
        check_unchanged(self.layout)

    def signature(self) -> dict[str, Signature]:
        """Return shape (without the axis of windows) and dtype of every array that ``read`` gives for training."""
        signature = {spec.name: Signature((spec.width_bp,), np.dtype(np.uint8)) for spec in self._sequences}
        for group in self.groups:
            signature[group.key] = Signature((len(group.reader.tracks), 2 * group.flank), group.reader.dtype)
        return signature

    def read(self, windows: Windows) -> dict[str, Array]:
        """Read raw windows: tokens by input name, counts (n, T, 2 × flank) by track group; strands applied."""
        raw = {spec.name: read_tokens(self._tokens, windows, spec.flank) for spec in self._sequences}
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
        """Return what changes when the sequence or the tracks do, whatever reader is used."""
        tracks = dict.fromkeys(track for group in self.groups for track in group.reader.tracks)
        return [self.tokens.content(), *(track_content(self.layout, track) for track in tracks)]

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
        """Yield some rows at a time and the raw counts of a track spec there, (rows, T, L)."""
        group = next(group for group in self.groups if group.key == self.group_of[spec.name])
        for low in range(0, len(windows), _READ_ROWS):
            rows = slice(low, low + _READ_ROWS)
            yield rows, middle(_read_group(group, windows.take(rows)), spec.flank)

    @property
    def _sequences(self) -> list[TrackSpec]:
        return [spec for spec in self.inputs if spec.is_sequence]

    def _finish_one(self, spec: TrackSpec, raw: dict[str, Array]) -> Array:
        if spec.is_sequence:
            return raw[spec.name]
        return derive(spec, middle(raw[self.group_of[spec.name]], spec.flank))

    @cached_property
    def _tokens(self) -> Array:
        return self.tokens.open()

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


def make_source(
    experiment: Experiment,
    layout: StoreLayout,
    *,
    reader: ReaderKind,
    spans: Spans | None = None,
    complete: bool = False,
) -> WindowSource:
    """Say where an experiment's windows are read; what has to be decoded is, where and when it is first used.

    ``spans`` and ``complete`` are for the ``spans`` reader: see :func:`kerasac.store.readers.make_reader`.

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
        columns = tuple(Track(*channel) for channel in experiment.channels(spec))
        key = f"tracks:{','.join(f'{track.dataset}.{track.attribute}' for track in columns)}"
        tracks[key] = columns
        flanks[key] = max(flanks.get(key, 0), spec.flank)
        group_of[spec.name] = key
    groups = []
    for key, group in tracks.items():
        made = make_reader(layout, group, reader, spans=spans, complete=complete)
        groups.append(TrackGroup(key, made, flanks[key], strand_partners(group)))
    tokens = token_genome(experiment.genome.fasta, layout.assembly)
    return WindowSource(tokens, layout, experiment.inputs, experiment.outputs, tuple(groups), group_of)


def read_tokens(genome: Array, windows: Windows, flank: int) -> Array:
    """Copy windows of ``flank`` bases on each side out of a genome's tokens, (n, 2 × flank) uint8; strands applied."""
    tokens: Array = np.lib.stride_tricks.sliding_window_view(genome, 2 * flank)[windows.center - flank]
    tokens[windows.reverse] = reverse_complement(tokens[windows.reverse])
    return tokens


def strand_partners(tracks: Sequence[Track]) -> tuple[int, ...]:
    """Return, for each track, which takes its place on the reverse strand.

    The partner of ``x_plus_y`` is ``x_minus_y`` of the same dataset when both are there; a track without a
    partner (unstranded) keeps its place.

    Raises
    ------
    SamplingError
        When two tracks could be the other strand of the same one.
    """
    order = []
    for i, track in enumerate(tracks):
        partners = (Track(track.dataset, attribute) for attribute in other_strands(track.attribute))
        order.append(next((tracks.index(partner) for partner in partners if partner in tracks), i))
    for i, partner in enumerate(order):
        if order[partner] != i:
            raise SamplingError(
                f"{tracks[i].attribute} and {tracks[order[partner]].attribute} could both be the other strand of "
                f"{tracks[partner].attribute}; give attributes names with one word for the strand"
            )
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
        Shape (n, T, L).

    Returns
    -------
    array, shape (n, L, T) without aggregation, else (n, T); float32.
    """
    if spec.aggregate == "none" and spec.transform == "none":
        derived = values  # most of what is read: spared the way through float64
    else:
        derived = _transform(_aggregate(values, spec.aggregate), spec)
    if spec.aggregate == "none":
        derived = derived.swapaxes(1, 2)
    return derived.astype(np.float32, order="C")


def middle(values: Any, flank: int) -> Any:
    """Return the middle 2 × flank positions of (n, T, L), an array or a tensor."""
    spare = values.shape[2] // 2 - flank
    return values[:, :, spare : values.shape[2] - spare] if spare else values


def rebatch(blocks: Iterator[dict[str, Array]], sizes: Iterator[int]) -> Iterator[dict[str, Array]]:
    """Cut blocks of any number of rows into batches of the given sizes; rows keep their order.

    Raises
    ------
    SamplingError
        When the blocks hold fewer rows than the sizes ask for.
    """
    block: dict[str, Array] = {}
    at = 0
    for size in sizes:
        pieces: list[dict[str, Array]] = []
        missing = size
        while missing:
            if at == _rows(block):
                found = next(blocks, None)
                if found is None:
                    raise SamplingError(f"the samplers ended {missing} windows early; run the command again")
                block, at = found, 0
            end = min(at + missing, _rows(block))
            pieces.append({key: values[at:end] for key, values in block.items()})
            missing -= end - at
            at = end
        # A batch within one block is a view of it.
        yield pieces[0] if len(pieces) == 1 else {key: np.concatenate([p[key] for p in pieces]) for key in pieces[0]}


def batch_sizes(n_windows: int, batch_size: int) -> list[int]:
    """Return the sizes of an epoch's batches: all full but the last."""
    full, rest = divmod(n_windows, batch_size)
    return [batch_size] * full + ([rest] if rest else [])


def _aggregate(values: Array, how: str) -> Array:
    wide: Array = values.astype(np.float64)
    aggregates: dict[str, Callable[[Array], Array]] = {
        "none": lambda x: x,
        "sum": lambda x: x.sum(axis=2),
        "average": lambda x: x.mean(axis=2),
        "max": lambda x: x.max(axis=2),
        "binary_max": lambda x: (x.max(axis=2) > 0).astype(np.float64),
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
    share = padded / padded.sum(axis=2, keepdims=True)
    odds: Array = share / (1 - share)
    return np.log(odds)


def _read_group(group: TrackGroup, windows: Windows) -> Array:
    counts = group.reader.read(windows.center - group.flank, 2 * group.flank)
    back = windows.reverse
    if back.any():
        counts[back] = counts[back][:, list(group.partner), ::-1]
    return counts


def _rows(block: dict[str, Array]) -> int:
    return len(next(iter(block.values()))) if block else 0
