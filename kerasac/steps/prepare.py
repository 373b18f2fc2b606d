"""Open everything that an experiment names, and find its mistakes before any compute is spent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kerasac.cache import ShardMap, digest, in_process
from kerasac.config import Experiment
from kerasac.errors import ConfigError, FoldError, KerasacError, StoreError
from kerasac.genome.assembly import check_same_sizes, read_chrom_sizes
from kerasac.genome.folds import Fold, balanced_folds, built_in_folds, on_assembly, read_folds
from kerasac.genome.sequence import check_fasta
from kerasac.models.contract import Contract, contract_of
from kerasac.models.registry import Parameters, read_parameters
from kerasac.sampling.batches import WindowSource, make_source, other_strands
from kerasac.sampling.plan import SamplingPlan
from kerasac.sampling.regions import Candidates, find_candidates
from kerasac.store.choice import choose_reader
from kerasac.store.schema import StoreLayout, read_layout
from kerasac.store.slabs import Track

logger = logging.getLogger(__name__)

_DEFAULT_FOLDS = 5
# Keys that may differ between two runs into one folder: they do not change what a fold and seed gives.
UNIT_INDEPENDENT = ("name", "seeds", "folds", "compute", "tracking")
_BY_CONTENT_OR_FREE = (*UNIT_INDEPENDENT, "genome", "store")


@dataclass(frozen=True)
class Prepared:
    """An experiment that was checked, with all that its units of work share; it travels to every worker."""

    experiment: Experiment
    layout: StoreLayout
    candidates: Candidates
    folds: tuple[Fold, ...]
    source: WindowSource
    contract: Contract
    parameters: Parameters

    def plan(self, fold: Fold, seed: int) -> SamplingPlan:
        """Return the sampling plan of a fold and seed."""
        return SamplingPlan(
            self.candidates,
            self.experiment.sampling,
            fold,
            seed,
            accept=self.source.accepts,
            background_ratio=self.experiment.score.background_ratio,
        )

    def fingerprint(self) -> str:
        """Return 16 hex digits that change with whatever decides the results of a fold and seed.

        Files count by their content, wherever they lie: a moved data folder changes nothing, an edited FASTA does.
        """
        spec = {key: value for key, value in self.experiment.as_dict().items() if key not in _BY_CONTENT_OR_FREE}
        for section in (spec["sampling"]["regions"], spec["sampling"]["negatives"]):
            if section is not None:
                del section["bed"]
        del spec["score"]["peaks"]
        chroms = list(self.layout.assembly.as_dict().items())
        content = [*self.source.content(), self.candidates.digest()]
        return digest({"experiment": spec, "chromosomes": chroms, "content": content})


def prepare(experiment: Experiment, shards: ShardMap = in_process) -> Prepared:
    """Check an experiment against its files, and decode what all its trainings read, if this machine has not yet.

    ``shards`` runs the scan and the decoding, which take minutes on a large genome.

    Raises
    ------
    KerasacError
        One of its kinds, for the first mistake found: a missing file, a name that the array does not have,
        chromosomes that do not match, a split without peaks, an input too narrow for the model.
    """
    _check_files(experiment)
    contract = contract_of(experiment)
    parameters = read_parameters(experiment.model.architecture, experiment.model.parameters)
    parameters.check(contract)
    layout = read_layout(str(experiment.store))
    _check_names(experiment, layout)
    _check_strands(experiment, layout)
    check_fasta(experiment.genome.fasta, layout.assembly)
    if experiment.genome.chrom_sizes is not None:
        sizes = read_chrom_sizes(experiment.genome.chrom_sizes).as_dict()
        check_same_sizes(layout.assembly.as_dict(), sizes, str(experiment.genome.chrom_sizes))
    candidates = find_candidates(experiment, layout, shards)
    folds = make_folds(experiment, candidates)
    for fold in folds:  # before anything is decoded; below again, with the outputs' min and max
        SamplingPlan(candidates, experiment.sampling, fold, 0, background_ratio=experiment.score.background_ratio)
    source = _make_source(experiment, layout, candidates)
    source.ensure(shards, verify=True)
    prepared = Prepared(experiment, layout, candidates, folds, source, contract, parameters)
    _check_values(prepared)
    for fold in folds:
        prepared.plan(fold, experiment.seeds[0])
    return prepared


def make_folds(experiment: Experiment, candidates: Candidates) -> tuple[Fold, ...]:
    """Return the experiment's folds: from its files, a published table, or balanced by peaks.

    Raises
    ------
    FoldError
        When the table has fewer folds than ``folds.n`` asks for, or leaks.
    """
    spec = experiment.folds
    if not spec.files and spec.scheme == "balanced":
        return balanced_folds(candidates.peaks_by_chrom(), spec.n or _DEFAULT_FOLDS)
    table = read_folds(spec.files) if spec.files else built_in_folds(spec.scheme)
    origin = ", ".join(str(path) for path in spec.files) or spec.scheme
    wanted = spec.n or len(table)
    if wanted > len(table):
        raise FoldError(f"folds.n is {wanted}, but {origin} has {len(table)} folds; ask for at most that many")
    return on_assembly(table[:wanted], candidates.assembly)


def describe(prepared: Prepared) -> list[tuple[str, str]]:
    """Return what an experiment amounts to, as (what, value) lines for a person."""
    experiment, candidates = prepared.experiment, prepared.candidates
    kind = "regions" if candidates.regions is not None else "runs of peak positions"
    lines = [
        (
            "genome",
            f"{len(prepared.layout.assembly.names)} chromosomes, {prepared.layout.assembly.total_bp:,} bases",
        ),
        ("array", f"{len(prepared.layout.datasets)} datasets × {len(prepared.layout.attributes)} attributes"),
        ("candidates", f"{candidates.n_peaks:,} {kind}"),
        *((f"left out: {what}", f"{count:,}") for what, count in candidates.skipped.items()),
        ("units of work", f"{len(prepared.folds)} folds × {len(experiment.seeds)} seeds"),
    ]
    for fold in prepared.folds:
        counts = _windows_by_split(prepared, fold)
        lines.append((f"fold {fold.index}", ", ".join(f"{name} {count:,}" for name, count in counts.items())))
    return lines


def _check_files(experiment: Experiment) -> None:
    """Name every file that is missing, all at once."""
    sampling = experiment.sampling
    named: list[tuple[str, Path | None]] = [
        ("genome.fasta", experiment.genome.fasta),
        ("genome.chrom_sizes", experiment.genome.chrom_sizes),
        ("genome.blacklist", experiment.genome.blacklist),
        ("store", experiment.store),
        ("sampling.regions.bed", sampling.regions.bed if sampling.regions else None),
        ("sampling.negatives.bed", sampling.negatives.bed if sampling.negatives else None),
        ("score.peaks", experiment.score.peaks),
        *(("folds.files", path) for path in experiment.folds.files),
    ]
    missing = [f"  {key}: {path}" for key, path in named if path is not None and not path.exists()]
    if missing:
        hint = "correct the paths, or say --data FOLDER when they are relative to another folder"
        raise ConfigError("\n".join(["these files do not exist:", *missing, hint]))


def _check_names(experiment: Experiment, layout: StoreLayout) -> None:
    """Check that the array has every attribute and dataset of the experiment, naming where it is used."""
    for spec in (*experiment.inputs, *experiment.outputs):
        if spec.is_sequence:
            continue
        with _located(f"source of {spec.name}"):
            layout.require_attributes(spec.source)
            for dataset in experiment.track_datasets(spec):
                layout.dataset_index(dataset)
    with _located("datasets"):
        for dataset in experiment.datasets:
            layout.dataset_index(dataset)
    with _located("sampling"):
        peaks, ambiguous = experiment.sampling.peaks, experiment.sampling.ambiguous
        layout.require_attributes([name for name in (peaks and peaks.attribute, ambiguous) if name])


def _check_strands(experiment: Experiment, layout: StoreLayout) -> None:
    """Refuse one strand without the other where windows are reversed: it would get the wrong strand's values."""
    if not experiment.sampling.reverse_complement:
        return
    for spec in (*experiment.inputs, *experiment.outputs):
        for attribute in spec.source:
            others = [other for other in other_strands(attribute) if other in layout.attributes]
            if others and not set(others) & set(spec.source):
                raise ConfigError(
                    f"source of {spec.name}: {attribute} is there without {others[0]}, which takes its place on the "
                    "reverse strand; add it to the source, or set sampling.reverse_complement to false"
                )


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Say which key of the experiment an error belongs to."""
    try:
        yield
    except KerasacError as error:
        raise type(error)(f"{where}: {error}") from error


def _make_source(experiment: Experiment, layout: StoreLayout, candidates: Candidates) -> WindowSource:
    """Read windows as ``compute.reader`` says, or as the rule for this machine and these tracks does."""
    sampling = experiment.sampling
    reach = max((spec.flank for spec in experiment.track_specs), default=0)
    spans = candidates.surroundings(reach, jitter=sampling.regions.jitter if sampling.regions is not None else 0)
    complete = not sampling.draws_background
    kind = experiment.compute.reader
    if kind == "auto":
        kind, reason = choose_reader(layout, _tracks(experiment), spans if complete else None)
        logger.info("compute.reader: %s (%s)", kind, reason)
    return make_source(experiment, layout, reader=kind, spans=spans, complete=complete)


def _tracks(experiment: Experiment) -> list[Track]:
    """Return every track that the experiment reads, once."""
    return list(
        dict.fromkeys(
            Track(dataset, attribute)
            for spec in experiment.track_specs
            for dataset in experiment.track_datasets(spec)
            for attribute in spec.source
        )
    )


def _check_values(prepared: Prepared) -> None:
    """Refuse chromosomes of the folds on which a track has no value at all; log those with gaps."""
    if not prepared.source.decoded:
        logger.info("the array is read block by block, so it was not searched for chromosomes without values")
        return
    used = {chrom for fold in prepared.folds for split in fold.as_dict().values() for chrom in split}
    for decoded in prepared.source.decoded:
        facts, (dataset, attribute) = decoded.facts(), decoded.track
        for chrom in sorted(used & facts.missing.keys()):
            if facts.missing[chrom] == facts.bases[chrom]:
                raise StoreError(
                    f"{attribute} of {dataset} has no value on {chrom}: its bigWig lacks the chromosome; "
                    "leave the chromosome out of the folds, or ingest a complete bigWig"
                )
            n_missing = f"{facts.missing[chrom]:,}"
            logger.warning(
                "%s of %s: %s bases of %s without a value are read as 0", attribute, dataset, n_missing, chrom
            )


def _windows_by_split(prepared: Prepared, fold: Fold) -> dict[str, int]:
    plan = prepared.plan(fold, prepared.experiment.seeds[0])
    return {"train": len(plan.train(0)), "valid": len(plan.valid()), "test": len(plan.test())}
