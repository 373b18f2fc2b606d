"""Write motifs into shuffled backgrounds, and say what a run's models make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasac.cache import whole_file, with_ending
from kerasac.errors import ConfigError
from kerasac.genome.assembly import IntArray
from kerasac.genome.centering import Center
from kerasac.interpret.backgrounds import chosen_centers, random_centers
from kerasac.interpret.both_strands import Ends, ends_of
from kerasac.interpret.effects import Effects
from kerasac.interpret.marginal import (
    DEFINITIONS,
    Marginal,
    summarised,
    write_footprints,
    write_marginal,
    write_pairs,
)
from kerasac.interpret.marginal_design import Design, pairs_of
from kerasac.interpret.marginal_job import SHARD_SEQUENCES, MarginalJob
from kerasac.interpret.motif_sites import check_motifs, motif_of_letters, motif_of_matrix
from kerasac.interpret.motifs.meme import read_meme
from kerasac.runs.interpreted import effects_of
from kerasac.runs.records import finished, write_record
from kerasac.runs.sharded import JobRequest, Progress, finish_shards, parts_folder
from kerasac.runs.trained import Trained, open_trained
from kerasac.sampling.given_windows import windows_of_regions
from kerasac.steps.plots.style import DPI
from kerasac.steps.prediction_data import Reading, open_reading


@dataclass(frozen=True)
class MarginalRequest(JobRequest):
    """What is asked for. ``out`` is a prefix.

    ``motifs`` are names and IUPAC letters; ``meme`` is a file of more, whose sites are ``drawn`` from their
    probabilities or are the most probable bases. ``backgrounds`` is a BED file whose windows are shuffled, None =
    random windows of the genome; ``n`` of them. ``pairs`` are names of motifs, at each of ``spacings``.
    """

    sources: tuple[Path, ...]
    out: Path
    motifs: tuple[tuple[str, str], ...] = ()
    meme: Path | None = None
    drawn: bool = False
    backgrounds: Path | None = None
    n: int = 100
    pairs: tuple[tuple[str, str], ...] = ()
    spacings: tuple[int, ...] = tuple(range(10, 101, 10))
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.motifs and self.meme is None:
            raise ConfigError("no motif is given: --motif NAME=SEQUENCE, or --motifs FILE.meme")
        if self.n < 1 or self.seed < 0:
            raise ConfigError(f"n is {self.n}, seed {self.seed}; n must be at least 1, the seed at least 0")


@dataclass(frozen=True)
class MarginalDone:
    """What was written, and the motifs' mean effects with their standard errors, and scrambled, the largest first."""

    files: tuple[Path, ...]
    score: str
    effects: tuple[tuple[str, float, float, float], ...]
    n_backgrounds: int
    n_now: int
    n_models: int


def marginal_effects(request: MarginalRequest, progress: Progress | None = None) -> MarginalDone:
    """Predict motifs in backgrounds into ``<out>.tsv``, ``.footprints.h5``, ``.png`` and, with pairs, ``.pairs.*``.

    All models are asked: no background is a sequence that one was trained on.

    Raises
    ------
    KerasacError
        Before anything is predicted, when something is missing or does not fit.
    RunError
        When ``<out>.tsv`` is there and is not of these models and motifs.
    """
    trained = open_trained(request.sources, request.experiment, corrected=request.corrected)
    reading = open_reading(trained.experiment, labelled=False, fasta=request.fasta)
    ends = ends_of(trained.experiment)
    effects = effects_of(trained, ends, log_rates=reading.log_rates)
    design = _design(request, ends)
    reading.source.ensure()
    job = _job(request, trained, reading, ends, effects, design)
    record, digest = with_ending(request.out, "json"), job.digest()
    table = with_ending(request.out, "tsv")
    facts = finished(record, digest, table, overwrite=request.overwrite)
    if facts is not None:
        return _done(facts, 0)
    made: dict[str, object] = {}

    def finish() -> None:
        table.unlink(missing_ok=True)  # an older one would pass for this one beside the new record
        marginal = summarised(job)
        files = _write(request.out, marginal, trained)
        made.update(_record(request, marginal, trained, files))
        write_record(record, digest, made)
        write_marginal(table, marginal)  # last, as it stands for the whole

    n_now = finish_shards(job, finish, request, what=f"marginal effects to {request.out.name}", progress=progress)
    return _done(made, n_now)


