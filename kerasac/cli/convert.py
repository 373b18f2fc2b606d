"""kerasac-ray convert: models that Keras 2 saved, for Keras 3."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kerasac.cli.options import Verbose, set_volume


def convert(
    old: Annotated[Path, typer.Argument(help="Model: kerasAC's .hdf5, its .arch, or chrombpnet's .h5.")],
    new: Annotated[Path, typer.Argument(help="File to write, which ends in .keras.")],
    weights: Annotated[Path | None, typer.Option(help="Of an architecture: its weights; default: beside it.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Write a model that Keras 2 saved as one that plain Keras 3 loads.

    No code of the old file is run. Inputs (one-hot rows, A C G T) and outputs stay; losses and optimizer are left out.
    The new file opens with keras.models.load_model(NEW, compile=False), and as bias.model_file of an experiment.
    """
    set_volume(verbose, quiet=False)
    from kerasac.cli.show import show_facts
    from kerasac.models.quiet_start import load_keras_quietly

    load_keras_quietly()
    from kerasac.steps.convert import convert as convert_model

    done = convert_model(old, new, weights, overwrite=overwrite)
    ends = {"inputs": done.inputs, "outputs": done.outputs}
    facts = [(what, ", ".join(f"{name} {shape}" for name, shape in named.items())) for what, named in ends.items()]
    show_facts(f"wrote {done.path}", [*facts, ("weights", f"{done.n_weights:,}")], Console())
