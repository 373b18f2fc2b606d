"""Open everything that an experiment names, and find its mistakes before any compute is spent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kerasac.cache import ShardMap, file_digest, in_process, local_copy
from kerasac.config import Experiment
from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly
from kerasac.genome.folds import Fold
from kerasac.sampling.batches import WindowSource, make_source
from kerasac.sampling.plan import SamplingPlan
from kerasac.sampling.regions import Candidates
from kerasac.steps.findings import Findings
from kerasac.steps.prepare_bins import prepare_bins
from kerasac.steps.prepared import Facts, Prepared
from kerasac.steps.survey import Survey, survey, with_local_files
from kerasac.store.choice import choose_reader
from kerasac.store.schema import StoreLayout
from kerasac.store.slabs import Track

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedWindows(Prepared):
    """An experiment of windows of an array's tracks."""

    layout: StoreLayout
    candidates: Candidates
    windows: WindowSource

    @property
    def assembly(self) -> Assembly:
        """The array's chromosomes."""
        return self.layout.assembly

    @property
    def source(self) -> WindowSource:
        """The array's windows, of all splits."""
        return self.windows

    @property
    def left_out(self) -> Mapping[str, int]:
        """Counts, by reason, of regions and positions that are never planned."""
        return self.candidates.skipped

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

    def data_facts(self) -> Facts:
        """Count datasets, attributes, candidates, and what was left out of these."""
        kind = "regions" if self.candidates.regions is not None else "runs of peak positions"
        return [
            ("array", f"{len(self.layout.datasets)} datasets × {len(self.layout.attributes)} attributes"),
            ("candidates", f"{self.candidates.n_peaks:,} {kind}"),
            *((f"left out: {what}", f"{count:,}") for what, count in self.candidates.skipped.items()),
        ]

    def origin(self) -> dict[str, Any]:
        """Name the array and its datasets."""
        return {"array": {"path": self.layout.path, "datasets": self.layout.datasets}}

    def content(self) -> list[str]:
        """Digests of sequence, tracks, candidates, and of a bias model that is given."""
        bias = self.experiment.bias
        given = [file_digest(local_copy(bias.model_file))] if bias is not None and bias.model_file is not None else []
        return [*self.source.content(), self.candidates.digest(), *given]


def prepare(experiment: Experiment, shards: ShardMap = in_process) -> Prepared:
    """Check an experiment against its files, and decode what all its trainings read, if this machine has not yet.

    ``shards`` runs the scan and the decoding, which take minutes on a large genome.

    Raises
    ------
    KerasacError
        For all mistakes found: missing files, names that the array does not have, chromosomes that do not match, a
        split without peaks, an input too narrow for the model. A single one keeps its own kind.
    """
    findings = Findings()
    prepared = prepare_with(findings, experiment, shards)
    findings.raise_errors()
    for warning in findings.warnings:
        logger.warning("%s", warning)
    assert prepared is not None, "without errors there is something to go on with"
    return prepared


def prepare_with(findings: Findings, experiment: Experiment, shards: ShardMap = in_process) -> Prepared | None:
    """Prepare an experiment, adding all that is wrong or odd to the findings; None when there are errors."""
    # What is prepared reads the copies of remote files; the experiment that goes with it, and is saved, names the URLs.
    prepared = _prepare_local(findings, with_local_files(experiment, findings), shards)
    return None if prepared is None else replace(prepared, experiment=experiment)


def _prepare_local(findings: Findings, experiment: Experiment, shards: ShardMap) -> Prepared | None:
    if experiment.labels is not None:
        return prepare_bins(experiment, findings, shards)
    found = survey(experiment, shards)
    findings.add(found.findings)
    if findings.errors:
        return None
    return findings.attempt(lambda: prepare_surveyed(experiment, found, shards))


def prepare_surveyed(experiment: Experiment, found: Survey, shards: ShardMap = in_process) -> PreparedWindows:
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
    prepared = PreparedWindows(experiment, folds, contract, parameters, layout, candidates, source)
    _check_values(prepared)
    for fold in folds:
        prepared.plan(fold, experiment.seeds[0])
    return prepared


def _make_source(experiment: Experiment, layout: StoreLayout, candidates: Candidates) -> WindowSource:
    """Read windows as ``compute.reader`` says, or as the rule for this machine and these tracks does."""
    sampling = experiment.sampling
    reach = max((spec.flank for spec in experiment.track_specs), default=0)
    spans = candidates.surroundings(reach, jitter=sampling.regions.jitter if sampling.regions is not None else 0)
    complete = not experiment.draws_background
    kind = experiment.compute.reader
    if kind == "auto":
        kind, reason = choose_reader(layout, _tracks(experiment), spans if complete else None)
        logger.info("compute.reader: %s (%s)", kind, reason)
    return make_source(experiment, layout, reader=kind, spans=spans, complete=complete)


def _tracks(experiment: Experiment) -> list[Track]:
    """Return every track that the experiment reads, once."""
    return list(
        dict.fromkeys(Track(*channel) for spec in experiment.track_specs for channel in experiment.channels(spec))
    )


def _check_values(prepared: PreparedWindows) -> None:
    """Refuse chromosomes of the folds on which a track has no value at all; log those with gaps."""
    if not prepared.source.decoded:
        logger.warning("the array is read block by block, and was not searched for chromosomes without values")
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
