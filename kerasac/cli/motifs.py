"""kerasac-ray motifs: the motifs that a model has learned."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac.cli.options import Quiet, Verbose, open_console, set_volume
from kerasac.interpret.motifs.choices import Group, TrimBy

if TYPE_CHECKING:
    from kerasac.interpret.motifs.find import Found


def motifs(
    contributions: Annotated[
        Path | None, typer.Argument(help="HDF5 file of contributions, ours, chrombpnet's or bpnet's.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("motifs"),
    patterns: Annotated[Path | None, typer.Option(help="What modisco-lite found, HDF5: it is not run again.")] = None,
    regions: Annotated[Path | None, typer.Option(help="Of chrombpnet's contributions: their windows.")] = None,
    window: Annotated[
        int | None, typer.Option(help="Bases in the middle of each window to search; default: 400, or all of fewer.")
    ] = None,
    max_seqlets: Annotated[int, typer.Option(help="Use at most so many seqlets of a sign.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Of the order in which windows are searched.")] = 0,
    threads: Annotated[int | None, typer.Option(help="Threads of modisco; default: all CPUs.")] = None,
    trim: Annotated[float, typer.Option(help="Cut positions with less than this share of the highest one's.")] = 0.3,
    trim_flank: Annotated[int, typer.Option(help="Positions to keep beside them.")] = 1,
    trim_by: Annotated[TrimBy, typer.Option(help="What positions are compared by.")] = TrimBy.CONTRIBUTIONS,
    group: Annotated[Group, typer.Option(help="Known motifs: JASPAR's of this taxonomic group.")] = Group.ALL,
    database: Annotated[Path | None, typer.Option(help="Known motifs: those of a MEME file.")] = None,
    matches: Annotated[int, typer.Option(help="Known motifs to name, the nearest ones.")] = 3,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results of others.")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Find motifs in contributions with modisco-lite, trim them, and name them after known motifs that they resemble.

    Writes a page with logos (motifs.html), a table (motifs.tsv), a MEME file (motifs.meme), matrices, and the places of
    the seqlets (seqlets.bed). Needs: pip install 'kerasac-ray[motifs]'.
    """
    set_volume(verbose, quiet=quiet)
    from kerasac.cli.show import show_facts
    from kerasac.interpret.motifs.find import MotifRequest, find_motifs
    from kerasac.interpret.motifs.modisco import ModiscoSpec
    from kerasac.interpret.motifs.trim import Trim

    request = MotifRequest(
        out=out,
        contributions=contributions,
        patterns=patterns,
        regions=regions,
        spec=ModiscoSpec(window, max_seqlets, seed, threads),
        trim=Trim(trim, trim_flank, trim_by),
        group=group,
        database=database,
        n_matches=matches,
        overwrite=overwrite,
    )
    started = time.perf_counter()
    with open_console(quiet=quiet).status("modisco") as status:
        found = find_motifs(request, lambda line: status.update(f"modisco: {line[:80]}"))
    show_facts(f"wrote {found.page}", _facts(found, time.perf_counter() - started), Console())


def _facts(found: Found, seconds: float) -> list[tuple[str, str]]:
    if not found.motifs:
        return [("motifs", found.why_none)]
    known = sum(motif.known is not None for motif in found.motifs)
    facts = [
        (
            "motifs",
            f"{len(found.motifs)}, {'of patterns that were there' if found.kept else 'found'}, {seconds:,.0f} s",
        ),
        ("known", f"{known}, of {found.database}"),
    ]
    for motif in found.motifs:
        name = f"{motif.known.name} (q {motif.known.q:.1g})" if motif.known else "–"
        facts.append((motif.name, f"{motif.pattern.n_seqlets:,} seqlets, {motif.core.letters}, {name}"))
    if found.n_seqlets is not None:
        facts.append(("seqlets.bed", f"{found.n_seqlets:,} seqlets"))
    return facts
