"""kerasAC_bigwigs_from_io: all tracks of a file of predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint, shortest
from kerasac.cli.original.train import local_prefix

if TYPE_CHECKING:
    from rich.console import Console


def bigwigs_from_io(given: Given, console: Console) -> Done:
    """Write labels, predictions and their differences as counts, shares and logits."""
    del console
    from kerasac.steps.bigwig import TRACKS, prediction_bigwigs

    source, prefix = given.path("predictions_hdf"), local_prefix(given, "out_prefix")
    sizes = given.text("chrom_sizes_file")
    written = prediction_bigwigs(
        source, prefix, tracks=list(TRACKS), chrom_sizes=Path(sizes) if sizes else None, overwrite=True
    )
    same = hint("bigwig", source, out=given.text("out_prefix"), tracks=",".join(TRACKS), chrom_sizes=sizes)
    return Done(same, tuple(str(shortest(one.path)) for one in written))
