"""kerasac-ray ablate: what models say that regions do, by replacing them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kerasac.cli.options import (
    Corrected,
    ModelExperiment,
    OtherGenome,
    Overwrite,
    Quiet,
    Sources,
    Verbose,
    Workers,
    file_prefix,
    open_console,
    set_volume,
)


def ablate(
    sources: Sources,
    regions: Annotated[Path, typer.Argument(help="BED: regions to replace, each inside a window around its middle.")],
    out: Annotated[
        Path, typer.Option(parser=file_prefix, metavar="PREFIX", help="Prefix: <out>.tsv, <out>.left_out.tsv.")
    ],
    n: Annotated[int, typer.Option(min=1, help="Shuffles that each region is replaced by.")] = 20,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only by the folds that test on a region's chromosome; quicker.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the shuffles.")] = 0,
    corrected: Corrected = False,
    experiment: ModelExperiment = None,
    fasta: OtherGenome = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Replace regions by shuffled sequence, and predict what that changes.

    Each is scored by the folds that did not train on its chromosome, and by all models. Run it again to go on where it
    stopped.
    """
    set_volume(verbose, quiet=quiet)
    from kerasac.cli.show import progress_bar, show_facts
    from kerasac.runs.ablation import AblationRequest, ablate_regions

    request = AblationRequest(
        sources=tuple(sources),
        regions=regions,
        out=out,
        n=n,
        held_out_only=held_out,
        seed=seed,
        experiment=experiment,
        fasta=fasta,
        corrected=corrected,
        workers=workers,
        overwrite=overwrite,
    )
    started = time.perf_counter()
    with progress_bar("replacing", open_console(quiet=quiet)) as advance:
        done = ablate_regions(request, advance)
    kept = done.n_regions - done.n_now
    facts = [
        ("regions", f"{done.n_regions:,}{f', {kept:,} kept' if kept else ''}, {time.perf_counter() - started:,.0f} s"),
        ("models", f"{done.n_models}"),
        *(("left out", f"{count:,} {why}") for why, count in done.left_out.items()),
        *([("listed in", str(done.left_out_file))] if done.left_out else []),
    ]
    show_facts(f"wrote {done.out}", facts, Console())
