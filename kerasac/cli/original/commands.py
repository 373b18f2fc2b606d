"""List the commands of kerasAC and seqdataloader: their flags, and what each is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from kerasac.cli.original import interpret_flags, motif_flags, other_flags
from kerasac.cli.original.flags import Flag, Given
from kerasac.cli.original.predict_flags import predict_hdf5_flags, predict_tdb_flags
from kerasac.cli.original.train_flags import cross_validate_flags, train_flags

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Done:
    """How a command ended: what was written, the ``kerasac-ray`` command that does the same, and the exit status."""

    hint: str
    written: tuple[str, ...] = ()
    exit_status: int = 0
    printed: tuple[str, ...] = ()
    """Lines of the result itself."""


@dataclass(frozen=True)
class Command:
    """A command of the original, by its name.

    ``runner`` is ``module:function`` of this package, ``instead`` the command of ``kerasac-ray`` that does the like.
    """

    name: str
    summary: str
    flags: tuple[Flag, ...]
    runner: str
    instead: str
    also: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """All its names."""
        return (self.name, *self.also)

    def run(self, given: Given, console: Console) -> Done:
        """Do what a command line asks for; ``console`` is where people are spoken to."""
        module, _, function = self.runner.partition(":")
        done: Done = getattr(import_module(f"kerasac.cli.original.{module}"), function)(given, console)
        return done


COMMANDS = (
    Command("kerasAC_train", "train a model on one fold", train_flags(), "train:train", "cv"),
    Command(
        "kerasAC_cross_validate",
        "train, predict and score all folds on bins",
        cross_validate_flags(),
        "cross_validate:cross_validate",
        "cv",
        also=("keras_cross_validate",),
    ),
    Command(
        "kerasAC_predict_tdb", "predict windows of an array", predict_tdb_flags(), "predict_tdb:predict_tdb", "predict"
    ),
    Command(
        "kerasAC_predict_hdf5",
        "predict bins of a label file",
        predict_hdf5_flags(),
        "predict_hdf5:predict_hdf5",
        "predict",
    ),
    Command(
        "kerasAC_loss_weights",
        "print the weight of the counts loss",
        other_flags.LOSS_WEIGHTS,
        "loss_weights:loss_weights",
        "loss-weights",
        also=("kerasAC_loss_weights_bpnet",),
    ),
    Command(
        "kerasAC_score_bpnet", "score profiles and counts", other_flags.SCORE_BPNET, "score_bpnet:score_bpnet", "score"
    ),
    Command("kerasAC_score", "score predictions of bins", other_flags.SCORE, "score_bins:score", "score"),
    Command(
        "kerasAC_calibrate", "calibrate predictions of bins", other_flags.CALIBRATE, "calibrate:calibrate", "calibrate"
    ),
    Command(
        "kerasAC_curves", "draw precision, recall and false positives", other_flags.CURVES, "curves:curves", "curves"
    ),
    Command(
        "kerasAC_bigwigs_from_io",
        "write predictions as bigWigs",
        other_flags.BIGWIGS,
        "bigwigs:bigwigs_from_io",
        "bigwig",
    ),
    Command(
        "kerasAC_aggregate_summaries",
        "put many summaries into one table",
        other_flags.SUMMARIES,
        "summaries:aggregate_summaries",
        "summarize",
    ),
    Command(
        "kerasAC_interpret",
        "explain a model of sequence",
        interpret_flags.interpret_flags(),
        "explain:interpret",
        "interpret",
    ),
    Command(
        "kerasAC_bpnet_shap_wrapper",
        "explain profiles and counts",
        interpret_flags.shap_wrapper_flags(),
        "explain:bpnet_shap_wrapper",
        "interpret",
    ),
    Command(
        "kerasAC_plot_interpretation",
        "draw contributions as letters",
        interpret_flags.PLOT_INTERPRETATION,
        "explain:plot_interpretation",
        "plot",
        also=("kerasAC_plot_interpret",),
    ),
    Command(
        "kerasAC_bigwigs_from_deepshap",
        "write contributions as bigWigs",
        interpret_flags.BIGWIGS_FROM_DEEPSHAP,
        "bigwigs:bigwigs_from_deepshap",
        "bigwig",
    ),
    Command(
        "kerasAC_form_modisco_inputs",
        "write contributions as arrays",
        interpret_flags.FORM_MODISCO_INPUTS,
        "explain:form_modisco_inputs",
        "interpret",
    ),
    Command(
        "kerasAC_run_modisco", "find motifs in contributions", motif_flags.RUN_MODISCO, "motifs:run_modisco", "motifs"
    ),
    Command(
        "kerasAC_trim_modisco",
        "draw trimmed motifs",
        motif_flags.TRIM_MODISCO,
        "motif_figures:trim_modisco",
        "motifs",
    ),
    Command(
        "kerasAC_tomtom_scan_modisco",
        "compare motifs with known ones",
        motif_flags.TOMTOM_SCAN,
        "motifs:tomtom_scan",
        "motifs",
    ),
    Command(
        "kerasAC_aggregate_tomtom_motifs",
        "put motifs that are known into one MEME file",
        motif_flags.AGGREGATE_TOMTOM,
        "motifs:aggregate_tomtom",
        "motifs",
    ),
    Command(
        "kerasAC_plot_motifs",
        "draw matrices as logos",
        motif_flags.PLOT_MOTIFS,
        "motif_figures:plot_motifs",
        "motifs",
    ),
    Command(
        "kerasAC_html_modisco",
        "show motifs on a page",
        motif_flags.HTML_MODISCO,
        "motif_figures:html_modisco",
        "motifs",
    ),
    Command("db_ingest", "write tracks into a TileDB array", other_flags.DB_INGEST, "ingest:db_ingest", "ingest"),
    Command(
        "genomewide_labels",
        "label the bins of a genome",
        other_flags.GENOMEWIDE_LABELS,
        "labels:genomewide_labels",
        "labels",
    ),
)
BY_NAME = {name: command for command in COMMANDS for name in command.names}
