"""Score the variants of a file with a run's models, each by the folds that did not see it, and by all."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasac.cache import usable_cpus, whole_file, with_ending
from kerasac.errors import ConfigError, GenomeError
from kerasac.interpret.both_strands import Ends, ends_of
from kerasac.interpret.effects import Effects
from kerasac.interpret.model_average import ModelSet, averages
from kerasac.interpret.variant_checks import Checked, Window, checked, write_left_out
from kerasac.interpret.variant_files import read_variants
from kerasac.interpret.variant_job import SHARD_VARIANTS, VariantJob
from kerasac.interpret.variant_null import DEFINITION, null_draws
from kerasac.interpret.variant_tables import largest, read_scores, write_folds, write_scores
from kerasac.interpret.variants import GivenVariant
from kerasac.models.quiet_start import load_keras_quietly
from kerasac.runs.interpreted import (
    ALL,
    HELD_OUT,
    check_chroms,
    effects_of,
    held_out_models,
    model_names,
    used_models,
)
from kerasac.runs.records import finished, write_record
from kerasac.runs.sharded import JobRequest, Progress, finish_shards, parts_folder
from kerasac.runs.trained import Trained, open_trained
from kerasac.steps.plots.style import DPI
from kerasac.steps.prediction_data import Reading, open_reading

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VariantRequest(JobRequest):
    """What is asked for. ``out`` is a prefix.

    ``held_out_only``: only by the models that did not train on a variant's chromosome. ``n_null``: shuffles of
    substitutions, and of indels, that effects are judged by; 0 = no p values. ``n_plots``: variants that are drawn,
    those with the largest effects on ``task``.
    """

    sources: tuple[Path, ...]
    variants: Path
    out: Path
    held_out_only: bool = False
    swap_alleles: bool = False
    n_null: int = 0
    seed: int = 0
    n_plots: int = 0
    task: str | None = None
    shard_variants: int = SHARD_VARIANTS

    def __post_init__(self) -> None:
        for name, least in (("n_null", 0), ("seed", 0), ("n_plots", 0), ("shard_variants", 1)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"{name} is {value}; it must be at least {least}")


@dataclass(frozen=True)
class ScoredVariants:
    """What was written: files, numbers of variants, of models, and of those that are left out, by reason."""

    out: Path
    folds: Path
    left_out_file: Path
    n_variants: int
    n_now: int
    n_null: int
    n_swapped: int
    n_models: int
    left_out: dict[str, int]
    plots: tuple[Path, ...] = ()


def score_variants(request: VariantRequest, progress: Progress | None = None) -> ScoredVariants:
    """Score variants into ``<out>.tsv``, ``<out>.folds.tsv`` and ``<out>.left_out.tsv``; finished shards are kept.

    Raises
    ------
    KerasacError
        Before anything is predicted, when something is missing or does not fit.
    RunError
        When ``<out>.tsv`` is there and is not of these models and variants.
    """
    trained = open_trained(request.sources, request.experiment, corrected=request.corrected)
    ends = ends_of(trained.experiment)
    reading = open_reading(trained.experiment, labelled=False, fasta=request.fasta)
    effects = effects_of(trained, ends, log_rates=reading.log_rates)
    _check_task(request.task, effects)
    reading.source.ensure()
    held_out = held_out_models(trained, reading.assembly)
    found = _checked(request, trained, reading, ends, held_out)
    job = _job(request, trained, reading, ends, effects, found, held_out)
    sets = _sets(request, job, held_out)
    n_now = _score(request, trained, job, found, sets, progress)
    return ScoredVariants(
        out=with_ending(request.out, "tsv"),
        folds=with_ending(request.out, "folds.tsv"),
        left_out_file=with_ending(request.out, "left_out.tsv"),
        n_variants=len(job.variants),
        n_now=n_now,
        n_null=len(job.draws),
        n_swapped=found.n_swapped,
        n_models=int(job.uses[np.unique(job.variants.chrom)].any(axis=0).sum()),
        left_out=found.reasons,
        plots=tuple(_plots(request, job, sets)) if request.n_plots else (),
    )


def _sets(request: VariantRequest, job: VariantJob, held_out: ModelSet | None) -> list[ModelSet]:
    """Return the sets of models whose scores are averaged."""
    sets = [] if held_out is None else [held_out]
    return sets if request.held_out_only else [*sets, ModelSet(ALL, np.ones_like(job.uses))]


def _score(
    request: VariantRequest,
    trained: Trained,
    job: VariantJob,
    found: Checked,
    sets: list[ModelSet],
    progress: Progress | None,
) -> int:
    """Do what is missing and write the tables; returns the number of variants and shuffles that were scored now."""
    out, record, digest = with_ending(request.out, "tsv"), with_ending(request.out, "json"), job.digest()

    def write_facts() -> None:
        write_left_out(with_ending(request.out, "left_out.tsv"), found.left_out)
        write_record(record, digest, _record(request, trained, job, found))

    if finished(record, digest, out, overwrite=request.overwrite) is not None:
        write_facts()  # others may be left out than before
        return 0

    def finish() -> None:
        out.unlink(missing_ok=True)  # an older table would pass for this one beside the new record
        held_out = next((one for one in sets if one.name == HELD_OUT), None)
        write_folds(with_ending(request.out, "folds.tsv"), job, model_names(trained), held_out)
        write_facts()
        write_scores(out, job, [(models, averages(job, models)) for models in sets])  # last: it stands for the whole

    return finish_shards(job, finish, request, what=f"scoring of variants to {request.out.name}", progress=progress)


def _record(request: VariantRequest, trained: Trained, job: VariantJob, found: Checked) -> dict[str, object]:
    return {
        "variants": request.variants,
        "n_variants": len(job.variants),
        "n_swapped": found.n_swapped,
        "left_out": found.reasons,
        "n_shuffles": len(job.draws),
        "seed": request.seed,
        "models": trained.models,
        "tasks": {target.name: [job.ends.tasks[i] for i in target.tasks] for target in job.effects.targets},
        "definitions": {
            **{name: job.effects.definitions[name] for name in job.effects.names},
            **({"p and q": DEFINITION} if len(job.draws) else {}),
        },
    }


def _check_task(task: str | None, effects: Effects) -> None:
    names = [target.name for target in effects.targets]
    if task is not None and task not in names:
        raise ConfigError(f"there is no task {task!r}; the models' are {', '.join(names)}")


def _checked(
    request: VariantRequest, trained: Trained, reading: Reading, ends: Ends, held_out: ModelSet | None
) -> Checked:
    """Read the variants, and leave out what cannot be scored."""
    given = list(read_variants(request.variants, reading.assembly))
    if not given:
        raise GenomeError(f"{request.variants} holds no variant")
    check_chroms(request.variants, (one.chrom for one in given), reading.assembly)
    widths = [port.width_bp for port in ends.contract.outputs if port.role == "profile"]
    flank = max(trained.experiment.widest_flank, ends.width_bp // 2)
    window = Window(flank, min([ends.width_bp, *widths]) // 2)
    found = checked(given, reading.assembly, reading.source.tokens.open(), window, swap=request.swap_alleles)
    if found.doubt is not None:
        logger.warning("%s: %s", request.variants, found.doubt)
    used = used_models(trained, reading.assembly, held_out, held_out_only=request.held_out_only)
    found = found.on(np.asarray(used.any(axis=1)), reading.assembly)
    if not len(found.variants):
        said = ", ".join(f"{n:,} {reason}" for reason, n in found.reasons.items())
        raise GenomeError(f"no variant of {request.variants} can be scored: {said}")
    return found


def _job(
    request: VariantRequest,
    trained: Trained,
    reading: Reading,
    ends: Ends,
    effects: Effects,
    found: Checked,
    held_out: ModelSet | None,
) -> VariantJob:
    return VariantJob(
        folder=parts_folder(request.out),
        shard_items=request.shard_variants,
        reading=reading,
        ends=ends,
        effects=effects,
        models=trained.models,
        parameters=trained.parameters,
        variants=found.variants,
        draws=null_draws(found.variants, request.n_null, request.seed),
        uses=used_models(trained, reading.assembly, held_out, held_out_only=request.held_out_only),
        seed=request.seed,
    )


def _plots(request: VariantRequest, job: VariantJob, sets: list[ModelSet]) -> Iterator[Path]:
    """Draw the variants with the largest effects, the largest first; yields the files."""
    load_keras_quietly(threads=usable_cpus(), gpus=True)
    from kerasac.interpret.plots.variants import variant_figure
    from kerasac.interpret.variant_drawings import drawn

    targets = {target.name: target for target in job.effects.targets}
    target = targets[request.task or next(iter(targets))]
    tables = [read_scores(with_ending(request.out, "tsv"), target.name, job.effects.names, one.name) for one in sets]
    folder = with_ending(request.out, "plots")
    for old in folder.glob("[0-9][0-9][0-9]_*.png"):  # of another ranking
        old.unlink()
    for rank, (row, chosen) in enumerate(largest([table[:, 0] for table in tables], request.n_plots), start=1):
        models = sets[chosen]
        one = drawn(
            job,
            row,
            np.flatnonzero(models.used[job.variants.chrom[row]]).tolist(),
            held_out=models.name == HELD_OUT,
            scores=dict(zip(job.effects.names, tables[chosen][row].tolist(), strict=True)),
            target=target,
        )
        path = folder / f"{rank:03d}_{_file_name(one.variant)}.png"
        logger.info("drawing %s", path)
        with whole_file(path) as beside:
            variant_figure(one).savefig(beside, format="png", dpi=DPI)
        yield path


def _file_name(variant: GivenVariant) -> str:
    """Return a name for a variant's figure, of letters that every file system has."""
    place = f"{variant.chrom}_{variant.position}"
    name = place if variant.name == "." else f"{variant.name}_{place}"
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100]
