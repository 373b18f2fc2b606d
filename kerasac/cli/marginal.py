"""kerasac-ray marginal: what models say that motifs do in shuffled backgrounds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac.cli.options import (
    Corrected,
    ModelExperiment,
    OtherGenome,
    Overwrite,
    Quiet,
    Sources,
    Verbose,
    Workers,
    file_prefix,
    open_console,
    set_volume,
)
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from kerasac.runs.marginal import MarginalDone

_SHOWN = 10  # effects that are printed


def marginal(
    sources: Sources,
    out: Annotated[
        Path,
        typer.Option(parser=file_prefix, metavar="PREFIX", help="Prefix: <out>.tsv, <out>.footprints.h5, <out>.png."),
    ],
    motif: Annotated[
        list[str], typer.Option(metavar="NAME=SEQUENCE", help="A motif in IUPAC's letters; repeatable.")
    ] = [],  # noqa: B006
    motifs: Annotated[Path | None, typer.Option(help="MEME file: the most probable base of each position.")] = None,
    draw_sites: Annotated[
        bool, typer.Option("--draw-sites", help="Draw each site from the MEME file's probabilities instead.")
    ] = False,
    backgrounds: Annotated[
        Path | None, typer.Option(help="BED: windows to shuffle; default: random ones of the genome.")
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="Number of backgrounds.")] = 100,
    pair: Annotated[
        list[str], typer.Option(metavar="A,B", help="Two motifs at distances, B both ways; repeatable.")
    ] = [],  # noqa: B006
    spacings: Annotated[str, typer.Option(help="Bases between a pair: FIRST..LAST..STEP, or numbers.")] = "10..100..10",
    seed: Annotated[int, typer.Option(min=0, help="Of backgrounds, sites and scrambled sites.")] = 0,
    corrected: Corrected = False,
    experiment: ModelExperiment = None,
    fasta: OtherGenome = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Predict what motifs do in the middle of shuffled backgrounds: counts, profiles and footprints.

    Each motif is written both ways, and scrambled as the floor. All models are averaged. Run it again to go on where it
    stopped.
    """
    set_volume(verbose, quiet=quiet)
    from kerasac.cli.show import progress_bar, show_facts
    from kerasac.runs.marginal import MarginalRequest, marginal_effects

    request = MarginalRequest(
        sources=tuple(sources),
        out=out,
        motifs=tuple(_split(text, "=", "--motif NAME=SEQUENCE") for text in motif),
        meme=motifs,
        drawn=draw_sites,
        backgrounds=backgrounds,
        n=n,
        pairs=tuple(_split(text, ",", "--pair A,B") for text in pair),
        spacings=_spacings(spacings),
        seed=seed,
        experiment=experiment,
        fasta=fasta,
        corrected=corrected,
        workers=workers,
        overwrite=overwrite,
    )
    started = time.perf_counter()
    with progress_bar("predicting", open_console(quiet=quiet)) as advance:
        done = marginal_effects(request, advance)
    show_facts(f"wrote {done.files[0]}", _facts(done, time.perf_counter() - started), Console())


def _facts(done: MarginalDone, seconds: float) -> list[tuple[str, str]]:
    kept = done.n_backgrounds - done.n_now
    effects = [
        (name, f"{done.score} {mean:+.3f} ± {se:.3f}, scrambled {floor:+.3f}")
        for name, mean, se, floor in done.effects[:_SHOWN]
    ]
    return [
        ("backgrounds", f"{done.n_backgrounds:,}{f', {kept:,} kept' if kept else ''}, {seconds:,.0f} s"),
        ("models", f"{done.n_models}"),
        *effects,
        *([("", f"and {len(done.effects) - _SHOWN:,} more motifs")] if len(done.effects) > _SHOWN else []),
        *(("", str(path)) for path in done.files[1:]),
    ]


def _split(text: str, mark: str, usage: str) -> tuple[str, str]:
    first, found, second = text.partition(mark)
    if not (first and found and second):
        raise ConfigError(f"{text!r} is not of the form {usage}")
    return first.strip(), second.strip()


def _spacings(text: str) -> tuple[int, ...]:
    """Read ``10..100..10``, ``10..20`` or ``10,15,40``."""
    try:
        numbers = [int(part) for part in text.replace("..", ",").split(",")]
    except ValueError:
        numbers = []
    is_range = ".." in text
    if not numbers or (is_range and (len(numbers) > 3 or numbers[2:] == [0])):
        raise ConfigError(f"--spacings {text!r}: give FIRST..LAST..STEP, FIRST..LAST, or numbers with commas")
    if not is_range:
        return tuple(numbers)
    first, last, step = (*numbers, 1)[:3]
    found = tuple(range(first, last + 1, step))
    if not found:
        raise ConfigError(f"--spacings {text!r} holds no number")
    return found
