"""Read labels that a predictions file lacks, and the pseudoreplicates that bound what a model can reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerasac.config import Experiment, OutputSpec
from kerasac.errors import ScoreError
from kerasac.steps.count_space import transformed
from kerasac.steps.predictions import PredictionFile, Predictions
from kerasac.store.schema import StoreLayout, read_layout
from kerasac.store.slabs import Track
from kerasac.store.window_tracks import BigWigTracks, StoredTracks, WindowTracks


@dataclass(frozen=True)
class TrackPair:
    """Two pseudoreplicates: tracks of the labels' tasks, each counted from one half of the reads.

    Source: kerasAC's ``--pseudoreps``, two bigWigs a task.
    """

    first: WindowTracks
    second: WindowTracks

    def read(self, windows: Predictions) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the counts of each half in these windows, (n, L, T)."""
        check_forward(windows.strand, "pseudoreplicates")
        first, second = (
            tracks.read(windows.chrom, windows.center, windows.n_bases) for tracks in (self.first, self.second)
        )
        return first, second

    def __str__(self) -> str:
        return f"{self.first} against {self.second}"


class LabelledByTracks:
    """An open predictions file whose labels are read from tracks, as those of chrombpnet have none."""

    def __init__(self, file: PredictionFile, tracks: WindowTracks) -> None:
        check_one_a_task(tracks.n_tracks, file.tasks, "labels")
        check_forward(file.strand, "labels")
        self._file, self._tracks = file, tracks
        self.chrom, self.center, self.strand, self.is_peak = file.chrom, file.center, file.strand, file.is_peak
        self.tasks, self.mean_profile = file.tasks, file.mean_profile
        self.transform, self.pseudocount = file.transform, file.pseudocount
        self.n_windows, self.n_bases = file.n_windows, file.n_bases

    def take(self, rows: slice) -> Predictions:
        """Read predictions of some rows, and count their labels."""
        counts = self._tracks.read(self.chrom[rows], self.center[rows], self.n_bases)
        totals = counts.sum(axis=1, dtype=np.float64)
        return Predictions(
            chrom=self.chrom[rows],
            center=self.center[rows],
            strand=self.strand[rows],
            is_peak=self.is_peak[rows],
            label_profile=counts,
            logits=self._file.logits(rows),
            label_logcount=transformed(totals, self).astype(np.float32),
            logcount=self._file.logcount(rows),
            tasks=self.tasks,
            transform=self.transform,
            pseudocount=self.pseudocount,
            mean_profile=self.mean_profile,
        )


def pseudoreplicates_of_files(pairs: Sequence[tuple[Path, Path]]) -> TrackPair:
    """Open two bigWigs for each task, in the order of the tasks.

    Raises
    ------
    StoreError
        When one of them is missing or no bigWig.
    """
    first, second = (BigWigTracks(tuple(pair[i] for pair in pairs)) for i in range(2))
    for tracks in (first, second):
        tracks.check()
    return TrackPair(first, second)


def pseudoreplicates_of(experiment: Experiment, layout: StoreLayout | None = None) -> TrackPair | None:
    """Open what ``score.pseudoreplicates`` of an experiment names; None where it names none.

    Without the ``layout`` of the experiment's array it is read, if it is needed.

    Raises
    ------
    ScoreError
        When there is not one track for each task of the profile.
    StoreError
        When the array lacks an attribute, or a bigWig is missing.
    """
    spec = experiment.score.pseudoreplicates
    if spec is None:
        return None
    profile = next((output for output in experiment.outputs if output.aggregate == "none"), None)
    if profile is None:
        raise ScoreError("no output of the experiment is a profile, which pseudoreplicates are compared as")
    tasks = [f"{attribute} of {dataset}" for dataset, attribute in experiment.channels(profile)]
    if spec.files is not None:
        pair = pseudoreplicates_of_files(list(zip(*spec.files, strict=True)))
    else:
        assert spec.attributes is not None, "the spec's check passed one of both"
        array = read_layout(str(experiment.store)) if layout is None else layout
        pair = TrackPair(*(_stored(array, experiment, profile, attributes) for attributes in spec.attributes))
    check_one_a_task(pair.first.n_tracks, tasks, "pseudoreplicates")
    return pair


def check_one_a_task(n_tracks: int, tasks: Sequence[str], what: str) -> None:
    """Refuse tracks that are more or fewer than the tasks."""
    if n_tracks != len(tasks):
        names = ", ".join(tasks)
        raise ScoreError(f"{what}: {n_tracks} tracks for {len(tasks)} tasks ({names}); give one a task, in this order")


def check_forward(strand: npt.NDArray[np.str_], what: str) -> None:
    """Refuse windows of the reverse strand, whose tracks would have to be swapped as the labels were."""
    if (strand == "r").any():
        raise ScoreError(f"{what} cannot be read for reverse-complement windows; predict windows as they lie")


def _stored(
    layout: StoreLayout, experiment: Experiment, profile: OutputSpec, attributes: tuple[str, ...]
) -> StoredTracks:
    """Return attributes that stand where those of the profile do."""
    layout.require_attributes(attributes)
    if profile.paired and len(attributes) != len(profile.source):
        raise ScoreError(
            f"score.pseudoreplicates: {len(attributes)} attributes for the {len(profile.source)} paired sources of "
            f"{profile.name}; give one for each, in their order"
        )
    halves = profile.model_copy(update={"source": attributes})
    return StoredTracks(layout, tuple(Track(*channel) for channel in experiment.channels(halves)))
