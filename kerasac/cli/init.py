"""kerasac-ray init: an experiment file to start from, filled in from an array or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac.cache import location
from kerasac.cli.options import Verbose, set_volume
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from kerasac.steps.draft import Started


def init(
    store: Annotated[
        Path | None, typer.Option(help="Fill in the experiment from this TileDB array.", parser=location)
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Write ingest tables and an experiment of a folder's files."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where --from writes; default: the working directory.")
    ] = None,
    fasta: Annotated[Path | None, typer.Option(help="FASTA of the genome.", parser=location)] = None,
    chrom_sizes: Annotated[Path | None, typer.Option(help="Chromosome sizes.", parser=location)] = None,
    peaks: Annotated[
        Path | None, typer.Option(help="BED or narrowPeak file, one window a region.", parser=location)
    ] = None,
    peak_attribute: Annotated[
        str | None, typer.Option(help="Instead of --peaks: attribute, any of whose positions is sampled.")
    ] = None,
    blacklist: Annotated[Path | None, typer.Option(help="BED file of bases to avoid.", parser=location)] = None,
    folds: Annotated[list[Path], typer.Option(help="Fold table (JSON); repeatable.")] = [],  # noqa: B006
    name: Annotated[str | None, typer.Option(help="Name of the experiment.")] = None,
    verbose: Verbose = 0,
) -> None:
    """Print an experiment file to start from.

    With --store its tracks, datasets and sampling are those of an array. With --from the bigWigs, peaks and genome of a
    folder are told apart by content and name (K562.plus.bw, K562.peaks.narrowPeak, genome.fa), and metadata.tsv,
    attributes.tsv and experiment.yaml are written.
    """
    set_volume(verbose, quiet=False)
    from kerasac.steps.draft import Given, draft_of_store, experiment_text, start_from_folder, template_text

    given = Given(fasta, chrom_sizes, peaks, peak_attribute, blacklist, tuple(folds), name)
    if store is not None and folder is not None:
        raise ConfigError("--store drafts an experiment of an array, --from of a folder; give one of them")
    if out is not None and folder is None:
        raise ConfigError("--out goes with --from; without it the experiment is printed: > experiment.yaml")
    if folder is not None:
        _show(start_from_folder(folder, out or Path(), given), Console())
    elif store is not None:
        typer.echo(experiment_text(draft_of_store(store, given, Path.cwd())), nl=False)
    elif given != Given():
        raise ConfigError("the other options go with --store ARRAY or --from FOLDER")
    else:
        typer.echo(template_text(), nl=False)


def _show(started: Started, console: Console) -> None:
    from kerasac.cli.show import show_facts

    for dataset, files in started.datasets.items():
        show_facts(f"dataset {dataset}", [(attribute, path.name) for attribute, path in files.items()], console)
    show_facts("genome", [(what, path.name) for what, path in started.genome.files()], console)
    if started.unused:
        show_facts("not used", [(file.path.name, file.why) for file in started.unused], console)
    for path in started.written:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)
    console.print("\nLook at the experiment, then run:", style="bold", highlight=False)
    for command in started.commands:
        typer.echo(command)
