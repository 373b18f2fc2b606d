"""kerasac-ray negatives: background windows with the GC content of peaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac.cli.options import Verbose, set_volume
from kerasac.genome.centering import Center
from kerasac.sampling.match_spec import DEFAULT_WIDTH_BP, MatchSpec

if TYPE_CHECKING:
    from kerasac.steps.background import BackgroundReport

_LISTED = 6  # chromosomes


def negatives(
    peaks: Annotated[Path, typer.Argument(help="Peaks: narrowPeak, or with --center center any BED file.")],
    fasta: Annotated[Path, typer.Option(help="Genome: plain or bgzip FASTA.")],
    out: Annotated[Path, typer.Option(help="Windows to write, as narrowPeak; gzipped where the name ends in .gz.")],
    chrom_sizes: Annotated[
        Path | None, typer.Option(help="Chromosomes to use, by their sizes; default: all of the FASTA.")
    ] = None,
    width: Annotated[int, typer.Option(help="Bases of a window: the model's input.")] = DEFAULT_WIDTH_BP,
    ratio: Annotated[float, typer.Option(help="Negatives for each peak; any number above 0.")] = 1.0,
    tolerance: Annotated[float, typer.Option(help="GC contents differ by at most this; 0.02 is 2 %.")] = 0.02,
    stride: Annotated[
        int | None,
        typer.Option(
            help="Bases from one candidate to the next; default a 32nd of the width. Negatives overlap where they "
            "must, by width - stride bases at most: never with the width as the stride."
        ),
    ] = None,
    margin: Annotated[
        int | None, typer.Option(help="Bases around every peak that no window touches; default half a width.")
    ] = None,
    center: Annotated[Center, typer.Option(help="Where a peak's window is centred.")] = Center.SUMMIT,
    blacklist: Annotated[
        list[Path], typer.Option(help="BED: no window touches it, and peaks centred on it are left out; repeatable.")
    ] = [],  # noqa: B006
    exclude: Annotated[list[Path], typer.Option(help="BED: no window touches it; repeatable.")] = [],  # noqa: B006
    max_unknown: Annotated[float, typer.Option(help="Part of a window that may be N.")] = 0.0,
    across_chromosomes: Annotated[
        bool, typer.Option("--across-chromosomes", help="Match to windows of any chromosome, not the peak's own.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed draws the same windows.")] = 1234,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Draw background windows with the GC content of peaks.

    Candidates are generated over the genome. Beside OUT lie a table by chromosome (.gc.tsv) and a plot of the
    GC contents (.gc.png). Use OUT as sampling.negatives.bed of an experiment.
    """
    set_volume(verbose, quiet=False)
    from kerasac.cache import in_threads
    from kerasac.cli.show import show_facts
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.steps.background import BackgroundSpec, write_background

    match = MatchSpec(
        width_bp=width,
        ratio=ratio,
        tolerance=tolerance,
        stride_bp=stride,
        max_unknown=max_unknown,
        across_chromosomes=across_chromosomes,
        seed=seed,
    )
    spec = BackgroundSpec(peaks, fasta, match, chrom_sizes, center, margin, tuple(blacklist), tuple(exclude))
    with closing_ray(), node_shards(short=in_threads) as shards:
        report = write_background(spec, out, shards=shards, overwrite=overwrite)
    if as_json:
        typer.echo(json.dumps(report.summary(), indent=1, default=str))
    else:
        show_facts(f"wrote {out}", _facts(report), Console())


def _facts(report: BackgroundReport) -> list[tuple[str, str]]:
    found, match = report.negatives, report.spec.match
    skipped = "".join(f"; {n:,} {why}" for why, n in report.skipped.items())
    n_candidates = int(found.by_gc.candidates.sum())
    facts = [
        ("peaks", f"{len(found.peak_gc):,} of {report.n_read:,}{skipped}"),
        ("candidates", f"{n_candidates:,}, one every {match.stride:,} bases"),
        ("negatives", f"{len(found.centers):,} of {found.n_wanted:,} wanted; {found.n_overlapping:,} overlap another"),
    ]
    if found.n_missing:
        facts.append(("missing", f"{found.n_missing:,}: no candidate left within {match.tolerance:g}{_where(report)}"))
        facts.append(("", "A smaller --stride or --margin, or a larger --tolerance, gives more."))
    gc = f"peaks {found.peak_gc.mean():.3f}, negatives {found.gc.mean():.3f}; KS distance {report.ks_distance:.3f}"
    return [*facts, ("GC content", gc), ("also", ", ".join(str(path) for path in report.files[1:]))]


def _where(report: BackgroundReport) -> str:
    """Say on which chromosomes most negatives are missing."""
    if report.spec.match.across_chromosomes:
        return ""
    missing = {row.chrom: row.n_wanted - row.n_found for row in report.negatives.chroms}
    worst = sorted((chrom for chrom, n in missing.items() if n), key=lambda chrom: -missing[chrom])
    listed = ", ".join(f"{missing[chrom]:,} on {chrom}" for chrom in worst[:_LISTED])
    return f" ({listed}{', …' if len(worst) > _LISTED else ''})"
