"""kerasac-ray score: how well predictions match what was observed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kerasac.cli.options import Quiet, Verbose, open_console, set_volume
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from kerasac.runs.rescore import Rescored
    from kerasac.steps.summary import Summary

Metrics = Mapping[str, float | None]

_WIDTH = 160  # of a file or pipe
_ARROWS = {"higher": "↑", "lower": "↓"}


class Format(StrEnum):
    """Tools whose files of scores can be written."""

    KERASAC = "kerasac"
    CHROMBPNET = "chrombpnet"
    BPNET_LITE = "bpnet-lite"


class Kind(StrEnum):
    """What predictions of bins are."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


def score(
    source: Annotated[
        Path,
        typer.Argument(
            help="A predictions file (kerasAC's layout, which is ours too, chrombpnet's or bpnet's), the prefix of "
            "predictions of bins (<prefix>.predictions.0 and .labels.0), a run folder, or one of its units."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for scores.json and scores.tsv; of a run with fold-0/seed-1234 below it."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace scores that are there; without --out those of the run itself.")
    ] = False,
    min_log_counts: Annotated[
        float | None,
        typer.Option(
            help="Leave out windows whose observed count, in the file's space (mostly its log), is below this in any "
            "task: kerasAC's label_min_to_score."
        ),
    ] = None,
    max_log_counts: Annotated[
        float | None, typer.Option(help="Leave out windows above this in any task: kerasAC's label_max_to_score.")
    ] = None,
    smooth_observed: Annotated[
        str | None,
        typer.Option(
            metavar="SIGMA,WIDTH",
            help="Smooth observed profiles, and those of pseudoreplicates, by a Gaussian; kerasAC's is 7,81.",
        ),
    ] = None,
    smooth_predicted: Annotated[
        str | None,
        typer.Option(metavar="SIGMA,WIDTH", help="Smooth predicted logits likewise, as kerasAC does."),
    ] = None,
    pseudoreplicates: Annotated[
        list[str],
        typer.Option(
            metavar="BIGWIG,BIGWIG",
            help="Two pseudoreplicates of a task, which show how well a model can do; repeat for each task, in order. "
            "Of a run by default those of its experiment.",
        ),
    ] = [],  # noqa: B006
    labels_from: Annotated[
        list[Path],
        typer.Option(
            metavar="BIGWIG",
            help="Where counts are read for a file without labels, such as chrombpnet's; repeat for each task.",
        ),
    ] = [],  # noqa: B006
    kind: Annotated[Kind | None, typer.Option(help="What predictions of bins are, where the file is silent.")] = None,
    formats: Annotated[
        list[Format],
        typer.Option("--format", help="Also write the scores as another tool does, into --out; repeatable."),
    ] = [],  # noqa: B006
    seed: Annotated[
        int | None,
        typer.Option(help="Of the shuffled floor; default 0, of a run's unit the number of its fold, as in training."),
    ] = None,
    by_task: Annotated[bool, typer.Option("--by-task", help="Print every task, not only the mean over tasks.")] = False,
    definitions: Annotated[
        bool, typer.Option("--definitions", help="Print what each metric is, below the table.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Score predictions against what was observed, beside floors and, with pseudoreplicates, a ceiling.

    Profiles and counts are scored on peaks, background and all windows; predictions of bins on all bins. Scores are
    printed; --out keeps them. Of a run, every finished unit is scored anew.
    """
    console = open_console(quiet=quiet)
    set_volume(verbose, quiet=quiet)
    from kerasac.runs.rescore import ScoreRequest, rescore
    from kerasac.steps.score_settings import ScoreSettings
    from kerasac.steps.smoothing import read_smoothing

    settings = ScoreSettings(
        label_range=(min_log_counts, max_log_counts),
        smooth_observed=None if smooth_observed is None else read_smoothing(smooth_observed),
        smooth_predicted=None if smooth_predicted is None else read_smoothing(smooth_predicted),
    )
    request = ScoreRequest(
        settings,
        seed,
        tuple(_pair(text) for text in pseudoreplicates),
        tuple(labels_from),
        None if kind is None else kind.value,
        tuple(name.value for name in formats),
    )
    scored = rescore(source, request, out=out, overwrite=overwrite)
    if as_json:
        typer.echo(json.dumps(_document(scored, whole=source.is_dir()), indent=1))
    else:
        _show(scored, _wide_console(), by_task=by_task, definitions=definitions)
    for line in _written(scored):
        console.print(line, highlight=False, soft_wrap=True)
    if overwrite and out is None:
        run = source if (source / "experiment.yaml").exists() else source.resolve().parent.parent
        console.print(
            f"Summary and report are of the old scores until: kerasac-ray report {shlex.quote(str(run))}",
            highlight=False,
            soft_wrap=True,
        )


def _pair(text: str) -> tuple[Path, Path]:
    first, _, second = text.partition(",")
    if not first or not second or "," in second:
        raise ConfigError(f"--pseudoreplicates {text!r} is not two bigWigs with a comma between; give one pair a task")
    return Path(first), Path(second)


def _wide_console() -> Console:
    """Return where tables go; what is no terminal has no width that cuts them."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def _document(scored: Sequence[Rescored], *, whole: bool) -> Any:
    """What is printed as JSON: the scores of a file, or those of units or outputs by name."""
    if len(scored) == 1 and not whole:
        return scored[0].scores.to_dict()
    return {item.name: item.scores.to_dict() for item in scored}


def _show(scored: Sequence[Rescored], console: Console, *, by_task: bool, definitions: bool) -> None:
    of_run = len(scored) > 1 and all("/" in item.name for item in scored)
    if of_run and not by_task:
        _show_units(scored, console)
    else:
        for item in scored:
            _show_one(item, console, by_task=by_task)
            console.print()
    if not definitions:
        console.print("↑ higher is better, ↓ lower; --definitions says what each is.", highlight=False)
        return
    words: dict[str, str] = {}
    for item in scored:
        words |= item.scores.to_dict()["definitions"]
    for name, text in words.items():
        console.print(f"{name}: {text}", highlight=False, soft_wrap=True)


def _show_one(item: Rescored, console: Console, *, by_task: bool) -> None:
    found = item.scores.to_dict()
    words = found["definitions"]
    sizes = {name: tally["n_windows"] for name, tally in found["n"].items()}
    what = "bins" if set(sizes) == {"all"} else "windows"
    shown = [name for name, size in sizes.items() if size and not _repeats(name, sizes)]
    tasks = item.scores.tasks
    title = f"{item.name}: {sizes['all']:,} {what}"
    if len(tasks) > 1:
        title += f", mean over {len(tasks)} tasks"
    dropped = found["n"]["all"].get("n_outside_label_range", 0)
    if dropped:
        title += f"; {dropped:,} outside the range of counts left out"
    title += "".join(f"\n  {name}: {value}" for name, value in found.get("settings", {}).items())
    headings = [f"{name}\n{sizes[name]:,}" for name in shown]
    means = item.scores.windows
    _print(title, headings, [means[name] for name in shown], words, console)
    for task, sets in tasks.items() if by_task and len(tasks) > 1 else ():
        _print(f"\n{task}", headings, [sets[name] for name in shown], words, console)


def _repeats(name: str, sizes: Mapping[str, int]) -> bool:
    """Whether a set has no windows of its own beside ``all``."""
    return name != "all" and sizes[name] == sizes["all"]


def _show_units(scored: Sequence[Rescored], console: Console) -> None:
    """Print mean and spread over units."""
    from kerasac.steps.summary import summarize_units

    documents = {item.name: item.scores.to_dict() for item in scored}
    summary, words = summarize_units(documents), documents[scored[0].name]["definitions"]
    title = f"{len(scored)} units, mean ± sd: {', '.join(item.name for item in scored)}"
    _print(title, list(summary.metrics), list(_means(summary)), words, console)
    console.print()


def _means(summary: Summary) -> Iterator[dict[str, str]]:
    for metrics in summary.metrics.values():
        yield {
            name: "-" if m.mean is None else _number(m.mean) + (f" ± {_number(m.sd)}" if m.sd is not None else "")
            for name, m in metrics.items()
        }


def _print(
    title: str,
    headings: Sequence[str],
    columns: Sequence[Mapping[str, Any]],
    words: Mapping[str, str],
    console: Console,
) -> None:
    """Print a row a metric; floors and ceilings, which are there to compare with, are dim."""
    from kerasac.steps.summary import better_direction

    console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name in words:
        values = [column.get(name, "") for column in columns]
        better = better_direction(name, words[name])
        bound = "floor" if "a floor" in words[name] else "ceiling" if name.endswith("_pseudoreplicate") else ""
        mark = _ARROWS[better] if better else bound
        cells = [value if isinstance(value, str) else _number(value) for value in values]
        table.add_row(name, mark, *cells, style="dim" if bound else None)
    console.print(table)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == int(value) and abs(value) >= 2:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


def _written(scored: Sequence[Rescored]) -> Iterator[str]:
    for item in scored:
        if item.files:
            names = ", ".join(path.name for path in item.files)
            yield f"wrote {names} in {item.files[0].parent}"
