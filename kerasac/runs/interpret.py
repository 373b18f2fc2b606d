"""Explain what trained models predict of windows: which bases contribute how much, to files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from kerasac.cache import with_ending
from kerasac.errors import ConfigError
from kerasac.genome.centering import Center
from kerasac.interpret.contribution_files import ContributionLayout, output_paths, write_contribution_layout
from kerasac.interpret.heads import Head, Target, heads_of, targets_of, task_names
from kerasac.interpret.job import SHARD_WINDOWS, ContributionJob
from kerasac.interpret.settings import ExplainSettings, Method
from kerasac.runs.merge_predictions import HELD_OUT
from kerasac.runs.sharded import JobRequest, Progress, finish_shards, parts_folder
from kerasac.runs.trained import Trained, groups_by_chrom, open_trained
from kerasac.runs.window_models import with_models, write_dropped
from kerasac.sampling.given_windows import windows_of_regions
from kerasac.steps.prediction_data import Reading, open_reading


@dataclass(frozen=True)
class InterpretRequest(JobRequest):
    """What is asked for; ``out`` is the prefix of the files.

    ``heads``: none = all that the models have. ``tasks``: none = all, of counts and values each in a file of its own,
    or with ``together`` as one. ``held_out``: each chromosome by the folds that test on it, else by all models.
    """

    sources: tuple[Path, ...]
    out: Path
    regions: Path
    center: Center = Center.SUMMIT
    heads: tuple[Head, ...] = ()
    tasks: tuple[str, ...] = ()
    together: bool = False
    held_out: bool | None = None
    settings: ExplainSettings = field(default_factory=ExplainSettings)
    layout: ContributionLayout = ContributionLayout.OURS
    shard_windows: int | None = None

    def __post_init__(self) -> None:
        n = self.n_shard_windows
        if n < 1 or n & (n - 1):
            raise ConfigError(f"shard_windows is {n}; it is a power of two, as chunks have to divide it")

    @property
    def n_shard_windows(self) -> int:
        """Windows of a shard; by default about a minute's of a BPNet on two cores."""
        return SHARD_WINDOWS[self.settings.method] if self.shard_windows is None else self.shard_windows


@dataclass(frozen=True)
class Interpreted:
    """What was written: files, windows, how many of them now, the places without one, by reason, and the models.

    ``greatest_error`` is the most by which multipliers miss what they add up to; None where nothing is to be met.
    """

    files: tuple[Path, ...]
    n_windows: int
    n_now: int
    left_out: dict[str, int]
    n_models: int
    how: str
    greatest_error: float | None
    dropped: Path | None = None


def interpret_to_files(request: InterpretRequest, progress: Progress | None = None) -> Interpreted:
    """Explain windows, a file a head and, of counts and values, a task; finished shards of a call before are kept.

    Raises
    ------
    KerasacError
        Before anything is explained, when something is missing or does not fit.
    RunError
        When a file is there and is not this explanation.
    """
    trained = open_trained(request.sources, request.experiment, corrected=request.corrected)
    targets = _targets(trained, request)
    _check_width(trained, request.settings)
    reading = open_reading(trained.experiment, labelled=False, fasta=request.fasta)
    flank = trained.experiment.widest_flank
    given = windows_of_regions(request.regions, reading.assembly, flank, center=request.center)
    reading.source.ensure()
    held_out = trained.is_run if request.held_out is None else request.held_out
    by_chrom = groups_by_chrom(trained, reading.assembly, held_out=held_out)
    served = with_models(given, by_chrom, reading.assembly)
    given = served.given
    job = ContributionJob(
        reading=reading,
        models=trained.models,
        groups=served.groups,
        windows=given.windows,
        group_of=served.group_of,
        parameters=trained.parameters,
        targets=targets,
        settings=request.settings,
        folder=parts_folder(request.out),
        shard_items=request.n_shard_windows,
    )
    how = HELD_OUT if held_out else ("the average of all" if len(trained.models) > 1 else "as it is")
    files, n_now = _run(job, request, {**_facts(trained, request), "how": how}, progress)
    left_out = dict(given.left_out)
    if trained.unfinished and held_out:
        left_out[f"units of the run, not finished ({', '.join(trained.unfinished)})"] = len(trained.unfinished)
    return Interpreted(
        files=files,
        n_windows=len(given.windows),
        n_now=n_now,
        left_out=left_out,
        n_models=served.n_models,
        how=how,
        greatest_error=_greatest_error(files) if request.settings.method is Method.DEEPSHAP else None,
        dropped=write_dropped(request.out, given.dropped),
    )


