"""kerasac-ray interpret: which bases a model's predictions come from."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from kerasac.cli.predict import By
from kerasac.errors import ConfigError
from kerasac.genome.centering import Center
from kerasac.interpret.contribution_files import ContributionLayout
from kerasac.interpret.heads import Head
from kerasac.interpret.settings import Engine, ExplainSettings, Method, ReferenceKind

if TYPE_CHECKING:
    from kerasac.runs.interpret import Interpreted


class HeadChoice(StrEnum):
    """Which heads are explained."""

    COUNTS = "counts"
    PROFILE = "profile"
    BOTH = "both"
    VALUE = "value"

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads."""
        return (Head.COUNTS, Head.PROFILE) if self is HeadChoice.BOTH else (Head(self.value),)


def interpret(
    method: Annotated[
        Method,
        typer.Argument(
            help="deepshap; gradient: input × gradient; ism: every other base at every position; scramble: the region "
            "around each base shuffled."
        ),
    ],
    sources: Sources,
    out: Annotated[
        Path,
        typer.Option(
            parser=file_prefix,
            metavar="PREFIX",
            help="Prefix of the files: <out>.<head>.h5, or <out>.<task>.<head>.h5.",
        ),
    ],
    regions: Annotated[Path, typer.Option(help="BED or narrowPeak: a window a region.")],
    center: Annotated[Center, typer.Option(help="Centre of a region: its summit, or its middle.")] = Center.SUMMIT,
    head: Annotated[
        HeadChoice | None, typer.Option(help="What is explained; default: all heads that the model has.")
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Only these tasks, comma-separated, a file each.")] = None,
    together: Annotated[
        bool, typer.Option("--together", help="The mean of all tasks' counts or values, in one file.")
    ] = False,
    by: Annotated[
        By | None,
        typer.Option(help="Each chromosome by the folds that test on it (of a run, the default), or by all models."),
    ] = None,
    references: Annotated[
        int | None, typer.Option(min=1, help="deepshap, scramble: shuffled sequences of each window; default: 20, 1.")
    ] = None,
    reference: Annotated[
        ReferenceKind | None,
        typer.Option(help="deepshap: what a window is compared with: its shuffles, its GC content, or no bases."),
    ] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="deepshap: our own, or the shap package: the same numbers, slower.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the shuffled sequences, with each window's place.")] = 0,
    within: Annotated[
        int | None, typer.Option(min=1, help="ism, scramble: only so many bases in the middle; default: all.")
    ] = None,
    region: Annotated[int | None, typer.Option(min=1, help="scramble: bases of a region; default: 5.")] = None,
    layout: Annotated[
        ContributionLayout, typer.Option(help="Whose files are written; kerasac: NumPy arrays.")
    ] = ContributionLayout.OURS,
    corrected: Corrected = False,
    experiment: ModelExperiment = None,
    fasta: OtherGenome = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Explain predictions: the contribution of each base of windows to counts, profiles, or the values of bins.

    Of counts: to each task's log count. Of profiles: to the shape of all tasks' profiles. Of classified bins: to the
    logit before the sigmoid. Several models are averaged. Run it again to go on where it stopped.
    """
    set_volume(verbose, quiet=quiet)
    asked: dict[str, Any] = {"n_references": references, "reference": reference, "engine": engine}
    asked |= {"within_bp": within, "region_bp": region}
    settings = _settings(method, {name: value for name, value in asked.items() if value is not None}, seed)
    from kerasac.cli.show import progress_bar, show_facts
    from kerasac.runs.interpret import InterpretRequest, interpret_to_files

    request = InterpretRequest(
        sources=tuple(sources),
        out=out,
        regions=regions,
        center=center,
        heads=head.heads if head is not None else (),
        tasks=tuple(name.strip() for name in (tasks or "").split(",") if name.strip()),
        together=together,
        held_out=None if by is None else by is By.HELD_OUT,
        settings=settings,
        layout=layout,
        experiment=experiment,
        fasta=fasta,
        corrected=corrected,
        workers=workers,
        overwrite=overwrite,
    )
    started = time.perf_counter()
    with progress_bar("explaining", open_console(quiet=quiet)) as advance:
        done = interpret_to_files(request, advance)
    title = f"wrote {done.files[0]}" if len(done.files) == 1 else f"wrote {len(done.files)} files"
    show_facts(title, _told(done, time.perf_counter() - started), Console())


_OF_METHOD: dict[str, tuple[str, tuple[Method, ...]]] = {
    "n_references": ("--references", (Method.DEEPSHAP, Method.SCRAMBLE)),
    "reference": ("--reference", (Method.DEEPSHAP,)),
    "engine": ("--engine", (Method.DEEPSHAP,)),
    "within_bp": ("--within", (Method.ISM, Method.SCRAMBLE)),
    "region_bp": ("--region", (Method.SCRAMBLE,)),
}


def _settings(method: Method, asked: dict[str, Any], seed: int) -> ExplainSettings:
    """Return the settings that were asked for; one that the method has no use for is a mistake."""
    for name in asked:
        option, methods = _OF_METHOD[name]
        if method not in methods:
            raise ConfigError(f"{option} is of {' and '.join(methods)}; leave it out with {method}")
    if method is Method.SCRAMBLE:
        asked.setdefault("n_references", 1)
    return ExplainSettings(method=method, seed=seed, **asked)


def _told(done: Interpreted, seconds: float) -> list[tuple[str, str]]:
    kept = done.n_windows - done.n_now
    made = "explained" if not kept else f"{done.n_now:,} of them explained now, {kept:,} kept"
    return [
        *([("file", str(path)) for path in done.files] if len(done.files) > 1 else []),
        ("windows", f"{done.n_windows:,}, {made}, {seconds:,.0f} s"),
        ("models", f"{done.n_models}, {done.how}"),
        *([("adds up", f"within {done.greatest_error:.1g}")] if done.greatest_error is not None else []),
        *(("left out", f"{n:,} {why}") for why, n in done.left_out.items()),
        *([("listed in", str(done.dropped))] if done.dropped is not None else []),
    ]
