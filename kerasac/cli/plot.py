"""kerasac-ray plot: contributions and profiles of places of the genome."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kerasac.cli.options import Quiet, Verbose, open_console, set_volume
from kerasac.errors import InterpretError, suggest
from kerasac.interpret.plots.choices import Format, Kind

_MOST = 200  # more figures than these are drawn only if their number is asked for


def plot(
    regions: Annotated[list[str] | None, typer.Argument(help="Places, chrom:start-end, 0-based, half-open.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to, a figure a place.")] = Path("plots"),
    bed: Annotated[Path | None, typer.Option(help="BED or narrowPeak file of places.")] = None,
    first: Annotated[int | None, typer.Option(help="Only so many of the file.")] = None,
    flank: Annotated[int | None, typer.Option(help="Draw so many bases on both sides of a place's middle.")] = None,
    contributions: Annotated[
        list[Path], typer.Option(help="HDF5 file of contributions, or bigWig with --fasta; repeatable.")
    ] = [],  # noqa: B006
    predictions: Annotated[Path | None, typer.Option(help="HDF5 file of predictions: observed and predicted.")] = None,
    observed: Annotated[list[Path], typer.Option(help="bigWig of what was measured; repeatable.")] = [],  # noqa: B006
    predicted: Annotated[list[Path], typer.Option(help="bigWig of what is predicted; repeatable.")] = [],  # noqa: B006
    fasta: Annotated[Path | None, typer.Option(help="The genome: letters of bigWigs, a check of the others.")] = None,
    windows: Annotated[Path | None, typer.Option(help="Of chrombpnet's contributions: their windows.")] = None,
    tracks: Annotated[
        str | None, typer.Option(help="Some of contributions, observed, predicted, comma-separated; default: all.")
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Only these tasks of predictions, comma-separated.")] = None,
    ymin: Annotated[float | None, typer.Option(help="Lower end of contributions.")] = None,
    ymax: Annotated[float | None, typer.Option(help="Upper end of contributions.")] = None,
    shared_scale: Annotated[
        bool, typer.Option("--shared-scale", help="One scale in all places for tracks of the same units.")
    ] = False,
    threshold: Annotated[float, typer.Option(help="Leave out contributions nearer to 0.")] = 0.0,
    minimal: Annotated[bool, typer.Option("--minimal", help="Contributions alone, without axes and texts.")] = False,
    title: Annotated[str, typer.Option(help="Put before the place's name.")] = "",
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.PNG,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace figures that are there.")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Draw contributions as letters, with observed and predicted profiles: a figure a place.

    Letters up to 400 bases, bars beyond.
    """
    set_volume(verbose, quiet=quiet)
    from kerasac.cli.show import progress_bar, show_facts
    from kerasac.interpret.plots.draw import draw_places
    from kerasac.interpret.plots.places import places
    from kerasac.interpret.plots.region import Look
    from kerasac.interpret.plots.tracks import Files

    files = Files(
        contributions=tuple(contributions),
        predictions=predictions,
        observed=tuple(observed),
        predicted=tuple(predicted),
        fasta=fasta,
        windows=windows,
        tasks=_names(tasks),
    )
    look = Look(ymin, ymax, threshold, minimal, shared_scale, title)
    found = places(regions or [], bed, first=first, flank_bp=flank)
    if first is None and len(found) > _MOST:
        raise InterpretError(f"there are {len(found):,} places, a figure each; say how many with --first")
    with progress_bar("drawing", open_console(quiet=quiet)) as advance:
        paths = draw_places(
            found, files, out, look=look, kinds=_kinds(tracks), form=form, overwrite=overwrite, advance=advance
        )
    listed = [(str(path), "") for path in paths[:10]] + ([("…", "")] if len(paths) > 10 else [])
    show_facts(f"wrote {len(paths)} figure{'s' if len(paths) != 1 else ''}", listed, Console())


def _kinds(listed: str | None) -> list[Kind]:
    known = {kind.value for kind in Kind}
    for name in _names(listed):
        if name not in known:
            raise InterpretError(f"--tracks names {name!r}{suggest(name, known)}")
    return [Kind(name) for name in _names(listed)] or list(Kind)


def _names(listed: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (listed or "").split(",") if name.strip())
