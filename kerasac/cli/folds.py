"""kerasac-ray folds: make, show, convert and verify fold tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from kerasac.cli.options import Verbose, set_volume
from kerasac.errors import ConfigError
from kerasac.genome.centering import Center
from kerasac.genome.fold_files import FoldFormat

if TYPE_CHECKING:
    from kerasac.genome.assembly import Assembly
    from kerasac.genome.folds import Fold
    from kerasac.steps.leakage import Leakage, Verification

folds_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, show, convert and verify fold tables.")


class Weight(StrEnum):
    """What balanced folds have about equal numbers of."""

    PEAKS = "peaks"
    BASES = "bases"


FoldTable = Annotated[
    list[str],
    typer.Argument(
        help="Table: hg38-5, kerasac-10, a file, one file a fold, or a folder of fold_0.json, ….", metavar="TABLE"
    ),
]
ChromSizes = Annotated[Path | None, typer.Option(help="Chromosome sizes (or a FASTA index) of the genome.")]
Peaks = Annotated[Path | None, typer.Option(help="BED or narrowPeak file of peaks.")]
Blacklist = Annotated[Path | None, typer.Option(help="BED file; peaks that are centred in it do not count.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a table that is there.")]
Out = Annotated[Path, typer.Option(help="File to write; for chrombpnet a folder.")]


@folds_app.command()
def make(
    chrom_sizes: Annotated[Path, typer.Option(help="Chromosome sizes (or a FASTA index).")],
    out: Out,
    n: Annotated[int, typer.Option("--n", min=3, help="Number of folds.")] = 5,
    peaks: Peaks = None,
    by: Annotated[Weight | None, typer.Option(help="What to balance; default: peaks if given, else bases.")] = None,
    blacklist: Blacklist = None,
    exclude: Annotated[list[str], typer.Option(help="Leave these chromosomes out, e.g. chrM,chrUn*; repeatable.")] = [],  # noqa: B006
    form: Annotated[FoldFormat, typer.Option("--format", help="Format of the table.")] = FoldFormat.KERASAC_RAY,
    overwrite: Overwrite = False,
    verbose: Verbose = 0,
) -> None:
    """Divide whole chromosomes into folds of about equal numbers of peaks or bases.

    Fold k tests on group k and validates on group k + 1. Chromosomes without peaks are in no fold, unless bases are
    balanced.
    """
    set_volume(verbose, quiet=False)
    from kerasac.genome.assembly import read_chrom_sizes
    from kerasac.genome.fold_files import write_fold_table
    from kerasac.genome.peak_centers import read_spans
    from kerasac.steps.folds import bases_by_chrom, make_balanced, read_centers

    by = by or (Weight.BASES if peaks is None else Weight.PEAKS)
    if by is Weight.PEAKS and peaks is None:
        raise ConfigError("balancing by peaks needs --peaks FILE; or say --by bases")
    assembly = read_chrom_sizes(chrom_sizes)
    spans = read_spans(blacklist, assembly) if blacklist is not None else None
    n_peaks = read_centers(peaks, assembly, blacklist=spans).by_chrom(assembly) if peaks is not None else None
    weights = n_peaks if by is Weight.PEAKS and n_peaks is not None else bases_by_chrom(assembly, spans)
    made = make_balanced(weights, n, exclude=[name for names in exclude for name in names.split(",")], what=by)
    written = write_fold_table(made.folds, out, form, overwrite=overwrite)
    console = Console()
    _show_table(made.folds, assembly, n_peaks, console)
    _say(f"\nbalanced by {by}: the largest test set is {made.spread:.1%} above the mean", console)
    for chroms, reason in ((made.excluded, "excluded"), (made.without_weight, f"no {by}")):
        if chroms:
            _say(f"in no fold ({reason}): {_listed(chroms)}", console)
    _say(f"wrote {_files(written)}", console)


@folds_app.command()
def show(table: FoldTable, chrom_sizes: ChromSizes = None, peaks: Peaks = None, verbose: Verbose = 0) -> None:
    """Print the chromosomes of each fold, and what the splits hold.

    With --chrom-sizes, chromosomes that the genome lacks are left out, and bases are counted; with --peaks, peaks too.
    """
    set_volume(verbose, quiet=False)
    if peaks is not None and chrom_sizes is None:
        raise ConfigError("counting peaks needs --chrom-sizes FILE too")
    from kerasac.steps.folds import read_centers

    folds, assembly = _open(table, chrom_sizes)
    n_peaks = None
    if peaks is not None and assembly is not None:
        n_peaks = read_centers(peaks, assembly).by_chrom(assembly)
    _show_table(folds, assembly, n_peaks, Console())


@folds_app.command()
def convert(
    table: FoldTable,
    to: Annotated[FoldFormat, typer.Option(help="Format to write.")],
    out: Out,
    chrom_sizes: ChromSizes = None,
    overwrite: Overwrite = False,
    verbose: Verbose = 0,
) -> None:
    """Write a fold table in another tool's format.

    With --chrom-sizes, chromosomes that the genome lacks are left out (kerasac-10 on a mouse genome).
    """
    set_volume(verbose, quiet=False)
    from kerasac.genome.fold_files import write_fold_table

    folds, _ = _open(table, chrom_sizes)
    _say(f"wrote {_files(write_fold_table(folds, out, to, overwrite=overwrite))}", Console())


@folds_app.command()
def verify(
    table: FoldTable,
    chrom_sizes: ChromSizes = None,
    check_leakage: Annotated[
        bool, typer.Option("--check-leakage", help="Look for held-out windows that are nearly in train.")
    ] = False,
    fasta: Annotated[Path | None, typer.Option(help="Leakage: FASTA of the genome, plain or bgzip.")] = None,
    peaks: Annotated[Path | None, typer.Option(help="Leakage: BED or narrowPeak file of peaks.")] = None,
    background: Annotated[
        Path | None, typer.Option(help="Leakage: BED file of more windows, such as negatives, at their middles.")
    ] = None,
    blacklist: Annotated[Path | None, typer.Option(help="Leakage: BED file in which no window is centred.")] = None,
    center: Annotated[Center, typer.Option(help="Leakage: where a peak's window is centred.")] = Center.SUMMIT,
    width: Annotated[int, typer.Option(min=21, help="Leakage: bases of a window.")] = 2114,
    min_shared: Annotated[
        float, typer.Option(min=0.05, max=1, help="Leakage: part of a window's 21-mers in one training window.")
    ] = 0.5,
    max_leaking: Annotated[
        float, typer.Option(min=0, max=1, help="Leakage: part of a split's windows that may leak.")
    ] = 0.01,
    worst: Annotated[int, typer.Option(min=0, help="Leakage: pairs to print a split.")] = 1,
    out_bed: Annotated[Path | None, typer.Option(help="Leakage: BED file to write of the windows that leak.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Find all that is wrong with a fold table.

    Exit status 1 when there is anything; 2 when the table cannot be read.

    --check-leakage compares the windows of the validation and test chromosomes with those of the training chromosomes,
    on both strands. A window leaks when --min-shared of its 21-mers are in one training window: 0.5 is a copy of half a
    window, or 97 % identity over all of it.
    """
    set_volume(verbose, quiet=as_json)
    from kerasac.genome.assembly import read_chrom_sizes
    from kerasac.genome.fold_files import open_fold_table
    from kerasac.steps.leakage import LeakageSpec, write_bed
    from kerasac.steps.leakage import verify as verify_folds

    spec = None
    if check_leakage:
        if chrom_sizes is None or fasta is None or peaks is None:
            raise ConfigError("--check-leakage needs --chrom-sizes, --fasta and --peaks")
        spec = LeakageSpec(
            fasta,
            peaks,
            background,
            blacklist,
            center=center,
            width_bp=width,
            min_shared=min_shared,
            max_leaking=max_leaking,
        )
    elif any(given is not None for given in (fasta, peaks, background, blacklist, out_bed)):
        raise ConfigError("--fasta, --peaks, --background, --blacklist and --out-bed are for --check-leakage: add it")
    assembly = read_chrom_sizes(chrom_sizes) if chrom_sizes is not None else None
    result = verify_folds(open_fold_table(table), assembly, spec)
    if out_bed is not None and result.leakage is not None:
        write_bed(result.leakage, out_bed)
    if as_json:
        typer.echo(json.dumps({"table": table, **result.as_dict()}, indent=1))
    else:
        console = Console()
        if result.leakage is not None:
            _show_leakage(result.leakage, worst, console)
        elif spec is not None:
            _say("leakage was not checked: correct the table first", console)
        _show_findings(" ".join(table), result, console)
    if result.findings:
        raise typer.Exit(1)


