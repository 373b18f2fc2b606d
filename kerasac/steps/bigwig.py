"""Turn predictions and contributions of windows into bigWig tracks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit, softmax

from kerasac.cache import with_ending
from kerasac.errors import ScoreError, suggest
from kerasac.genome.assembly import IntArray
from kerasac.steps.count_space import counts_of
from kerasac.steps.prediction_shards import genome_of
from kerasac.steps.predictions import PredictionFile, open_predictions
from kerasac.store.bigwig_tracks import Written, write_bigwigs

Array = npt.NDArray[Any]

_ARRAYS_HELD = 6  # of a block: logits, shares, counts, …
_LEAST_SHARE = 1e-12
LABEL_PSEUDOCOUNT = 1e-4  # added to observed shares before their logit, as in kerasAC
TRACKS: Mapping[str, str] = {
    "predictions_counts": "predicted counts a base: the predicted share times the predicted counts of the window",
    "predictions_prob": "predicted share of the window's counts that a base has (softmax)",
    "predictions_logits": "logit of the predicted share",
    "labels_counts": "observed counts a base",
    "labels_prob": "observed share of the window's counts, 0 where it has none",
    "labels_logits": f"logit of the observed share + {LABEL_PSEUDOCOUNT:g}",
    "delta_prob": "observed less predicted share",
    "delta_logits": "logit of the observed share less that of the predicted one",
}
DEFAULT_TRACKS = ("predictions_counts", "labels_counts")


def prediction_bigwigs(
    source: Path,
    prefix: Path,
    *,
    tracks: Sequence[str] | None = None,
    tasks: Sequence[str] = (),
    chrom_sizes: Path | None = None,
    overwrite: bool = False,
) -> list[Written]:
    """Write ``<prefix>.<track>.bw`` of a predictions file, with several tasks ``<prefix>.<task>.<track>.bw``.

    ``tracks`` are some of :data:`TRACKS`; by default the predicted counts and, where they are there, the observed ones.
    Windows read on the reverse strand are left out.

    Raises
    ------
    ScoreError
        For an unknown track or task, labels that the file lacks, or files that are there.
    GenomeError
        When chromosome sizes are missing or do not fit.
    """
    with open_predictions(source) as file:
        wanted = _wanted(file, tracks, source)
        places = [_place(file, task) for task in tasks] or list(range(len(file.tasks)))
        assembly = genome_of(source, chrom_sizes)
        names = {
            f"{file.tasks[place]}.{track}" if len(file.tasks) > 1 else track: (place, track)
            for place in places
            for track in wanted
        }
        paths = {name: with_ending(prefix, f"{_as_name(name)}.bw") for name in names}
        _check_new(paths.values(), overwrite=overwrite)
        return write_bigwigs(_PredictionTracks(file, names), paths, assembly)


def _wanted(file: PredictionFile, tracks: Sequence[str] | None, source: Path) -> list[str]:
    if tracks is None:
        return [name for name in DEFAULT_TRACKS if file.labelled or not _needs_labels(name)]
    for name in tracks:
        if name not in TRACKS:
            raise ScoreError(f"{name!r} is no track of predictions{suggest(name, TRACKS)}")
        if _needs_labels(name) and not file.labelled:
            raise ScoreError(f"{name} needs labels, which {source} does not have; predict without --no-labels")
    return list(dict.fromkeys(tracks))


def _needs_labels(track: str) -> bool:
    return not track.startswith("predictions_")


def _place(file: PredictionFile, task: str) -> int:
    if task not in file.tasks:
        raise ScoreError(f"{file.path} has no task {task!r}{suggest(task, file.tasks)}")
    return file.tasks.index(task)


def _as_name(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", name)


def _check_new(paths: Any, *, overwrite: bool) -> None:
    for path in paths:
        if path.exists() and not overwrite:
            raise ScoreError(f"{path} is there already; choose another --out, or --overwrite")


@dataclass(frozen=True)
class _PredictionTracks:
    """The windows of a predictions file; names map to a task's place and a track."""

    file: PredictionFile
    tracks: Mapping[str, tuple[int, str]]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.tracks)

    @property
    def chrom(self) -> npt.NDArray[np.str_]:
        return np.where(self.file.strand == "r", "", self.file.chrom)

    @property
    def start(self) -> IntArray:
        start: IntArray = self.file.center - self.file.n_bases // 2
        return start

    @property
    def width_bp(self) -> int:
        return self.file.n_bases

    @property
    def row_bytes(self) -> int:
        return 8 * _ARRAYS_HELD * self.file.n_bases * len(self.file.tasks)  # float64, of all tasks

    def values(self, rows: slice) -> dict[str, Array]:
        block = _Values(self.file, rows)
        arrays = {track: _MAKE[track](block) for track in dict.fromkeys(track for _, track in self.tracks.values())}
        return {name: arrays[track][:, :, place] for name, (place, track) in self.tracks.items()}


class _Values:
    """What tracks are made of, (n, L, T) for some windows; read when asked for, and once."""

    def __init__(self, file: PredictionFile, rows: slice) -> None:
        self.file, self.rows = file, rows

    @cached_property
    def predicted(self) -> Array:
        """Predicted shares."""
        shares: Array = softmax(self.file.logits(self.rows).astype(np.float64), axis=1)
        return shares

    @cached_property
    def predicted_logits(self) -> Array:
        """Logits of predicted shares; one that rounds to 1 counts as one just below it."""
        found: Array = logit(np.clip(self.predicted, _LEAST_SHARE, 1 - _LEAST_SHARE))
        return found

    @cached_property
    def predicted_counts(self) -> Array:
        """Predicted counts a base."""
        counts = counts_of(self.file.logcount(self.rows), self.file)
        found: Array = self.predicted * counts[:, None, :]
        return found

    @cached_property
    def counts(self) -> Array:
        """Observed counts a base."""
        return self.file.label_profile(self.rows)

    @cached_property
    def observed(self) -> Array:
        """Observed shares, 0 in windows without counts."""
        total = self.counts.sum(axis=1, keepdims=True, dtype=np.float64)
        shares: Array = self.counts / np.where(total > 0, total, 1)
        return shares

    def label_logits(self) -> Array:
        """Logits of observed shares; a share of 1 counts as one that is just below it."""
        found: Array = logit(np.minimum(self.observed + LABEL_PSEUDOCOUNT, 1 - LABEL_PSEUDOCOUNT))
        return found


_MAKE: Mapping[str, Callable[[_Values], Array]] = {
    "predictions_counts": lambda block: block.predicted_counts,
    "predictions_prob": lambda block: block.predicted,
    "predictions_logits": lambda block: block.predicted_logits,
    "labels_counts": lambda block: block.counts,
    "labels_prob": lambda block: block.observed,
    "labels_logits": _Values.label_logits,
    "delta_prob": lambda block: block.observed - block.predicted,
    "delta_logits": lambda block: block.label_logits() - block.predicted_logits,
}