def _targets(trained: Trained, request: InterpretRequest) -> tuple[Target, ...]:
    """Return what is explained, the targets of a head after one another."""
    contract = trained.contract
    heads = request.heads or heads_of(contract)
    if not heads:
        raise ConfigError("the model has no output that can be explained")
    found = (targets_of(contract, head, request.tasks, together=request.together) for head in dict.fromkeys(heads))
    return tuple(target for targets in found for target in targets)


def _check_width(trained: Trained, settings: ExplainSettings) -> None:
    width_bp = next(port.width_bp for port in trained.contract.inputs if port.role == "sequence")
    for asked, what in ((settings.within_bp, "bases in the middle"), (settings.region_bp, "bases of a region")):
        if asked is not None and asked > width_bp:
            raise ConfigError(f"{asked:,} {what} are asked for, of a window of {width_bp:,}; ask for fewer")


def _facts(trained: Trained, request: InterpretRequest) -> dict[str, Any]:
    settings = request.settings
    facts: dict[str, Any] = {
        "method": str(settings.method),
        "n_references": settings.n_references_used,
        "seed": settings.seed,
        "models": [unit.name for unit in trained.units] or [path.name for path in trained.models],
        "layout": str(request.layout),
    }
    if settings.method is Method.DEEPSHAP:
        facts |= {"engine": str(settings.engine), "reference": str(settings.reference)}
    if settings.method in (Method.ISM, Method.SCRAMBLE):
        facts |= {"within_bp": settings.within_bp or 0}
    return facts | ({"region_bp": settings.region_bp} if settings.method is Method.SCRAMBLE else {})


def _run(
    job: ContributionJob, request: InterpretRequest, facts: dict[str, Any], progress: Progress | None
) -> tuple[tuple[Path, ...], int]:
    """Do what is missing and write the files; returns them and the number of windows that were explained now."""
    mark = job.mark(request.layout, with_ending(request.out, "arrays.json"))
    attrs = {**facts, "job": mark.job}
    prefixes = _prefixes(job.reading, job.targets, request.out)
    outputs = [
        output_paths(prefix, target.head, request.layout) for prefix, target in zip(prefixes, job.targets, strict=True)
    ]
    files = tuple(dict.fromkeys(path for paths in outputs for path in paths))
    if mark.are_there(files, overwrite=request.overwrite):
        return files, 0

    def finish() -> None:
        mark.claim(files)
        for number, (prefix, paths) in enumerate(zip(prefixes, outputs, strict=True)):
            if request.layout is ContributionLayout.OURS:
                job.join(number, paths[0], attrs)
                continue
            whole = job.folder / "whole.h5"
            job.join(number, whole, attrs)
            write_contribution_layout(whole, prefix, request.layout)

    n_now = finish_shards(job, finish, request, what=f"explanation to {request.out.name}", progress=progress)
    return files, n_now


def _prefixes(reading: Reading, targets: Sequence[Target], out: Path) -> list[Path]:
    """Return the prefix of each target's files; those of one of several tasks carry its name."""
    heads = [target.head for target in targets]
    names = [task_names(reading.contract, target) for target in targets]
    return [
        out if heads.count(target.head) == 1 else with_ending(out, name[0])
        for target, name in zip(targets, names, strict=True)
    ]


def _greatest_error(files: Sequence[Path]) -> float | None:
    """Return the greatest error that files say; None of a layout that does not."""
    found = []
    for path in files:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                found.append(float(file.attrs["greatest_error"]))
    return max(found, default=None)
