"""kerasac-ray ingest: tracks of many kinds of files into a TileDB array."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kerasac.cache import location
from kerasac.cli.options import DataFolder, Verbose, set_volume
from kerasac.store.reads.spec import Assay, Dedup, ReadsFormat, ReadsSpec, parse_shift


def ingest(
    metadata: Annotated[
        Path,
        typer.Argument(help="TSV: 'dataset' and a column an attribute; cells are file paths or URLs.", parser=location),
    ],
    attributes: Annotated[str, typer.Option(help="TSV of attribute and type, or the name of a built-in set.")],
    chrom_sizes: Annotated[Path, typer.Option(help="Chromosome sizes (or a FASTA index).", parser=location)],
    out: Annotated[Path, typer.Option(help="TileDB array to write.", parser=location)],
    add: Annotated[bool, typer.Option(help="Add the tables' tracks to the array that is there.")] = False,
    overwrite: Annotated[
        bool, typer.Option(help="Replace an array that is there; with --add, only the tracks it has already.")
    ] = False,
    fasta: Annotated[Path | None, typer.Option(help="Of reads: the genome, to find their shift.")] = None,
    assay: Annotated[Assay, typer.Option(help="Of reads: what made their ends.")] = Assay.ATAC,
    shift: Annotated[str, typer.Option(help="Of reads: added to 5' ends, as +4/-4; auto finds it by the motif.")] = (
        "auto"
    ),
    reads_format: Annotated[
        ReadsFormat | None, typer.Option("--format", help="Of reads: how all files are written; default: by content.")
    ] = None,
    dedup: Annotated[
        Dedup, typer.Option(help="Of reads: marked leaves out BAM's duplicates; unique: all copies but one.")
    ] = Dedup.MARKED,
    min_mapq: Annotated[int, typer.Option(help="Of reads: least mapping quality, of BAM files.")] = ReadsSpec.min_mapq,
    min_fragment: Annotated[int, typer.Option(help="Of reads: least length of a fragment or pair, in bases.")] = 0,
    barcodes: Annotated[Path | None, typer.Option(help="Of fragment files: barcodes that count, one a line.")] = None,
    workers: Annotated[int | None, typer.Option(help="Ray workers of this machine; default: by the work.")] = None,
    data: DataFolder = None,
    verbose: Verbose = 0,
) -> None:
    """Write bigWig and BED tracks, and counts of reads, into a TileDB array.

    The array has seqdataloader's schema. An interrupted ingest goes on when called again. All paths may be URLs
    (https://, s3://); of them, files are fetched once.
    """
    set_volume(verbose, quiet=False)
    from kerasac.cache import in_threads
    from kerasac.cli.show import progress_bar, show_facts
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.store.ingest import ingest as write_array

    reads = ReadsSpec(assay, parse_shift(shift), dedup, min_mapq, min_fragment, barcodes, reads_format)
    with closing_ray(), node_shards(workers, short=in_threads) as shards, progress_bar("writing") as progress:
        layout = write_array(
            metadata,
            attributes,
            chrom_sizes,
            out,
            base=data,
            overwrite=overwrite,
            add=add,
            reads=reads,
            fasta=fasta,
            shards=shards,
            progress=progress,
        )
    facts = [("datasets", ", ".join(layout.datasets)), ("attributes", ", ".join(layout.attributes))]
    show_facts(f"wrote {layout.path}", facts, Console())
