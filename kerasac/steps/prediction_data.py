"""Open what a trained model needs to predict anywhere on a genome: less than a training does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kerasac.config import Experiment
from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly, read_chrom_sizes
from kerasac.genome.sequence import fasta_assembly, token_genome
from kerasac.models.contract import Contract, contract_of
from kerasac.models.loss_names import label_loss
from kerasac.sampling.batches import Source, make_source
from kerasac.sampling.sequence_source import SequenceSource
from kerasac.steps.findings import Findings
from kerasac.steps.survey import with_local_files
from kerasac.store.schema import read_layout


@dataclass(frozen=True)
class Reading:
    """Where windows are read, what goes in and comes out, and whether labels are read too.

    ``log_rates``: the model's values of bins are logarithms of counts.
    """

    source: Source
    contract: Contract
    assembly: Assembly
    labelled: bool = True
    log_rates: bool = False

    def content(self) -> list[object]:
        """Return what changes when sequence, tracks or what is made of them does, for the digests of jobs.

        Names of chromosomes are part of it: shuffles are seeded by them, and tables and files name them.
        """
        inputs = [[spec.name, spec.aggregate, spec.transform, spec.pseudocount] for spec in self.source.recipe.inputs]
        return [self.source.content(), inputs, list(self.assembly.as_dict().items())]


def open_reading(experiment: Experiment, *, labelled: bool = True, fasta: Path | None = None) -> Reading:
    """Open an experiment's sequence and tracks; peaks, negatives and folds are not looked at.

    The array is read block by block: nothing is decoded for windows that are read once. Without labels a model of
    sequence alone needs no array; a model of bins never has labels here, which only bins of a label file have.
    ``fasta`` is another genome than the experiment's, which has no labels.

    Raises
    ------
    ConfigError
        When another genome is asked for and labels or tracks are needed of it.
    KerasacError
        When a file is missing or does not fit.
    """
    contract = contract_of(experiment)
    if experiment.labels is not None:
        labelled = False
        _check_no_values(experiment)
    findings = Findings()
    local = with_local_files(experiment, findings)
    findings.raise_errors()
    tracks = [spec.name for spec in local.inputs if not spec.is_sequence]
    if fasta is not None and (labelled or tracks):
        needed = f"the model takes {', '.join(tracks)}" if tracks else "labels are read from the experiment's array"
        raise ConfigError(f"--fasta {fasta} is sequence alone, but {needed}; leave out --fasta, or add --no-labels")
    source: Source
    if labelled or tracks:
        kept = local if labelled else local.model_copy(update={"outputs": ()})
        layout = read_layout(str(local.store))
        source = make_source(kept, layout, reader="blocks")
        return Reading(source, contract, layout.assembly, labelled)
    sequence = fasta or local.genome.fasta
    assembly = fasta_assembly(sequence) if fasta is not None else _assembly(local)
    source = SequenceSource(token_genome(sequence, assembly), local.inputs)
    log_rates = experiment.labels is not None and label_loss(experiment.loss, contract.outputs[0]) == "poisson"
    return Reading(source, contract, assembly, labelled, log_rates)


def _check_no_values(experiment: Experiment) -> None:
    named = [spec.name for spec in experiment.inputs if not spec.is_sequence]
    if named:
        raise ConfigError(
            f"the model takes {', '.join(named)}, values of the bins of a label file, which other windows do not have; "
            "a model of sequence alone predicts anywhere"
        )


def _assembly(experiment: Experiment) -> Assembly:
    sizes = experiment.genome.chrom_sizes
    return fasta_assembly(experiment.genome.fasta) if sizes is None else read_chrom_sizes(sizes)
