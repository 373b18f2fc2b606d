"""Command lines of kerasAC, as users write them, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kerasac.cli.original.commands import BY_NAME
from kerasac.cli.original.flags import Given, read_flags
from kerasac.cli.original.lookups import LabelFile, Lookups

PLUS_MINUS = "count_bigwig_plus_5p,count_bigwig_minus_5p"
CONTROLS = "control_count_bigwig_plus_5p,control_count_bigwig_minus_5p"

INPUTS = (
    f"--tdb_input_source_attribute seq {CONTROLS} {CONTROLS} --tdb_input_aggregation None None sum "
    "--tdb_input_transformation None None log --tdb_input_flank 300 100 100 --tdb_input_min None None None "
    "--tdb_input_max None None None --num_inputs 3"
)
OUTPUTS = (
    f"--tdb_output_source_attribute {PLUS_MINUS} {PLUS_MINUS} --tdb_output_flank 100 100 "
    "--tdb_output_aggregation None sum --tdb_output_transformation None log --num_outputs 2"
)
TRACKABLES = (
    "logcount_predictions_loss",
    "loss",
    "profile_predictions_loss",
    "val_logcount_predictions_loss",
    "val_loss",
    "val_profile_predictions_loss",
)
TRAIN = (
    f"--seed 1234 --revcomp --batch_size 50 --ref_fasta genome.fa --tdb_array store.tdb {INPUTS} {OUTPUTS} "
    "--tdb_partition_attribute_for_upsample overlap_peak --tdb_partition_thresh_for_upsample 1 "
    "--tdb_output_min None 4.6 --tdb_output_max None 11.5 --tdb_ambig_attribute ambig_peak --fold 1 --genome hg38 "
    "--num_train 200 --num_valid 100 --num_tasks 2 --upsample_threads 24 --threads 0 --max_queue_size 20 --patience 3 "
    "--patience_lr 2 --model_prefix out/K562.1 --architecture_spec profile_bpnet_chipseq --model_params params.txt "
    "--use_multiprocessing False --tasks K562 --upsample_ratio_list_train 1.0 --upsample_ratio_list_eval 1.0 "
    f"--trackables {' '.join(TRACKABLES)}"
)


def given(command: str, line: str) -> Given:
    """Read a command line."""
    return read_flags(command, BY_NAME[command].flags, line.split())


def changed(line: str, **flags: str | None) -> str:
    """Return a command line with some flags' values replaced; None takes a flag away."""
    words, kept, skip = line.split(), [], False
    for word in words:
        if word.startswith("--"):
            skip = word[2:] in flags
        if not skip:
            kept.append(word)
    added = [f"--{name} {value}" for name, value in flags.items() if value is not None]
    return " ".join([*kept, *added])


class KnownFiles(Lookups):
    """Files that need not be there."""

    def __init__(
        self, parameters: Mapping[str, str] | None = None, width_bp: int = 1000, *, classes: bool = True
    ) -> None:
        self.known = parameters or {}
        self.width_bp, self.classes = width_bp, classes

    def datasets(self, store: Path) -> tuple[str, ...]:
        return ("K562", "GM12878")

    def chromosomes(self, store: Path | None, fasta: Path) -> tuple[str, ...]:
        return ("chr1", "chr2", "chr3")

    def labels(self, path: Path) -> LabelFile:
        return LabelFile(("gc",) if path.stem == "gc" else ("A", "B"), self.width_bp)

    def are_classes(self, path: Path, tasks: Sequence[str]) -> bool:
        return self.classes

    def parameters(self, path: Path) -> Mapping[str, str]:
        return self.known
