"""A training by kerasAC_train of the tiny genome, which tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from original_commands import TRACKABLES
from rich.console import Console

from kerasac.cli.original.entry import run

PARAMETERS = {
    "filters": "4",
    "n_dil_layers": "1",
    "conv1_kernel_size": "9",
    "profile_kernel_size": "15",
    "counts_loss_weight": "2.5",
}
INPUTS = (
    "--tdb_input_source_attribute seq control_plus,control_minus control_plus,control_minus "
    "--tdb_input_flank 100 30 30 --tdb_input_aggregation None None sum --tdb_input_transformation None None log "
    "--num_inputs 3"
)
OUTPUTS = (
    "--tdb_output_source_attribute plus,minus plus,minus --tdb_output_flank 30 30 --tdb_output_aggregation None sum "
    "--tdb_output_transformation None log --num_outputs 2"
)


@dataclass(frozen=True)
class Trained:
    """The command line of a training, and where its files are."""

    line: str
    prefix: Path
    data: Path

    def file(self, ending: str) -> Path:
        """Return a file by its ending."""
        return self.prefix.with_name(f"{self.prefix.name}.{ending}")

    @property
    def tracks(self) -> str:
        """The flags of inputs and outputs."""
        files = f"--ref_fasta {self.data / 'genome.fa'} --tdb_array {self.data / 'signal.tdb'}"
        return f"{files} --tasks tiny {INPUTS} {OUTPUTS}"


@pytest.fixture(scope="session")
def command() -> Callable[..., int]:
    """Return what runs a command of kerasAC in this process, quietly."""

    def call(name: str, line: str, console: Console | None = None) -> int:
        return run(name, line.split(), console or Console(quiet=True))

    return call


@pytest.fixture(scope="session")
def trained(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory, command: Callable[..., int]) -> Trained:
    """A ChIP-seq model of fold 1 after two epochs."""
    folder = tmp_path_factory.mktemp("kerasac")
    (folder / "params.txt").write_text("".join(f"{name}\t{value}\n" for name, value in PARAMETERS.items()))
    found = Trained("", folder / "tiny.1", tiny_folder)
    line = (
        f"{found.tracks} --seed 7 --revcomp --batch_size 16 --tdb_partition_attribute_for_upsample peak "
        "--tdb_partition_thresh_for_upsample 1 --tdb_ambig_attribute ambig --upsample_ratio_list_train 1.0 "
        "--upsample_ratio_list_eval 1.0 --tdb_output_min None 0.5 --tdb_output_max None 11.5 --fold 1 --genome hg38 "
        "--num_train 64 --num_valid 32 --num_tasks 2 --epochs 2 --architecture_spec profile_bpnet_chipseq "
        f"--model_params {folder / 'params.txt'} --model_prefix {found.prefix} --max_queue_size 20 "
        f"--trackables {' '.join(TRACKABLES)}"
    )
    assert command("kerasAC_train", line) == 0
    return Trained(line, found.prefix, found.data)