def _design(request: MarginalRequest, ends: Ends) -> Design:
    motifs = [motif_of_letters(name, letters) for name, letters in request.motifs]
    if request.meme is not None:
        found = read_meme(request.meme)
        motifs += [motif_of_matrix(name, matrix, drawn=request.drawn) for name, matrix in found.items()]
    check_motifs(motifs, ends.width_bp)
    pairs = pairs_of(request.pairs, request.spacings, motifs, ends.width_bp)
    return Design(tuple(motifs), pairs, ends.width_bp)


def _job(
    request: MarginalRequest, trained: Trained, reading: Reading, ends: Ends, effects: Effects, design: Design
) -> MarginalJob:
    centers = _centers(request, trained, reading)
    return MarginalJob(
        folder=parts_folder(request.out),
        shard_items=max(1, SHARD_SEQUENCES // len(design.conditions)),
        reading=reading,
        ends=ends,
        effects=effects,
        models=trained.models,
        parameters=trained.parameters,
        design=design,
        centers=centers,
        numbers=_numbers(centers),
        seed=request.seed,
    )


def _centers(request: MarginalRequest, trained: Trained, reading: Reading) -> IntArray:
    flank, genome = trained.experiment.widest_flank, reading.source.tokens.open()
    rng = np.random.default_rng([request.seed, request.n])
    if request.backgrounds is None:
        return random_centers(reading.assembly, genome, flank, request.n, rng)
    given = windows_of_regions(request.backgrounds, reading.assembly, flank, center=Center.CENTER)
    return chosen_centers(given.windows.center, genome, flank, request.n, rng)


def _numbers(centers: IntArray) -> IntArray:
    """Number the windows of each centre, so that each has a shuffle of its own."""
    order = np.argsort(centers, kind="stable")
    _, first, counts = np.unique(centers[order], return_index=True, return_counts=True)
    numbers = np.empty(len(centers), dtype=np.int64)
    numbers[order] = np.arange(len(centers)) - np.repeat(first, counts)
    return numbers


def _write(out: Path, marginal: Marginal, trained: Trained) -> list[Path]:
    """Write all but the table: footprints, pairs and figures."""
    from kerasac.interpret.plots.marginal import marginal_figure, pairs_figure

    files, figures = [], [("png", marginal_figure)]
    if marginal.footprints.size:
        files.append(with_ending(out, "footprints.h5"))
        write_footprints(files[-1], marginal, {"models": [str(path) for path in trained.models]})
    if marginal.design.pairs:
        files.append(with_ending(out, "pairs.tsv"))
        write_pairs(files[-1], marginal)
        figures.append(("pairs.png", pairs_figure))
    for end, draw in figures:
        files.append(with_ending(out, end))
        with whole_file(files[-1]) as beside:
            draw(marginal).savefig(beside, format="png", dpi=DPI)
    return files


def _record(request: MarginalRequest, marginal: Marginal, trained: Trained, files: list[Path]) -> dict[str, object]:
    return {
        "files": [str(path) for path in (with_ending(request.out, "tsv"), *files)],
        "score": marginal.scores.names[0],
        "effects": _largest(marginal),
        "n_backgrounds": marginal.n_backgrounds,
        "seed": request.seed,
        "models": [str(path) for path in trained.models],
        "definitions": {**DEFINITIONS, **marginal.scores.definitions},
    }


def _done(facts: Mapping[str, Any], n_now: int) -> MarginalDone:
    effects = tuple((str(name), float(mean), float(se), float(floor)) for name, mean, se, floor in facts["effects"])
    files = tuple(Path(path) for path in facts["files"])
    return MarginalDone(files, facts["score"], effects, facts["n_backgrounds"], n_now, len(facts["models"]))


def _largest(marginal: Marginal) -> list[tuple[str, float, float, float]]:
    found = [
        (motif.name, marginal.mean(i).mean, marginal.mean(i).se, marginal.floor(i).mean)
        for i, motif in enumerate(marginal.design.motifs)
    ]
    return sorted(found, key=lambda one: -abs(one[1]))
