"""Prepare an experiment of bins: label files, sequence, folds, and all that is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kerasac.cache import ShardMap, file_digest, in_process, local_copy, shown
from kerasac.config import Experiment
from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly, read_chrom_sizes
from kerasac.genome.folds import Fold
from kerasac.genome.intervals import Spans
from kerasac.genome.sequence import check_fasta, fasta_assembly
from kerasac.models.class_weights import ClassWeights, class_weights, read_class_weights
from kerasac.models.contract import Contract
from kerasac.models.registry import Parameters
from kerasac.sampling.bins import BinPlan, BinSource, make_bin_sources
from kerasac.steps.findings import Finding, Findings
from kerasac.steps.prepared import Facts, Prepared
from kerasac.steps.survey import check_files, check_model, fold_table, missing_files

_FEW_BINS = 100  # of the top part, or positive, in a split


@dataclass(frozen=True)
class PreparedBins(Prepared):
    """An experiment of the bins of label files."""

    training_bins: BinSource
    held_out_bins: BinSource

    @property
    def assembly(self) -> Assembly:
        """The FASTA's chromosomes, or those of genome.chrom_sizes."""
        return self.training_bins.tokens.assembly

    @property
    def source(self) -> BinSource:
        """Training bins."""
        return self.training_bins

    @property
    def held_out(self) -> BinSource:
        """Validation and test bins: of the file that is theirs, where there is one."""
        return self.held_out_bins

    def plan(self, fold: Fold, seed: int) -> BinPlan:
        """Return the sampling plan of a fold and seed."""
        return BinPlan(self.training_bins, self.held_out_bins, self.experiment.sampling, fold, seed)

    def data_facts(self) -> Facts:
        """Count bins, and the positive and ambiguous ones of each task."""
        table, labels = self.training_bins.labels.open(), self.training_bins.labels
        lines = [("bins", f"{len(table.center):,} of {labels.bin_bp:,} bases, with their flanks")]
        for task, column in zip(labels.tasks, table.values.T, strict=True):
            ambiguous, positive = int(np.isnan(column).sum()), int((column > 0).sum())
            lines.append((f"task {task}", f"{positive:,} bins above 0, {ambiguous:,} ambiguous"))
        if len(self.training_bins.blacklist):
            n_listed = int(self.training_bins.blacklist.contains(table.center.astype(np.int64)).sum())
            lines.append(("blacklist", f"{n_listed:,} bins have their centre in it and are left out"))
        parts = self.plan(self.folds[0], self.experiment.seeds[0]).counts()
        if len(parts) > 1:
            said = ", ".join(f"{n:,} {name}" for name, n in parts.items())
            lines.append((f"training bins of fold {self.folds[0].index}", said))
        return lines

    def origin(self) -> dict[str, Any]:
        """Name the label files."""
        columns = {
            **self.training_bins.columns,
            **{f"{k} (held out)": v for k, v in self.held_out_bins.columns.items()},
        }
        return {"labels": {name: shown(column.path) for name, column in columns.items()}}

    def content(self) -> list[str]:
        """Digests of sequence and values, and of a file of class weights."""
        given = self.experiment.loss.class_weights
        weights = [file_digest(local_copy(given))] if isinstance(given, Path) else []
        return [*self.training_bins.content(), *self.held_out_bins.content(), *weights]

    def class_weights(self, fold: Fold) -> dict[str, ClassWeights]:
        """Return the weights of the classes of each output, by its name; empty when none are asked for.

        Raises
        ------
        ModelError
            When a file does not fit the tasks, or a task lacks a class in the training chromosomes.
        """
        given = self.experiment.loss.class_weights
        if given is None:
            return {}
        (port,) = self.contract.outputs
        if given != "auto":
            return {port.name: read_class_weights(local_copy(given), port.tasks)}
        table, assembly = self.training_bins.labels.open(), self.assembly
        allowed = Spans.of_chromosomes(list(fold.train), assembly).subtract(self.training_bins.blacklist)
        rows = allowed.contains(table.center.astype(np.int64))
        return {port.name: class_weights(table.values[rows], port.tasks)}


def prepare_bins(experiment: Experiment, findings: Findings, shards: ShardMap = in_process) -> PreparedBins | None:
    """Check an experiment of bins, and read its label files into the cache; None when there are errors.

    All mistakes that do not follow from another are found.
    """
    not_there = missing_files(experiment)
    findings.attempt(lambda: check_files(not_there))
    contract, parameters = check_model(experiment, findings)
    assembly = None
    if not {"genome.fasta", "genome.chrom_sizes"} & {key for key, _ in not_there}:
        assembly = findings.attempt(lambda: _assembly(experiment))
    if assembly is None or not_there or contract is None or parameters is None:
        return None
    sources = findings.attempt(lambda: _sources(experiment, assembly, shards))
    if sources is None:
        return None
    _check_flanks(experiment, sources, findings)
    return _with_folds(experiment, contract, parameters, sources, findings)


