"""kerasac-ray summarize: many runs in one table, and compared fold by fold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from kerasac.steps.comparison import Comparison, Metric
    from kerasac.steps.configurations import Configuration

_ARROWS = {"higher": "↑", "lower": "↓"}  # which way is better
_WIDEST = 160  # letters of a table: a narrower terminal wraps its lines rather than cut names


def summarize(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders; also folders of single models, scores.json, kerasAC's summary.txt, chrombpnet's "
            "metrics.json, or a table of such files with a column File."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for the tables and the page; default: print only.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Run to compare the others with; default: the first.")] = None,
    metric: Annotated[
        list[str],
        typer.Option(help="Metric to compare, e.g. peaks.counts_pearson; repeatable; all for every one of them."),
    ] = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Put many runs into one table, and compare them fold by fold.

    Each run is compared with the baseline on the folds whose test chromosomes both have. OUT gets summary.tsv,
    units.tsv, comparison.json and comparison.html.
    """
    from kerasac.steps.comparison import compare
    from kerasac.steps.comparison_report import write_comparison
    from kerasac.steps.comparison_tables import comparison_document
    from kerasac.steps.configurations import read_configurations

    comparison = compare(read_configurations(runs), baseline=baseline, metrics=metric)
    written = write_comparison(comparison, out) if out is not None else []
    if as_json:
        typer.echo(json.dumps(comparison_document(comparison), indent=1, ensure_ascii=False))
        return
    _show(comparison, Console(width=_WIDEST))
    for path in written:
        typer.echo(f"wrote {path}")


def _show(comparison: Comparison, console: Console) -> None:
    """Print a table a metric, and what it means in words."""
    from kerasac.steps.verdicts import sentence

    for metric in comparison.metrics:
        console.print(_table(comparison, metric), soft_wrap=True)
        for contrast in comparison.of(metric):
            console.print(f"  {sentence(contrast)}", highlight=False, markup=False, soft_wrap=True)
        console.print()
    for note in comparison.notes:
        console.print(f"{note}.", highlight=False, markup=False, soft_wrap=True, style="yellow")
    if comparison.baseline is None:
        console.print("One run by itself: give two or more to compare them.", highlight=False)


def _table(comparison: Comparison, metric: Metric) -> Table:
    """Rows of one metric: mean ± standard error over folds, and the difference to the baseline with its interval."""
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left", title_style="bold")
    table.title = f"{metric.title} {_ARROWS[metric.better]}"
    headings = ["run", "mean ± se", "folds"]
    for heading in [*headings, "difference (95 %)", "p, Holm"] if comparison.baseline else headings:
        table.add_column(heading, no_wrap=True, overflow="ignore")
    for one in comparison.configurations:
        if one.scores:
            table.add_row(*_cells(comparison, metric, one))
    return table


def _cells(comparison: Comparison, metric: Metric, one: Configuration) -> list[str]:
    from kerasac.steps.verdicts import difference_text, p_text, value_digits, value_text

    found = one.summary.get(metric.windows, metric.name)
    cells = [one.name, value_text(found, value_digits(comparison, metric)), str(len(found.fold_means) if found else 0)]
    if comparison.baseline is None:
        return cells
    contrast = next((c for c in comparison.of(metric) if c.run == one.name), None)
    if contrast is None:
        return [*cells, "baseline", ""]
    return [*cells, difference_text(contrast) if contrast.test else "not compared", p_text(contrast.p_holm)]
