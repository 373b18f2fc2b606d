"""kerasac-ray init: an experiment file to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from kerasac.errors import ConfigError


def init(
    store: Annotated[Path | None, typer.Option(help="TileDB array: fill in its datasets and attributes.")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Folder of bigWigs, peaks and a FASTA.")] = None,
    out: Annotated[Path, typer.Option(help="With --from: folder for the tables and the experiment.")] = Path(),
    fasta: Annotated[Path | None, typer.Option(help="FASTA of the genome.")] = None,
    chrom_sizes: Annotated[Path | None, typer.Option(help="Chromosome sizes.")] = None,
    peaks: Annotated[
        Path | None, typer.Option(help="With --store: narrowPeak file; else an attribute's peaks.")
    ] = None,
    blacklist: Annotated[Path | None, typer.Option(help="BED file of bases to leave out.")] = None,
) -> None:
    """Print an experiment file to start from, with every key explained.

    With --store it is filled in from an array. With --from, a folder's files are told by their names, and tables for
    ingest are written beside the experiment.
    """
    from kerasac.steps.initial import TEMPLATE, experiment_text, of_store, write_start

    if store is not None and source is not None:
        raise ConfigError("give either --store or --from")
    if source is not None:
        if not source.is_dir():
            raise ConfigError(f"--from {source} is not a folder")
        given = {"fasta": fasta, "chrom_sizes": chrom_sizes, "blacklist": blacklist}
        _say_next(write_start(source, out, given), out, source)
    elif store is not None:
        from kerasac.store.schema import read_layout

        named = {"fasta": fasta, "chrom_sizes": chrom_sizes, "peaks": peaks, "blacklist": blacklist}
        texts = {key: str(path) for key, path in named.items() if path is not None}
        typer.echo(experiment_text(of_store(read_layout(str(store)), **texts)), nl=False)
    else:
        typer.echo(TEMPLATE.read_text(encoding="utf-8"), nl=False)


def _say_next(written: list[Path], out: Path, source: Path) -> None:
    import yaml

    metadata, attributes, experiment = (shlex.quote(str(path)) for path in written)
    for path in written:
        typer.echo(f"wrote {path}")
    settings = yaml.safe_load(written[2].read_text())
    sizes = settings["genome"]["chrom_sizes"] or f"{settings['genome']['fasta']}.fai"
    sizes = sizes if Path(sizes).is_absolute() else out / sizes
    store = shlex.quote(str(out / "signal.tdb"))
    genome = f"--chrom-sizes {shlex.quote(str(sizes))}"
    typer.echo("Look at them, then:")
    typer.echo(f"  kerasac-ray ingest {metadata} --attributes {attributes} {genome} --out {store}")
    typer.echo(f"  kerasac-ray check {experiment}")
    typer.echo(f"  kerasac-ray cv {experiment}")
