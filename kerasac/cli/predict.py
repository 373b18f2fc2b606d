"""kerasac-ray predict: what trained models say of any windows."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kerasac.cli.options import (
    Corrected,
    ModelExperiment,
    Overwrite,
    Quiet,
    Sources,
    Verbose,
    Workers,
    open_console,
    set_volume,
)
from kerasac.genome.centering import Center
from kerasac.steps.write_layouts import LayoutName

if TYPE_CHECKING:
    from kerasac.runs.predict import Predicted


class By(StrEnum):
    """Which models predict a window."""

    HELD_OUT = "held-out"
    ALL = "all"


def predict(
    sources: Sources,
    out: Annotated[Path, typer.Option(help="HDF5 file to write; of bins, the prefix of kerasAC's tables.")],
    regions: Annotated[Path | None, typer.Option(help="BED or narrowPeak: a window a region.")] = None,
    background: Annotated[Path | None, typer.Option(help="BED of background windows, beside --regions.")] = None,
    center: Annotated[Center, typer.Option(help="Centre of a region: its summit, or its middle.")] = Center.SUMMIT,
    genome: Annotated[bool, typer.Option("--genome", help="Windows along all chromosomes.")] = False,
    chroms: Annotated[str | None, typer.Option(help="Windows along these chromosomes, comma-separated.")] = None,
    stride: Annotated[int | None, typer.Option(help="Bases between them; default: the length of a profile.")] = None,
    by: Annotated[
        By | None,
        typer.Option(help="Each chromosome by the folds that test on it (of a run, the default), or by all models."),
    ] = None,
    layout: Annotated[LayoutName, typer.Option(help="Whose keys the file has.")] = LayoutName.KERASAC,
    corrected: Corrected = False,
    labels: Annotated[bool, typer.Option("--labels/--no-labels", help="Put what was measured beside.")] = True,
    calibrated: Annotated[
        bool | None,
        typer.Option("--calibrated/--uncalibrated", help="Calibrate log counts; default: where all models can."),
    ] = None,
    experiment: ModelExperiment = None,
    fasta: Annotated[Path | None, typer.Option(help="Another genome; with --no-labels.")] = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Predict profiles and counts, of windows anywhere.

    Without regions or chromosomes: what a run's folds predicted of their test chromosomes, in one file. Several models
    are averaged (logits, and log counts). Run it again to go on where it stopped.
    """
    set_volume(verbose, quiet=quiet)
    from kerasac.cli.show import progress_bar, show_facts
    from kerasac.runs.predict import Places, PredictRequest, predict_to_file

    named = tuple(name.strip() for name in (chroms or "").split(",") if name.strip())
    request = PredictRequest(
        sources=tuple(sources),
        out=out,
        places=Places(regions, background, center, named, stride, genome),
        held_out=None if by is None else by is By.HELD_OUT,
        layout=layout,
        experiment=experiment,
        fasta=fasta,
        corrected=corrected,
        labelled=labels,
        calibrated=calibrated,
        workers=workers,
        overwrite=overwrite,
    )
    started = time.perf_counter()
    with progress_bar("predicting", open_console(quiet=quiet)) as advance:
        done = predict_to_file(request, advance)
    seconds = time.perf_counter() - started
    facts = [
        ("windows", f"{done.n_windows:,}, {_made(done)}, {seconds:,.0f} s"),
        ("models", f"{done.n_models}, {done.how}"),
        ("values", "calibrated" if done.calibrated else "not calibrated"),
        *(("left out", f"{n:,} {why}") for why, n in done.left_out.items()),
        *([("listed in", str(done.dropped))] if done.dropped is not None else []),
    ]
    show_facts(f"wrote {done.out}", facts, Console())


def _made(done: Predicted) -> str:
    """Say where the predictions come from."""
    if done.gathered:
        return "gathered from the run"
    kept = done.n_windows - done.n_now
    return "predicted" if not kept else f"{done.n_now:,} of them predicted now, {kept:,} kept"
