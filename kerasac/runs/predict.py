"""Predict windows anywhere on a genome with a model, an ensemble, or the folds that did not see them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py

from kerasac.errors import ConfigError, KerasacError, RunError
from kerasac.genome.assembly import Assembly
from kerasac.genome.centering import Center
from kerasac.runs.merge_predictions import HELD_OUT, merge_predictions, prediction_facts
from kerasac.runs.sharded import JobRequest, Progress, finish_shards, parts_folder
from kerasac.runs.trained import Trained, groups_by_chrom, open_trained
from kerasac.runs.window_models import with_models, write_dropped
from kerasac.sampling.given_windows import GivenWindows, joined, windows_along, windows_of_regions
from kerasac.steps.binned_predictions import predictions_path
from kerasac.steps.prediction_data import open_reading
from kerasac.steps.prediction_job import PredictionJob, join
from kerasac.steps.prediction_shards import SHARD_WINDOWS
from kerasac.steps.write_layouts import LayoutName, check_layout, write_layout
from kerasac.store.labels.table import open_table


@dataclass(frozen=True)
class Places:
    """Where to predict: regions of BED files, or steps along chromosomes.

    Without ``stride_bp`` steps are as long as the profile, so that profiles lie side by side.
    """

    regions: Path | None = None
    background: Path | None = None
    center: Center = Center.SUMMIT
    chroms: tuple[str, ...] = ()
    stride_bp: int | None = None
    genome: bool = False

    def __post_init__(self) -> None:
        along = self.genome or self.chroms or self.stride_bp is not None
        if along and (self.regions or self.background):
            raise ConfigError("regions of a file, or steps along chromosomes: give --regions and --background alone")

    @property
    def are_named(self) -> bool:
        """Whether any place is named."""
        return bool(self.regions or self.background or self.chroms or self.genome or self.stride_bp is not None)


@dataclass(frozen=True)
class PredictRequest(JobRequest):
    """What is asked for. ``held_out``: each chromosome by the folds that test on it, else by all models together.

    ``calibrated``: None = where all models have a calibration.
    """

    sources: tuple[Path, ...]
    out: Path
    places: Places = Places()
    held_out: bool | None = None
    layout: LayoutName = LayoutName.KERASAC
    labelled: bool = True
    calibrated: bool | None = None
    shard_windows: int = SHARD_WINDOWS

    def __post_init__(self) -> None:
        if self.shard_windows < 1 or self.shard_windows & (self.shard_windows - 1):
            raise ConfigError(
                f"shard_windows is {self.shard_windows}; it is a power of two, as chunks have to divide it"
            )


@dataclass(frozen=True)
class Predicted:
    """What was written: windows, how many of them now, the places without one, by reason, and the models."""

    out: Path
    n_windows: int
    n_now: int
    left_out: dict[str, int]
    n_models: int
    how: str
    calibrated: bool
    dropped: Path | None = None
    gathered: bool = False
    """Whether they are what units had predicted before."""


def predict_to_file(request: PredictRequest, progress: Progress | None = None) -> Predicted:
    """Predict what is asked for into one HDF5 file; shards that an interrupted call finished are kept.

    Without places, what a run's units have predicted of their test chromosomes is put together: seeds are averaged.

    Raises
    ------
    KerasacError
        Before anything is predicted, when something is missing or does not fit.
    RunError
        When ``out`` is there and is not this prediction.
    """
    trained = open_trained(request.sources, request.experiment, corrected=request.corrected)
    calibrated = _is_calibrated(trained, request)
    if not trained.is_binned:
        check_layout(request.layout, trained.tasks)
    elif request.layout is not LayoutName.KERASAC:
        raise ConfigError(f"--layout {request.layout} is of profiles and counts; bins are kerasAC's tables")
    if not request.places.are_named:
        return _merge(trained, request, calibrated)
    reading = open_reading(trained.experiment, labelled=request.labelled, fasta=request.fasta)
    reading.source.ensure()
    given = _windows(request.places, trained, reading.assembly)
    held_out = trained.is_run if request.held_out is None else request.held_out
    by_chrom = groups_by_chrom(trained, reading.assembly, held_out=held_out)
    served = with_models(given, by_chrom, reading.assembly)
    given = served.given
    how = HELD_OUT if held_out else ("the average of all" if len(trained.models) > 1 else "as it is")
    job = PredictionJob(
        reading=reading,
        facts=prediction_facts(trained, reading.assembly, how=how, calibrated=calibrated),
        models=trained.models,
        groups=served.groups,
        windows=given.windows,
        group_of=served.group_of,
        parameters=trained.parameters,
        calibrated=calibrated,
        folder=parts_folder(request.out),
        shard_items=request.shard_windows,
    )
    n_now = _run(job, request, progress)
    dropped = write_dropped(request.out, given.dropped)
    out = predictions_path(request.out) if trained.is_binned else request.out
    left_out = dict(given.left_out)
    if trained.unfinished and held_out:
        left_out[f"units of the run, not finished ({', '.join(trained.unfinished)})"] = len(trained.unfinished)
    return Predicted(out, len(given.windows), n_now, left_out, served.n_models, how, calibrated, dropped)


def _run(job: PredictionJob, request: PredictRequest, progress: Progress | None) -> int:
    """Do what is missing and write the file; returns the number of windows that were predicted now."""
    digest = job.digest()
    out = predictions_path(request.out) if job.is_binned else request.out
    if _is_there(out, digest, request.layout, overwrite=request.overwrite):
        return 0
    attrs = {"job": digest, "layout": str(request.layout)}

    def finish() -> None:
        if request.layout is LayoutName.KERASAC or job.is_binned:
            join(job, request.out, attrs)
            return
        whole = job.folder / "whole.h5"
        join(job, whole, attrs)
        write_layout(whole, request.out, request.layout, attrs)

    return finish_shards(job, finish, request, what=f"prediction to {request.out.name}", progress=progress)


def _is_there(out: Path, digest: str, layout: LayoutName, *, overwrite: bool) -> bool:
    """Whether the file is this prediction already; raises RunError when it is something else."""
    if not out.exists() or overwrite:
        return False
    if _facts_in(out) == (digest, layout):
        return True
    raise RunError(f"{out} is there already, and not of these models and windows; choose another --out, or --overwrite")


def _facts_in(path: Path) -> tuple[str, str] | None:
    """Return the digest and the layout of the prediction that a file holds; None of any other file."""
    try:
        with h5py.File(path, "r") as file:
            if "pred_0" in file or "predictions" in file:
                return str(file.attrs.get("job")), str(file.attrs.get("layout"))
        with open_table(path) as table:
            return str(table.settings.get("job")), str(table.settings.get("layout"))
    except (OSError, KerasacError):
        return None


def _windows(places: Places, trained: Trained, assembly: Assembly) -> GivenWindows:
    flank = trained.experiment.widest_flank
    named = [(places.regions, True), (places.background, False)]
    given = [
        windows_of_regions(path, assembly, flank, center=places.center, is_peak=is_peak)
        for path, is_peak in named
        if path is not None
    ]
    if given:
        return joined(given)
    if trained.is_binned and places.stride_bp is None:
        raise ConfigError("say how far apart bins are to be predicted: --stride N")
    stride = trained.n_bases if places.stride_bp is None else places.stride_bp
    return windows_along(assembly, places.chroms or assembly.names, flank, stride)


def _merge(trained: Trained, request: PredictRequest, calibrated: bool) -> Predicted:
    """Put together what the units have predicted of their test chromosomes."""
    _check_merge(trained, request)
    out = predictions_path(request.out) if trained.is_binned else request.out
    if out.exists() and not request.overwrite:
        raise RunError(f"{out} is there already; choose another --out, or --overwrite")
    n_windows = merge_predictions(trained, request.out, request.layout, calibrated=calibrated)
    left_out = {f"units of the run, not finished ({', '.join(trained.unfinished)})": len(trained.unfinished)}
    return Predicted(
        out,
        n_windows,
        0,
        left_out if trained.unfinished else {},
        len(trained.models),
        HELD_OUT,
        calibrated,
        gathered=True,
    )


def _check_merge(trained: Trained, request: PredictRequest) -> None:
    if not trained.units:
        raise ConfigError(f"say where {request.sources[0]} is to predict: --regions, --chroms or --genome")
    if request.held_out is False:
        raise ConfigError("all models together have no test windows; say where: --regions, --chroms or --genome")
    if request.fasta is not None or not request.labelled:
        option = "--no-labels" if request.fasta is None else "--fasta"
        raise ConfigError(f"{option} needs windows to predict: --regions, --chroms or --genome")


def _is_calibrated(trained: Trained, request: PredictRequest) -> bool:
    """Whether log counts are to be calibrated; raises when some models can be and others not."""
    if request.corrected or not trained.calibrations:
        if request.calibrated:
            why = "models without the enzyme's bias have none" if request.corrected else "make it with calibrate"
            raise ConfigError(f"--calibrated, but there is no calibration of {request.sources[0]}: {why}")
        return False
    if request.calibrated is False:
        return False
    lacking = [path for path in trained.models if path not in trained.calibrations]
    if lacking:
        raise ConfigError(
            f"{len(trained.calibrations)} of {len(trained.models)} models are calibrated, {lacking[0]} is not; run "
            "`kerasac-ray calibrate` on all, or predict with --uncalibrated"
        )
    return True
