"""kerasac-ray windows: windows of one width that cover peaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac.cli.options import Verbose, set_volume
from kerasac.genome.centering import Center
from kerasac.sampling.match_spec import DEFAULT_WIDTH_BP
from kerasac.sampling.tiling_spec import Edges, Overlaps, TilingSpec

if TYPE_CHECKING:
    from kerasac.steps.tile import TilingReport


def windows(
    peaks: Annotated[Path, typer.Argument(help="Peaks: narrowPeak, or with --center center any BED file.")],
    chrom_sizes: Annotated[Path, typer.Option(help="Chromosome sizes (or a FASTA index).")],
    out: Annotated[
        Path, typer.Option(help="BED to write; narrowPeak where the name says so, gzipped where it ends in .gz.")
    ],
    width: Annotated[int, typer.Option(help="Bases of a window: the model's input.")] = DEFAULT_WIDTH_BP,
    stride: Annotated[
        int | None, typer.Option(help="Bases from one window of a peak to the next; default the width.")
    ] = None,
    center: Annotated[
        Center, typer.Option(help="Start from the summit, or spread windows evenly about the peak's middle.")
    ] = Center.SUMMIT,
    one_a_peak: Annotated[
        bool, typer.Option("--one-a-peak", help="Only the window on the summit or centre, even of long peaks.")
    ] = False,
    edges: Annotated[Edges, typer.Option(help="Windows that leave their chromosome: move them in, or drop them.")] = (
        Edges.SHIFT
    ),
    overlaps: Annotated[
        Overlaps, typer.Option(help="Keep all windows, equal ones once (distinct), or none that overlap another.")
    ] = Overlaps.KEEP,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Cover peaks with windows of one width.

    A peak that its window does not cover gets further ones beside it. The windows have the order of the peaks.
    """
    set_volume(verbose, quiet=False)
    from kerasac.cli.show import show_facts
    from kerasac.steps.tile import write_tiling

    spec = TilingSpec(width, stride, center, one_a_peak=one_a_peak, edges=edges, overlaps=overlaps)
    report = write_tiling(peaks, chrom_sizes, out, spec, overwrite=overwrite)
    show_facts(f"wrote {out}", _facts(report, spec), Console())


def _facts(report: TilingReport, spec: TilingSpec) -> list[tuple[str, str]]:
    tiling = report.tiling
    overlapping = "equal to" if spec.overlaps is Overlaps.DISTINCT else "overlapping"
    off = "left out at chromosome ends" if spec.edges is Edges.DROP else "left out, on chromosomes that are shorter"
    skipped = "".join(f"; without a window: {n:,} {why}" for why, n in report.skipped.items())
    changes = (
        (tiling.n_shifted, "moved into their chromosome"),
        (tiling.n_dropped, off),
        (tiling.n_overlapping, f"left out, {overlapping} others"),
    )
    told = "".join(f"; {n:,} {what}" for n, what in changes if n)
    return [
        ("peaks", f"{report.n_read:,}{skipped}"),
        ("windows", f"{len(tiling.starts):,}{told}"),
        ("covered", f"{report.covered_bp / report.peak_bp:.1%} of {report.peak_bp:,} bases in peaks"),
    ]
