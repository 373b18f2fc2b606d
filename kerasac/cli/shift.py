"""kerasac-ray shift: how the 5' ends in a file of reads are shifted, and the evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac.cli.options import Verbose, set_volume
from kerasac.store.reads.spec import Assay, Dedup, ReadsFormat, ReadsSpec

if TYPE_CHECKING:
    from kerasac.store.reads import ReadFacts, ShiftEvidence


def shift(
    reads: Annotated[Path, typer.Argument(help="BAM, fragment (fragments.tsv.gz) or tagAlign file.")],
    fasta: Annotated[Path, typer.Option(help="Genome: plain or bgzip FASTA.")],
    chrom_sizes: Annotated[
        Path | None, typer.Option(help="Chromosomes to use, by their sizes; default: all of the FASTA.")
    ] = None,
    assay: Annotated[Assay | None, typer.Option(help="atac or dnase; default: whichever motif is clear.")] = None,
    reads_format: Annotated[
        ReadsFormat | None, typer.Option("--format", help="Default: told by the file's content.")
    ] = None,
    dedup: Annotated[
        Dedup, typer.Option(help="marked: leave out reads that BAM marks as duplicates; unique: all copies but one.")
    ] = Dedup.MARKED,
    min_mapq: Annotated[int, typer.Option(help="Least mapping quality, of BAM files.")] = ReadsSpec.min_mapq,
    min_fragment: Annotated[int, typer.Option(help="Least length of a fragment or pair, in bases.")] = 0,
    barcodes: Annotated[
        Path | None, typer.Option(help="Barcodes of a fragment file that count, one a line; default: all.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG to write: sequence logos and motif strengths.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Find how a file's 5' ends are shifted, by the motif of the enzyme that cut.

    Prints what to add to them for ChromBPNet's tracks: +4/−4 in all for ATAC-seq (Tn5), 0/+1 for DNase-seq. Exit
    status 1 when the data do not say. The counts stay in the cache; an ingest with the same options takes them.
    """
    set_volume(verbose, quiet=False)
    from kerasac.errors import ConfigError
    from kerasac.genome.assembly import read_chrom_sizes
    from kerasac.genome.sequence import fasta_assembly, token_genome
    from kerasac.store.reads import counted_ends, detect_shift

    if assay == Assay.CHIP:
        raise ConfigError("ChIP-seq reads have no motif that tells their shift; it is 0/0")
    spec = ReadsSpec(
        dedup=dedup, min_mapq=min_mapq, min_fragment_bp=min_fragment, barcodes=barcodes, format=reads_format
    )
    assembly = fasta_assembly(fasta) if chrom_sizes is None else read_chrom_sizes(chrom_sizes)
    genome = token_genome(fasta, assembly)
    counts = counted_ends(reads, assembly, spec).open()
    evidence = detect_shift(counts, genome, assay)
    if plot is not None:
        from kerasac.steps.plots.shift import write_shift_plot

        write_shift_plot(plot, evidence, title=reads.name)
    if as_json:
        typer.echo(json.dumps(evidence.as_dict(), indent=1))
    else:
        _show(reads, counts.facts, evidence, plot, Console())
    if evidence.shift is None:
        raise typer.Exit(1)


def _show(reads: Path, facts: ReadFacts, evidence: ShiftEvidence, plot: Path | None, console: Console) -> None:
    from rich.table import Table

    from kerasac.cli.show import show_facts

    ends = f"{facts.plus:,} on the plus strand, {facts.minus:,} on the minus strand"
    skipped = [(f"  {reason}", f"{n:,} left out") for reason, n in facts.skipped.items()]
    show_facts(str(reads), [("records", f"{facts.n_records:,}"), ("5' ends", ends), *skipped], console)
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = f"\n{evidence.motif.enzyme} motif at the 5' ends, if the file is shifted by …"
    for heading in ("", "plus", "minus", "to add", ""):
        table.add_column(heading)
    for candidate in evidence.candidates():
        found = "←" if evidence.shift is not None and candidate.present == evidence.present else ""
        strengths = f"{candidate.plus:.2f}", f"{candidate.minus:.2f}"
        table.add_row(str(candidate.present), *strengths, str(candidate.to_apply), f"{candidate.origin} {found}")
    console.print(table)
    fits = evidence.plus, evidence.minus
    rivals = " / ".join(f"{fit.rival:.2f} ± {fit.error:.2f}" for fit in fits)
    console.print(f"strongest at any other offset: {rivals} (plus / minus; 1 is usual)\n", highlight=False)
    console.print(evidence.summary, style="bold", highlight=False, soft_wrap=True)
    if evidence.shift is None:
        console.print(f"Way out: {evidence.way_out}.", highlight=False, soft_wrap=True)
    if plot is not None:
        console.print(f"wrote {plot}", highlight=False, soft_wrap=True)