def _with_folds(
    experiment: Experiment,
    contract: Contract,
    parameters: Parameters,
    sources: tuple[BinSource, BinSource],
    findings: Findings,
) -> PreparedBins | None:
    weights = _positives_by_chrom(sources[0], experiment)
    folds = findings.attempt(lambda: fold_table(experiment.folds, weights, sources[0].tokens.assembly))
    if folds is None:
        return None
    prepared = PreparedBins(experiment, folds, contract, parameters, *sources)
    plans = [findings.attempt(partial(prepared.plan, fold, experiment.seeds[0])) for fold in folds]
    for fold in folds:
        findings.attempt(partial(prepared.class_weights, fold))
    if findings.errors:
        return None
    findings.found += _judge(prepared, [plan for plan in plans if plan is not None])
    return prepared


def _assembly(experiment: Experiment) -> Assembly:
    genome = experiment.genome
    if genome.chrom_sizes is None:
        return fasta_assembly(genome.fasta)
    assembly = read_chrom_sizes(genome.chrom_sizes)
    check_fasta(genome.fasta, assembly)
    return assembly


def _sources(experiment: Experiment, assembly: Assembly, shards: ShardMap) -> tuple[BinSource, BinSource]:
    """Read what the experiment names into the cache, and see that all files have the same bins."""
    sources = make_bin_sources(experiment, assembly)
    for source in sources:
        source.ensure(shards, verify=True)
        for name, column in source.columns.items():
            if column.path != source.labels.path:
                _check_covers(source, name)
    return sources


def _check_covers(source: BinSource, name: str) -> None:
    ours, theirs = source.labels.open().center, source.columns[name].open().center
    lacking = ~np.isin(ours, theirs, assume_unique=True)
    if lacking.any():
        raise ConfigError(
            f"input {name}: {source.columns[name].path} lacks {int(lacking.sum()):,} of the {len(ours):,} bins of "
            f"{source.labels.path}; make it for the same bins"
        )


def _check_flanks(experiment: Experiment, sources: tuple[BinSource, BinSource], findings: Findings) -> None:
    for spec in experiment.inputs:
        for source in sources:
            if spec.is_sequence and spec.width_bp != source.labels.bin_bp:
                findings.warn(
                    f"inputs.{spec.name}.flank",
                    f"the window has {spec.width_bp:,} bases, the bins of {source.labels.path.name} with their flanks "
                    f"{source.labels.bin_bp:,}; flank {source.labels.bin_bp // 2} is as wide",
                )


def _positives_by_chrom(source: BinSource, experiment: Experiment) -> dict[str, int]:
    """Count, by chromosome, the bins whose greatest label reaches the first threshold, or is above 0."""
    table, assembly = source.labels.open(), source.tokens.assembly
    assert experiment.sampling.bins is not None, "an experiment of bins has this section"
    bound = (experiment.sampling.bins.thresholds or (np.nextafter(0, 1),))[0]
    bounds = np.searchsorted(table.center, np.append(assembly.offsets, assembly.total_bp))
    return {
        chrom: int((np.fmax.reduce(table.values[low:high], axis=1, initial=-np.inf) >= bound).sum())
        for chrom, low, high in zip(assembly.names, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    }


def _judge(prepared: PreparedBins, plans: Sequence[BinPlan]) -> list[Finding]:
    """Say what is odd about labels: tasks without positives, or whose values are no classes, and small splits."""
    findings = []
    values = prepared.training_bins.labels.open().values
    for port in prepared.contract.outputs:
        for task, column in zip(port.tasks, values.T, strict=True):
            labelled = column[~np.isnan(column)]
            if port.role == "classification" and not np.isin(labelled, (0, 1)).all():
                message = "a classification's labels are 0, 1 or NaN; say kind: regression for other values"
                findings.append(Finding("error", f"{port.name} · {task}", message))
            elif len(labelled) < len(column) // 2:
                share = f"{1 - len(labelled) / max(1, len(column)):.0%} of the bins are ambiguous"
                findings.append(Finding("warning", f"{port.name} · {task}", share))
    for plan in plans:
        few = {
            name: n
            for name, windows in (("valid", plan.valid()), ("test", plan.test()))
            if (n := int(windows.is_peak.sum())) < _FEW_BINS
        }
        if few:
            said = ", ".join(f"{n} in {name}" for name, n in few.items())
            findings.append(Finding("warning", "folds", f"fold {plan.fold.index} has few positive bins: {said}"))
    return findings
