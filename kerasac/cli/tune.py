"""kerasac-ray tune: many configurations, judged on validation chromosomes."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from kerasac.cache import shown, url_of
from kerasac.cli.options import DataFolder, Overrides, Quiet, StopAfter, Verbose, open_console, set_volume
from kerasac.cli.show import show_cross_validation, show_stopped

if TYPE_CHECKING:
    from kerasac.runs.crossval import CrossValidation
    from kerasac.runs.study import Study


def tune(
    experiment: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    space: Annotated[Path, typer.Argument(help="What to try: a file of tune/, or your own (YAML, or .py with SPACE).")],
    out: Annotated[
        Path | None,
        typer.Option(help="Study folder, or its URL (s3://…); default: runs/<experiment name>-<space name>."),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Then cross-validate the best one: its test chromosomes are scored, once.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the configurations; train none.")] = False,
    race: Annotated[
        bool, typer.Option("--race", help="Drop configurations early: only good ones get further folds and epochs.")
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT", help="Begin no unit beyond: 30 trials, 12h, 40 gpu-hours or 100 cpu-hours."),
    ] = None,
    stop_after: StopAfter = None,
    overrides: Overrides = [],  # noqa: B006
    data: DataFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Train every configuration of a space on every fold and seed, and rank them by their validation chromosomes.

    The test chromosomes are not read. Run it again to go on where it stopped; further configurations may join.
    """
    console = open_console(quiet=quiet or as_json)
    set_volume(verbose, quiet=quiet)
    from kerasac.config import apply_overrides, read_document
    from kerasac.config.read_space import read_space
    from kerasac.config.space import Racing
    from kerasac.runs.budget import parse_budget
    from kerasac.runs.stopping import parse_duration

    wanted = read_space(space)
    if race and wanted.race is None:
        wanted = replace(wanted, race=Racing())
    limit = parse_budget(budget) if budget is not None else None
    stop_after_s = parse_duration(stop_after) if stop_after is not None else None
    if dry_run:
        if limit is not None and limit.trials is not None:
            wanted = wanted.limited(limit.trials)
        for tried in wanted.configurations():
            typer.echo(f"{tried.name}\t{json.dumps(tried.values)}")
        return
    document, base = read_document(experiment, data_folder=data)
    document = apply_overrides(document, overrides)
    name = f"{document.get('name', experiment.stem)}-{space.stem}"
    from kerasac.runs.study import run_study

    folder = out or Path("runs") / name
    study = run_study(
        document, base, wanted, folder, name=name, console=console, budget=limit, stop_after_s=stop_after_s
    )
    if not as_json:
        _show(study, folder, Console(), test=test)
    status = study.exit_status
    if test and _can_be_tested(study):
        left_s = None if stop_after_s is None else max(1.0, stop_after_s - study.seconds)
        result = _test(study, folder, console, left_s)
        status = result.exit_status
        if not as_json:
            show_cross_validation(result, Console())
    if as_json:
        typer.echo((study.folder / "study.json").read_text(encoding="utf-8"))
    raise typer.Exit(status)


def _can_be_tested(study: Study) -> bool:
    return bool(study.ranked) and not study.unfinished and study.stopped is None


def _test(study: Study, out: Path, console: Console, stop_after_s: float | None) -> CrossValidation:
    """Cross-validate the best configuration in its own folder: what is trained there is kept."""
    from kerasac.config import load_experiment
    from kerasac.runs.crossval import cross_validate
    from kerasac.runs.run_at_url import run_place
    from kerasac.runs.study import WINNER
    from kerasac.runs.study_page import write_tested

    with run_place(out, lambda _: None):  # the study's store gets it too
        winner = load_experiment(study.folder / WINNER)
        result = cross_validate(winner, out / study.winner, console=console, stop_after_s=stop_after_s)
        if result.summary is not None:
            write_tested(study)
    return result


def _show(study: Study, out: Path, console: Console, *, test: bool) -> None:
    """Print the ranking, what it is by, and how to go on."""
    n_units = study.n_trained + study.n_kept
    if study.ranked:
        console.print(_table(study))
    metric = study.objective
    words = f"By {metric.key} ({metric.better} is better) on each fold's validation chromosomes"
    console.print(f"\n{words}; its test chromosomes were not read.", highlight=False, soft_wrap=True)
    for name, level in study.dropped.items():
        console.print(f"  dropped: {name} after {level}", style="dim", highlight=False, markup=False)
    trained = (
        f"{n_units} units: {study.n_trained} trained, {study.n_kept} finished before; {study.epochs} epochs in all, "
        f"{study.seconds:.0f} s"
    )
    console.print(trained, highlight=False)
    for name in study.undefined:
        console.print(f"{name}: {metric.key} is not defined in any unit", style="yellow", highlight=False, markup=False)
    for name, message in {**study.refused, **study.failures}.items():
        console.print(f"{name}: {message}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    folder = shlex.quote(str(study.folder))
    console.print(f"Page:    {folder}/study.html", highlight=False, soft_wrap=True)
    if study.stopped is not None:
        show_stopped(study.stopped, study.unfinished, console)
    if study.over_budget is not None:
        said = f"The budget of {study.over_budget} is spent; with a larger --budget the same command goes on."
        console.print(said, style="yellow", highlight=False, soft_wrap=True)
    if not study.ranked:
        console.print("No configuration is complete yet; the same command goes on.", highlight=False)
        return
    console.print(f"Best:    {folder}/winner.yaml", highlight=False, soft_wrap=True)
    if test:
        said = "it is tested now" if _can_be_tested(study) else "not tested, as the study is unfinished"
        console.print(f"Test:    {said}", highlight=False)
        return
    winner = shlex.quote(str(study.winner_folder) if url_of(out) is None else shown(out / study.winner))
    console.print(f"Test it: kerasac-ray cv {folder}/winner.yaml --out {winner}", highlight=False, soft_wrap=True)


def _table(study: Study) -> Table:
    from kerasac.steps.verdicts import value_digits, value_text

    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = f"{study.objective.title}, mean ± se over folds"
    for heading in ("", "configuration", "value", "against the best"):
        table.add_column(heading, no_wrap=True)
    assert study.comparison is not None, "a configuration is ranked"
    by_name = {one.name: one for one in study.comparison.configurations}
    digits = value_digits(study.comparison, study.objective)
    for place, name in enumerate(study.ranked, start=1):
        found = by_name[name].summary.get(study.objective.windows, study.objective.name)
        against = "best" if place == 1 else ("not distinguishable" if name in study.equal else "worse")
        table.add_row(str(place), name, value_text(found, digits), against)
    return table
