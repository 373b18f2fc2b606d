"""kerasac-ray bigwig: predictions as tracks for a genome browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac.cli.options import Verbose, file_prefix, set_volume
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from kerasac.store.bigwig_tracks import Written


def bigwig(
    source: Annotated[
        Path, typer.Argument(help="HDF5 file of predictions or of contributions; ours or another tool's.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            parser=file_prefix,
            metavar="PREFIX",
            help="Prefix of the files: <out>.<track>.bw, or <out>.<task>.<track>.bw.",
        ),
    ],
    tracks: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: predictions_, labels_ with counts, prob or logits; delta_ with prob or logits. "
            "Default: predicted and observed counts."
        ),
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Only these tasks, comma-separated.")] = None,
    chrom_sizes: Annotated[Path | None, typer.Option(help="Chromosome sizes, for files that do not keep them.")] = None,
    regions: Annotated[Path | None, typer.Option(help="Of chrombpnet's contributions: their windows.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Write predictions and labels, or contributions, as bigWig files.

    Where windows overlap, a base has the value of the window whose centre is nearest.
    """
    set_volume(verbose, quiet=False)
    from kerasac.cli.show import show_facts
    from kerasac.interpret.contribution_bigwig import contribution_bigwig
    from kerasac.interpret.contributions import is_contributions
    from kerasac.steps.bigwig import prediction_bigwigs

    if is_contributions(source):
        if tracks is not None or tasks is not None:
            raise ConfigError(f"{source} holds contributions, one track; --tracks and --tasks are of predictions")
        written = [contribution_bigwig(source, out, regions=regions, chrom_sizes=chrom_sizes, overwrite=overwrite)]
    else:
        written = prediction_bigwigs(
            source,
            out,
            tracks=_names(tracks) if tracks is not None else None,
            tasks=_names(tasks or ""),
            chrom_sizes=chrom_sizes,
            overwrite=overwrite,
        )
    files = f"{len(written)} bigWig file{'s' if len(written) != 1 else ''}"
    show_facts(f"wrote {files}", [(str(one.path), _fact(one)) for one in written], Console())


def _fact(one: Written) -> str:
    mean = one.total / max(one.n_bases, 1)
    return f"{one.n_bases:,} bases, {one.least:.4g} to {one.greatest:.4g}, mean {mean:.4g}"


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]