def _open(table: Sequence[str], chrom_sizes: Path | None) -> tuple[Sequence[Fold], Assembly | None]:
    """Read a table that must be right, on the genome if one is given."""
    from kerasac.genome.assembly import read_chrom_sizes
    from kerasac.genome.fold_files import open_fold_table
    from kerasac.genome.folds import on_assembly

    folds = [lists.checked() for lists in open_fold_table(table)]
    if chrom_sizes is None:
        return folds, None
    assembly = read_chrom_sizes(chrom_sizes)
    return on_assembly(folds, assembly), assembly


def _show_table(
    folds: Sequence[Fold], assembly: Assembly | None, peaks: Mapping[str, int] | None, console: Console
) -> None:
    from kerasac.steps.folds import split_sizes

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("fold", no_wrap=True)
    for name in ("test", "valid"):
        table.add_column(name, overflow="fold")
    table.add_column("train", no_wrap=True, justify="right")
    if peaks is not None:
        table.add_column("peaks test/valid/train", no_wrap=True, justify="right")
    if assembly is not None:
        table.add_column("Mb test/valid/train", no_wrap=True, justify="right")
    for fold in folds:
        sizes = split_sizes(fold, assembly, peaks)
        row = [str(fold.index), *(" ".join(sizes[name].chroms) for name in ("test", "valid"))]
        row.append(f"{len(fold.train)} chroms")
        held = [sizes[name] for name in ("test", "valid", "train")]
        if peaks is not None:
            row.append(" / ".join(f"{size.peaks:,}" for size in held))
        if assembly is not None:
            row.append(" / ".join(f"{(size.bases or 0) / 1e6:.2f}" for size in held))
        table.add_row(*row)
    console.print(table)


