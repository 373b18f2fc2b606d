"""Score a file of predictions, or the finished units of a run anew."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from kerasac.cache import with_ending
from kerasac.config import Experiment
from kerasac.errors import ScoreError
from kerasac.runs.opened import open_run
from kerasac.runs.unit import Unit
from kerasac.runs.unit_scores import BINNED_PREFIX, PREDICTIONS, default_settings, write_unit_scores
from kerasac.steps.binned_predictions import Kind, outputs_of, read_binned_predictions
from kerasac.steps.binned_scores import score_bins
from kerasac.steps.predictions import open_predictions
from kerasac.steps.pseudoreplicates import (
    LabelledByTracks,
    check_one_a_task,
    pseudoreplicates_of,
    pseudoreplicates_of_files,
)
from kerasac.steps.score import Scored, Scores, score, write_scores
from kerasac.steps.score_settings import ScoreSettings
from kerasac.steps.scores_of_others import write_bpnet_lite, write_chrombpnet, write_kerasac
from kerasac.steps.window_scores import Pseudoreplicates, Scorable
from kerasac.store.window_tracks import BigWigTracks

logger = logging.getLogger(__name__)

Format = Literal["kerasac", "chrombpnet", "bpnet-lite"]


@dataclass(frozen=True)
class ScoreRequest:
    """What is asked for.

    ``seed`` None is that of a training: the fold's number for a unit, 0 for a file. ``pseudoreplicates`` are two
    bigWigs a task, ``labels_from`` one; ``kind`` says what bins were predicted where their file does not.
    """

    settings: ScoreSettings = field(default_factory=ScoreSettings)
    seed: int | None = None
    pseudoreplicates: tuple[tuple[Path, Path], ...] = ()
    labels_from: tuple[Path, ...] = ()
    kind: Kind | None = None
    formats: tuple[Format, ...] = ()

    def for_seed(self, seed: int) -> ScoreSettings:
        """Return the settings with this seed, where none is asked for."""
        return replace(self.settings, seed=seed if self.seed is None else self.seed)

    @property
    def windows_only(self) -> list[str]:
        """Name what is asked for that bins do not have."""
        asked = {
            "a range of log counts": self.settings.label_range != (None, None),
            "smoothing": bool(self.settings.smooth_observed or self.settings.smooth_predicted),
            "pseudoreplicates": bool(self.pseudoreplicates),
            "labels from tracks": bool(self.labels_from),
            "another tool's format": bool(self.formats),
        }
        return [name for name, wanted in asked.items() if wanted]


@dataclass(frozen=True)
class Rescored:
    """The scores of a file, an output of bins or a unit; ``files`` were written."""

    name: str
    scores: Scored
    files: tuple[Path, ...] = ()


def rescore(
    source: Path, request: ScoreRequest, *, out: Path | None = None, overwrite: bool = False
) -> tuple[Rescored, ...]:
    """Score a predictions file of any layout, the two files of bins under a prefix, a unit, or a run's finished units.

    With ``out``, scores.json and scores.tsv (and the formats of others) are written there; of a run into
    ``fold-0/seed-1234`` below it. With ``overwrite`` alone, a run's own scores are replaced.

    Raises
    ------
    ScoreError
        When the source cannot be scored as asked, or scores are there and are not to be replaced.
    RunError
        When a folder is no run, or has no finished unit.
    """
    _check_request(request, out)
    if source.is_dir():
        return tuple(_units(source, request, out, overwrite))
    bins = _bins_at(source)
    if overwrite and out is None:
        raise ScoreError(f"{source} is no folder of a run: say with --out which folder its scores go to")
    if bins is not None:
        return tuple(_bins(*bins, request, out, overwrite))
    _check_free(out, overwrite)
    with _opened(source, request) as predictions:
        pair = _pair(request, predictions)
        scores = score(predictions, request.for_seed(0), pseudoreplicates=pair)
        if out is None:
            return (Rescored(source.name, scores),)
        files = _write(out, scores) + _write_formats(out, request, predictions, scores, source.name)
        return (Rescored(source.name, scores, files),)


def _check_request(request: ScoreRequest, out: Path | None) -> None:
    if request.formats and out is None:
        raise ScoreError(f"say with --out which folder the {request.formats[0]} files go to")
    if "bpnet-lite" in request.formats and (request.settings.smooth_observed or request.settings.smooth_predicted):
        raise ScoreError("the bpnet-lite format smooths observed profiles in its own way; leave out other smoothing")


def _bins(
    prefix: Path, outputs: Sequence[int], request: ScoreRequest, out: Path | None, overwrite: bool
) -> Iterator[Rescored]:
    _refuse_of_bins(request)
    folders = {i: None if out is None else out if len(outputs) == 1 else out / f"output-{i}" for i in outputs}
    for folder in folders.values():
        _check_free(folder, overwrite)
    for output, folder in folders.items():
        scores = score_bins(read_binned_predictions(prefix, output=output), request.kind)
        name = prefix.name if len(outputs) == 1 else f"{prefix.name}, output {output}"
        yield Rescored(name, scores, () if folder is None else _write(folder, scores))


def _units(source: Path, request: ScoreRequest, out: Path | None, overwrite: bool) -> Iterator[Rescored]:
    """Score units as their training did, but for what is asked for."""
    run = open_run(source)
    if request.labels_from or request.kind:
        raise ScoreError(f"{run.folder} is a run: its predictions have labels, and say what they are of bins")
    if run.experiment.labels is not None:
        _refuse_of_bins(request)
    whole = len(run.units) > 1 or source.resolve() == run.folder
    folders = {
        unit: (unit.folder if overwrite else None) if out is None else out / unit.name if whole else out
        for unit in run.units
    }
    for folder in folders.values():
        _check_free(folder, overwrite)
    pair = None if request.pseudoreplicates else pseudoreplicates_of(run.experiment)
    for unit, folder in folders.items():
        logger.info("scoring %s", unit.name)
        if run.experiment.labels is not None:
            yield _binned_unit(run.experiment, unit, folder)
        else:
            yield _unit(run.experiment, unit, request, pair, folder)


def _binned_unit(experiment: Experiment, unit: Unit, folder: Path | None) -> Rescored:
    if folder is None:
        return Rescored(unit.name, score_bins(read_binned_predictions(unit.folder / BINNED_PREFIX)))
    scores = write_unit_scores(experiment, unit, default_settings(unit), folder=folder)
    return Rescored(unit.name, scores, _files(folder))


def _unit(
    experiment: Experiment, unit: Unit, request: ScoreRequest, pair: Pseudoreplicates | None, folder: Path | None
) -> Rescored:
    settings = request.for_seed(default_settings(unit).seed)
    with open_predictions(unit.folder / PREDICTIONS) as file:
        given = _pair(request, file) if pair is None else pair
        if folder is None:
            return Rescored(unit.name, score(file, settings, pseudoreplicates=given))
        scores = write_unit_scores(experiment, unit, settings, pseudoreplicates=given, folder=folder)
        assert isinstance(scores, Scores), "a unit of windows has these"
        return Rescored(unit.name, scores, _files(folder) + _write_formats(folder, request, file, scores, unit.name))


def _write_formats(
    folder: Path, request: ScoreRequest, predictions: Scorable, scores: Scores, title: str
) -> tuple[Path, ...]:
    files: list[Path] = []
    if "kerasac" in request.formats:
        files += write_kerasac(folder, predictions, scores, title=title)
    if "chrombpnet" in request.formats:
        files += write_chrombpnet(folder, predictions, scores)
    if "bpnet-lite" in request.formats:
        files += write_bpnet_lite(folder, predictions, scores)
    return tuple(files)


def _write(folder: Path, scores: Scored) -> tuple[Path, ...]:
    write_scores(folder, scores)
    return _files(folder)


def _files(folder: Path) -> tuple[Path, ...]:
    return folder / "scores.json", folder / "scores.tsv"


def _check_free(folder: Path | None, overwrite: bool) -> None:
    if folder is not None and (folder / "scores.json").exists() and not overwrite:
        raise ScoreError(f"{folder / 'scores.json'} is there; give --overwrite to replace it, or another --out")


def _refuse_of_bins(request: ScoreRequest) -> None:
    if request.windows_only:
        raise ScoreError(f"{' and '.join(request.windows_only)}: these go with profiles; predictions of bins have none")


@contextmanager
def _opened(source: Path, request: ScoreRequest) -> Iterator[Scorable]:
    named = with_ending(source, "predictions")  # of kerasAC, whose commands go by the prefix
    with open_predictions(named if named.is_file() and not source.exists() else source) as file:
        if request.labels_from:
            tracks = BigWigTracks(request.labels_from)
            tracks.check()
            yield LabelledByTracks(file, tracks)
        elif file.labelled:
            yield file
        else:
            raise ScoreError(f"{source} holds predictions without labels; give --labels-from BIGWIG, one for each task")


def _pair(request: ScoreRequest, predictions: Scorable) -> Pseudoreplicates | None:
    if not request.pseudoreplicates:
        return None
    check_one_a_task(len(request.pseudoreplicates), predictions.tasks, "pairs of pseudoreplicates")
    return pseudoreplicates_of_files(request.pseudoreplicates)


def _bins_at(source: Path) -> tuple[Path, list[int]] | None:
    """Return the prefix and outputs of files of bins, given by their prefix or by one of them; None for others."""
    stem, _, output = source.name.rpartition(".")
    if output.isdigit() and stem.endswith((".predictions", ".labels")):
        return source.with_name(stem.rpartition(".")[0]), [int(output)]
    outputs = [] if source.exists() else outputs_of(source)
    return (source, outputs) if outputs else None
