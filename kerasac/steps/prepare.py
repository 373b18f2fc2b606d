"""Open everything that an experiment names, and find its mistakes before any compute is spent."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from kerasac.cache import ShardMap, digest, in_process
from kerasac.config import Experiment
from kerasac.errors import StoreError
from kerasac.genome.folds import Fold
from kerasac.models.contract import Contract
from kerasac.models.registry import Parameters
from kerasac.sampling.batches import WindowSource, make_source
from kerasac.sampling.plan import SamplingPlan
from kerasac.sampling.regions import Candidates
from kerasac.steps.survey import Survey, survey
from kerasac.store.choice import choose_reader
from kerasac.store.schema import StoreLayout
from kerasac.store.slabs import Track

logger = logging.getLogger(__name__)

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
        For all mistakes found: missing files, names that the array does not have, chromosomes that do not match, a
        split without peaks, an input too narrow for the model. A single one keeps its own kind.
    """
    found = survey(experiment, shards)
    found.findings.raise_errors()
    for warning in found.findings.warnings:
        logger.warning("%s", warning)
    return prepare_surveyed(experiment, found, shards)


def prepare_surveyed(experiment: Experiment, found: Survey, shards: ShardMap = in_process) -> Prepared:
    """Decode what an experiment reads, after a survey that found no error, and check the values."""
    layout, candidates, folds = found.layout, found.candidates, found.folds
    contract, parameters = found.contract, found.parameters
    assert layout is not None, "a survey without errors has all its parts"
    assert candidates is not None, "a survey without errors has all its parts"
    assert folds is not None, "a survey without errors has all its parts"
    assert contract is not None, "a survey without errors has all its parts"
    assert parameters is not None, "a survey without errors has all its parts"
    source = _make_source(experiment, layout, candidates)
    source.ensure(shards, verify=True)
    prepared = Prepared(experiment, layout, candidates, folds, source, contract, parameters)
    _check_values(prepared)
    for fold in folds:
        prepared.plan(fold, experiment.seeds[0])
    return prepared


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
