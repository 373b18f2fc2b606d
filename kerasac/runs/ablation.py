"""Replace the regions of a BED file by shuffled sequence, and say what a run's models make of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasac.cache import with_ending
from kerasac.errors import ConfigError, GenomeError
from kerasac.genome.intervals import read_bed
from kerasac.interpret.ablation import (
    DEFINITION,
    SHARD_SEQUENCES,
    AblationJob,
    Room,
    checked_regions,
    write_ablation,
    write_left_out_regions,
)
from kerasac.interpret.both_strands import ends_of
from kerasac.interpret.model_average import ModelSet, averages
from kerasac.runs.interpreted import ALL, check_chroms, effects_of, held_out_models, used_models
from kerasac.runs.records import finished, write_record
from kerasac.runs.sharded import JobRequest, Progress, finish_shards, parts_folder
from kerasac.runs.trained import Trained, open_trained
from kerasac.steps.prediction_data import Reading, open_reading


@dataclass(frozen=True)
class AblationRequest(JobRequest):
    """What is asked for. ``out`` is a prefix; ``n`` the number of shuffles that each region is replaced by.

    ``held_out_only``: only by the models that did not train on a region's chromosome.
    """

    sources: tuple[Path, ...]
    regions: Path
    out: Path
    n: int = 20
    held_out_only: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 1 or self.seed < 0:
            raise ConfigError(f"n is {self.n}, seed {self.seed}; n must be at least 1, the seed at least 0")


@dataclass(frozen=True)
class Ablated:
    """What was written: files, numbers of regions, now and in all, of models, and of those left out, by reason."""

    out: Path
    left_out_file: Path
    n_regions: int
    n_now: int
    n_models: int
    left_out: dict[str, int]


def ablate_regions(request: AblationRequest, progress: Progress | None = None) -> Ablated:
    """Score regions into ``<out>.tsv`` and ``<out>.left_out.tsv``; finished shards are kept.

    Raises
    ------
    KerasacError
        Before anything is predicted, when something is missing or does not fit.
    RunError
        When ``<out>.tsv`` is there and is not of these models and regions.
    """
    trained = open_trained(request.sources, request.experiment, corrected=request.corrected)
    reading = open_reading(trained.experiment, labelled=False, fasta=request.fasta)
    held_out = held_out_models(trained, reading.assembly)
    job = _job(request, trained, reading, held_out)
    sets = [] if held_out is None else [held_out]
    if not request.held_out_only:
        sets.append(ModelSet(ALL, job.uses))
    n_now = _ablate(request, job, sets, progress)
    return Ablated(
        out=with_ending(request.out, "tsv"),
        left_out_file=with_ending(request.out, "left_out.tsv"),
        n_regions=len(job.regions),
        n_now=n_now,
        n_models=int(job.uses[job.regions.chrom].any(axis=0).sum()),
        left_out=job.regions.reasons,
    )


def _job(request: AblationRequest, trained: Trained, reading: Reading, held_out: ModelSet | None) -> AblationJob:
    ends = ends_of(trained.experiment)
    uses = used_models(trained, reading.assembly, held_out, held_out_only=request.held_out_only)
    effects = effects_of(trained, ends, log_rates=reading.log_rates)
    given = read_bed(request.regions)
    check_chroms(request.regions, given.chrom.tolist(), reading.assembly)
    reading.source.ensure()
    room = Room(max(trained.experiment.widest_flank, ends.width_bp // 2), ends.width_bp, np.asarray(uses.any(axis=1)))
    regions = checked_regions(given, reading.assembly, reading.source.tokens.open(), room)
    if not len(regions):
        said = ", ".join(f"{n:,} {reason}" for reason, n in regions.reasons.items()) or "the file is empty"
        raise GenomeError(f"no region of {request.regions} can be replaced ({said})")
    return AblationJob(
        folder=parts_folder(request.out),
        shard_items=max(1, SHARD_SEQUENCES // (1 + request.n)),
        reading=reading,
        ends=ends,
        effects=effects,
        models=trained.models,
        parameters=trained.parameters,
        regions=regions,
        n_shuffles=request.n,
        uses=uses,
        seed=request.seed,
    )


def _ablate(request: AblationRequest, job: AblationJob, sets: list[ModelSet], progress: Progress | None) -> int:
    """Do what is missing and write the tables; returns the number of regions that were replaced now."""
    out, record, digest = with_ending(request.out, "tsv"), with_ending(request.out, "json"), job.digest()

    def write_facts() -> None:
        write_left_out_regions(with_ending(request.out, "left_out.tsv"), job.regions)
        facts = {
            "regions": request.regions,
            "n_regions": len(job.regions),
            "left_out": job.regions.reasons,
            "seed": request.seed,
            "models": job.models,
            "definitions": {"ablation": DEFINITION, **job.effects.definitions},
        }
        write_record(record, digest, facts)

    if finished(record, digest, out, overwrite=request.overwrite) is not None:
        write_facts()  # others may be left out than before
        return 0

    def finish() -> None:
        out.unlink(missing_ok=True)  # an older table would pass for this one beside the new record
        write_facts()
        write_ablation(out, job, [(models, averages(job, models)) for models in sets])  # last: it stands for the whole

    return finish_shards(job, finish, request, what=f"ablation to {request.out.name}", progress=progress)
