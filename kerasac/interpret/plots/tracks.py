"""Read what is drawn of a place: contributions, observed and predicted profiles, from HDF5 or bigWig files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyBigWig
import pysam
from scipy.special import softmax

from kerasac.errors import InterpretError, suggest
from kerasac.genome.assembly import check_same_sizes
from kerasac.genome.sequence import encode, one_hot, open_fasta
from kerasac.interpret.contributions import Contributions, open_contributions
from kerasac.interpret.plots.choices import Kind
from kerasac.interpret.plots.places import Place, check_on, from_windows
from kerasac.sampling.batches import strand_partners
from kerasac.steps.count_space import counts_of
from kerasac.steps.prediction_shards import stored_chrom_sizes
from kerasac.steps.predictions import PredictionFile, open_predictions
from kerasac.store.slabs import Track as StoredTrack

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Track:
    """Values at the bases of a place: contributions (L, 4), or a profile (L,); NaN where the file has none.

    Of two tracks that are strands, the second has ``sign`` -1: it is drawn downwards on the axes of the first. Tracks
    of equal ``units`` can be drawn to one scale.
    """

    kind: Kind
    label: str
    values: Floats
    units: str
    sign: int = 1


@dataclass(frozen=True)
class Files:
    """Where tracks are read from. ``fasta`` has the letters that bigWig files of contributions do not have.

    ``windows`` locates the windows of chrombpnet's contributions.
    """

    contributions: tuple[Path, ...] = ()
    predictions: Path | None = None
    observed: tuple[Path, ...] = ()
    predicted: tuple[Path, ...] = ()
    fasta: Path | None = None
    windows: Path | None = None
    tasks: tuple[str, ...] = ()


class Source(ABC):
    """An open file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    @abstractmethod
    def sizes(self) -> Mapping[str, int]:
        """Lengths of chromosomes in bases, by name; empty where the file does not keep them."""

    @abstractmethod
    def read(self, place: Place) -> list[Track]:
        """Read the file's tracks at a place."""


