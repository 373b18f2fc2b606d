"""kerasac-ray curves: precision and recall, and receiver operating characteristics, of runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from kerasac.cli.options import Verbose, set_volume

if TYPE_CHECKING:
    from kerasac.steps.curves import Curves, TaskCurves
    from kerasac.steps.summary import MetricSummary


def curves(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Runs, units (<run>/fold-0/seed-1234), prefixes of two tables of bins, or files of predictions."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Figure to write: .png, .pdf or .svg.")],
    task: Annotated[list[str], typer.Option(help="Task to draw; repeatable. Default: all that sources share.")] = [],  # noqa: B006
    name: Annotated[
        list[str],
        typer.Option(help="Name of a source in the legend, one for each in their order; default: its file's."),
    ] = [],  # noqa: B006
    title: Annotated[str, typer.Option(help="Title of the figure.")] = "",
    as_json: Annotated[Path | None, typer.Option("--json", help="File for areas, points and definitions.")] = None,
    tsv: Annotated[Path | None, typer.Option("--tsv", help="File for the points, as a table.")] = None,
    verbose: Verbose = 0,
) -> None:
    """Draw how positive bins, or peaks, are found: precision by recall, and true by false positive rate.

    Each source is a colour. The folds and seeds of a run are averaged vertically, on a grid of recalls and on one of
    false positive rates, with a band of one standard deviation; areas are the units' own. Bins are ranked by
    probability, windows with a profile by predicted log count, peaks against background.
    """
    set_volume(verbose, quiet=False)
    from kerasac.steps.curves import compute_curves, write_json, write_table
    from kerasac.steps.plots.curves import check_figure, write_curves
    from kerasac.steps.ranked import find_sources

    check_figure(out, len(sources))
    computed = compute_curves(find_sources(sources, name), task)
    write_curves(out, computed, title=title)
    if as_json is not None:
        write_json(computed, as_json)
    if tsv is not None:
        write_table(computed, tsv)
    _show(computed, Console())
    written = ", ".join(str(path) for path in (out, as_json, tsv) if path is not None)
    typer.echo(f"wrote {written}")


def _show(computed: Curves, console: Console) -> None:
    several = len(computed.tasks) > 1
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = f"{computed.positives.capitalize()} found{'' if several else f', {computed.tasks[0]}'}"
    for heading in ("", *(["task"] if several else []), "units", "AUPRC", "chance", "AUROC"):
        table.add_column(heading, no_wrap=heading not in ("", "task"), overflow="fold")
    for source, by_task in computed.sources.items():
        for task, of_task in by_task.items():
            table.add_row(source, *([task] if several else []), *_numbers(of_task))
    console.print(table)


def _numbers(of_task: TaskCurves) -> tuple[str, str, str, str]:
    n, n_all = len(of_task.defined), len(of_task.units)
    if not n:
        return f"0 of {n_all}", "one class only", "", ""
    auprc, auroc = (_area(of_task.area(name)) for name in ("auprc", "auroc"))
    return f"{n}" if n == n_all else f"{n} of {n_all}", auprc, f"{of_task.chance:.3f}", auroc


def _area(area: MetricSummary) -> str:
    return f"{area.mean:.4f}" if area.sd is None else f"{area.mean:.4f} ± {area.sd:.4f}"