def _show_leakage(leakage: Leakage, worst: int, console: Console) -> None:
    skipped = "".join(f"; left out: {n:,} {reason}" for reason, n in leakage.skipped.items())
    _say(f"{len(leakage.windows):,} windows of {leakage.spec.width_bp:,} bases{skipped}", console)
    for split in leakage.splits:
        n = f"{leakage.n_leaking(split):,} of {len(split.windows):,} windows ({leakage.share(split):.1%})"
        undecided = int(split.undecided.sum())
        more = f"; {undecided:,} of frequent sequence undecided" if undecided else ""
        _say(f"fold {split.fold} {split.split}: {n} nearly in train{more}", console)
        for pair in leakage.worst(split, worst):
            _say(f"  {pair['window']} shares {pair['shared']:.0%} with {pair['train_window']}", console)


def _show_findings(table: str, result: Verification, console: Console) -> None:
    for finding in result.findings:
        style = "red" if finding.level == "error" else "yellow"
        console.print(f"{finding.level}: {finding}", style=style, markup=False, highlight=False, soft_wrap=True)
    n = len(result.findings)
    said = f"{n} finding{'' if n == 1 else 's'}" if n else "nothing is wrong"
    _say(f"{table}: {result.n_folds} fold{'' if result.n_folds == 1 else 's'}, {said}", console)


def _files(written: Sequence[Path]) -> str:
    return str(written[0]) if len(written) == 1 else f"{len(written)} files to {written[0].parent}"


def _listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


def _say(text: str, console: Console) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