@contextmanager
def open_sources(files: Files, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[list[Source]]:
    """Open the files of tracks of some kinds.

    Raises
    ------
    InterpretError
        For files that are missing, or of no kind that can be read, and when there is nothing to draw.
    """
    with ExitStack() as stack:
        sources: list[Source] = []
        if Kind.CONTRIBUTIONS in kinds:
            fasta = stack.enter_context(open_fasta(files.fasta)) if files.fasta is not None else None
            sources += _told_apart([_contributions(path, files, fasta, stack) for path in files.contributions])
        wanted = [kind for kind in (Kind.OBSERVED, Kind.PREDICTED) if kind in kinds]
        if files.predictions is not None and wanted:
            predictions = stack.enter_context(open_predictions(files.predictions))
            sources.append(_Predictions(predictions, wanted, files.tasks))
        for kind, paths in ((Kind.OBSERVED, files.observed), (Kind.PREDICTED, files.predicted)):
            if kind in kinds:
                sources += [_BigWigProfile(path, stack.enter_context(_bigwig(path)), kind) for path in paths]
        if not sources:
            raise InterpretError(
                "nothing to draw: name files with --contributions, --predictions, --observed, --predicted"
            )
        yield sources


def read_tracks(sources: Sequence[Source], place: Place) -> list[Track]:
    """Read all tracks of a place.

    Raises
    ------
    InterpretError
        When a file has nothing there, or the place is not on its genome.
    GenomeError
        When two files are of genomes that differ.
    """
    sized = [source for source in sources if source.sizes]
    for source in sized:
        check_on(place, source.sizes, source.path)
        check_same_sizes({place.chrom: sized[0].sizes[place.chrom]}, source.sizes, str(source.path))
    return [track for source in sources for track in source.read(place)]


class _ContributionWindows(Source):
    """Windows of an HDF5 file; checked against the letters of a FASTA, if there is one."""

    def __init__(self, path: Path, file: Contributions, fasta: pysam.FastaFile | None) -> None:
        super().__init__(path)
        self._file, self._fasta = file, fasta
        self._units = f"contributions to {_HEADS.get(file.head, file.head)}" if file.head else "contributions"
        self.label = self._units if file.head else f"contributions, {path.stem}"

    @property
    def sizes(self) -> Mapping[str, int]:
        return stored_chrom_sizes(self.path)

    def read(self, place: Place) -> list[Track]:
        file = self._file
        together = from_windows(place, file.chrom, file.start, file.width_bp, self._window, self.path)
        if self._fasta is not None:
            _check_letters(together[:, 4:], self._fasta, place, self.path)
        return [Track(Kind.CONTRIBUTIONS, self.label, together[:, :4] * together[:, 4:], self._units)]

    def _window(self, row: int) -> Array:
        """Read a window's hypothetical contributions and its letters, (width_bp, 8)."""
        rows = slice(row, row + 1)
        return np.concatenate([self._file.hypothetical(rows)[0], self._file.one_hot(rows)[0]], axis=1)


class _ContributionBigWig(Source):
    """A value a base, whose letter is in a FASTA."""

    def __init__(self, path: Path, file: Any, fasta: pysam.FastaFile) -> None:
        super().__init__(path)
        self._file, self._fasta = file, fasta
        self.label = f"contributions, {path.stem}"

    @property
    def sizes(self) -> Mapping[str, int]:
        return dict(self._file.chroms())

    def read(self, place: Place) -> list[Track]:
        values = np.array(self._file.values(place.chrom, place.start, place.end), dtype=np.float64)
        if np.isnan(values).all():
            raise InterpretError(f"{self.path} has no value in {place}")
        letters = _letters(self._fasta, place)
        return [Track(Kind.CONTRIBUTIONS, self.label, values[:, None] * letters, "contributions")]


class _Predictions(Source):
    """Profiles of a predictions file, in counts a base; two tasks may be strands."""

    def __init__(self, file: PredictionFile, kinds: Sequence[Kind], tasks: Sequence[str]) -> None:
        super().__init__(file.path)
        self._file = file
        self._kinds = [kind for kind in kinds if file.labelled or kind is Kind.PREDICTED]
        if not self._kinds:
            raise InterpretError(f"{file.path} has no labels, so nothing observed; draw predicted, or give --observed")
        for task in tasks:
            if task not in file.tasks:
                raise InterpretError(f"{file.path} has no task {task!r}{suggest(task, file.tasks)}")
        self._tasks = [file.tasks.index(task) for task in tasks] or list(range(len(file.tasks)))
        self._are_strands = _are_strands([file.tasks[task] for task in self._tasks])

    @property
    def sizes(self) -> Mapping[str, int]:
        return stored_chrom_sizes(self.path)

    def read(self, place: Place) -> list[Track]:
        file = self._file
        chrom = np.where(file.strand == "r", "", file.chrom)
        start = file.center - file.n_bases // 2
        tracks = []
        for kind in self._kinds:
            window = self._observed if kind is Kind.OBSERVED else self._predicted
            values = from_windows(place, chrom, start, file.n_bases, window, self.path)
            tracks += [
                Track(
                    kind, self._label(kind, task), values[:, task], _counts(kind), -1 if self._are_strands and i else 1
                )
                for i, task in enumerate(self._tasks)
            ]
        return tracks

    def _label(self, kind: Kind, task: int) -> str:
        return kind.value if self._are_strands or len(self._tasks) == 1 else f"{kind.value}, {self._file.tasks[task]}"

    def _observed(self, row: int) -> Array:
        return np.asarray(self._file.label_profile(slice(row, row + 1))[0])

    def _predicted(self, row: int) -> Array:
        rows = slice(row, row + 1)
        shares = softmax(self._file.logits(rows)[0].astype(np.float64), axis=0)
        return np.asarray(shares * counts_of(self._file.logcount(rows)[0], self._file))


class _BigWigProfile(Source):
    """A profile of a bigWig file; bases without a value have 0."""

    def __init__(self, path: Path, file: Any, kind: Kind) -> None:
        super().__init__(path)
        self._file, self._kind = file, kind

    @property
    def sizes(self) -> Mapping[str, int]:
        return dict(self._file.chroms())

    def read(self, place: Place) -> list[Track]:
        values = np.array(self._file.values(place.chrom, place.start, place.end), dtype=np.float64)
        return [Track(self._kind, f"{self._kind.value}, {self.path.stem}", np.nan_to_num(values), _counts(self._kind))]


_HEADS = {"counts": "log counts", "profile": "the profile", "value": "the value"}


def _are_strands(tasks: Sequence[str]) -> bool:
    """Whether tasks, as ``plus`` or ``K562.plus``, are the two strands of one track."""
    if len(tasks) != 2:
        return False
    parted = [task.rpartition(".") for task in tasks]
    return strand_partners([StoredTrack(dataset, attribute) for dataset, _, attribute in parted]) == (1, 0)


def _counts(kind: Kind) -> str:
    return f"{kind.value} counts a base"


def _contributions(
    path: Path, files: Files, fasta: pysam.FastaFile | None, stack: ExitStack
) -> _ContributionWindows | _ContributionBigWig:
    if path.suffix.lower() in (".bw", ".bigwig"):
        if fasta is None:
            raise InterpretError(f"{path} has values and no letters; give the genome with --fasta")
        return _ContributionBigWig(path, stack.enter_context(_bigwig(path)), fasta)
    return _ContributionWindows(path, stack.enter_context(open_contributions(path, regions=files.windows)), fasta)


def _told_apart(sources: Sequence[_ContributionWindows | _ContributionBigWig]) -> Sequence[Source]:
    """Put the names of files to labels that several have."""
    labels = [source.label for source in sources]
    for source in sources:
        if labels.count(source.label) > 1:
            source.label = f"{source.label}, {source.path.stem}"
    return sources


@contextmanager
def _bigwig(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise InterpretError(f"{path} does not exist")
    try:
        file = pyBigWig.open(str(path))
    except RuntimeError as error:
        raise InterpretError(f"{path} is not a readable bigWig file ({error})") from None
    try:
        yield file
    finally:
        file.close()


def _letters(fasta: pysam.FastaFile, place: Place) -> Floats:
    """Return the one-hot sequence of a place, (L, 4)."""
    sizes = dict(zip(fasta.references, fasta.lengths, strict=True))
    check_on(place, sizes, Path(fasta.filename.decode()))
    return one_hot(encode(fasta.fetch(place.chrom, place.start, place.end))).astype(np.float64)


def _check_letters(seen: Array, fasta: pysam.FastaFile, place: Place, path: Path) -> None:
    """Raise InterpretError where a file's sequence is not that of the FASTA."""
    expected = _letters(fasta, place)
    known = ~np.isnan(seen).any(axis=1)
    odd = np.flatnonzero(known & (np.nan_to_num(seen) != expected).any(axis=1))
    if len(odd):
        at = f"{place.chrom}:{place.start + odd[0]:,} and {len(odd) - 1:,} more bases"
        raise InterpretError(f"{path} and {fasta.filename.decode()} differ at {at}; they are of different genomes")
