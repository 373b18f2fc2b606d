"""kerasac-ray variants: what models say that variants change."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from kerasac.runs.variants import ScoredVariants


def variants(
    sources: Sources,
    variants: Annotated[Path, typer.Argument(help="VCF or BCF, or a table: rsid, chrom, pos, ref, alt.")],
    out: Annotated[
        Path,
        typer.Option(
            parser=file_prefix, metavar="PREFIX", help="Prefix: <out>.tsv, <out>.folds.tsv, <out>.left_out.tsv."
        ),
    ],
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only by the folds that test on a variant's chromosome; quicker.")
    ] = False,
    null: Annotated[
        int, typer.Option(min=0, help="Shuffled backgrounds that effects are judged by, for p and q; e.g. 10000.")
    ] = 0,
    plot: Annotated[int, typer.Option(min=0, help="Draw so many of the largest effects, in <out>.plots/.")] = 0,
    task: Annotated[str | None, typer.Option(help="Whose effects are drawn; default: both strands together.")] = None,
    swap_alleles: Annotated[
        bool, typer.Option("--swap-alleles", help="Swap ref and alt where alt is the genome's, instead of leaving out.")
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
    """Predict what variants change: counts, and the shape of the profile.

    Each is scored by the folds that did not train on its chromosome, and by all models; strands are averaged. Run it
    again to go on where it stopped.
    """
    set_volume(verbose, quiet=quiet)
    from kerasac.cli.show import progress_bar, show_facts
    from kerasac.runs.variants import VariantRequest, score_variants

    request = VariantRequest(
        sources=tuple(sources),
        variants=variants,
        out=out,
        held_out_only=held_out,
        swap_alleles=swap_alleles,
        n_null=null,
        seed=seed,
        n_plots=plot,
        task=task,
        experiment=experiment,
        fasta=fasta,
        corrected=corrected,
        workers=workers,
        overwrite=overwrite,
    )
    started = time.perf_counter()
    with progress_bar("scoring", open_console(quiet=quiet)) as advance:
        done = score_variants(request, advance)
    show_facts(f"wrote {done.out}", _facts(done, time.perf_counter() - started), Console())


def _facts(done: ScoredVariants, seconds: float) -> list[tuple[str, str]]:
    total = done.n_variants + done.n_null
    kept = f", {total - done.n_now:,} of {total:,} kept from before" if done.n_now < total else ""
    return [
        ("variants", f"{done.n_variants:,}"),
        *([("swapped", f"{done.n_swapped:,} whose alternate allele is the genome's")] if done.n_swapped else []),
        *([("shuffles", f"{done.n_null:,}")] if done.n_null else []),
        ("scored", f"in {seconds:,.0f} s{kept}"),
        ("models", f"{done.n_models}"),
        *(("left out", f"{n:,} {why}") for why, n in done.left_out.items()),
        *([("listed in", str(done.left_out_file))] if done.left_out else []),
        ("by model", str(done.folds)),
        *([("drawn", f"{len(done.plots)} in {done.plots[0].parent}")] if done.plots else []),
    ]
