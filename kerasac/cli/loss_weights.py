"""kerasac-ray loss-weights: how much the counts loss weighs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kerasac.cli.options import DataFolder, Overrides, Verbose, open_console, read_experiment, set_volume
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from kerasac.config import Experiment
    from kerasac.steps.loss_weights import CountsWeight, CountsWindows
    from kerasac.store.schema import StoreLayout


def loss_weights(
    experiment: Annotated[Path | None, typer.Argument(help="Experiment file: the weights of its folds.")] = None,
    store: Annotated[Path | None, typer.Option(help="Instead of an experiment: a TileDB array.")] = None,
    dataset: Annotated[str | None, typer.Option(help="With --store: dataset, default the only one.")] = None,
    counts: Annotated[str | None, typer.Option(help="With --store: counts attribute(s), comma-separated.")] = None,
    peaks: Annotated[str, typer.Option(help="With --store: attribute whose positions are window centres.")] = (
        "overlap_peak"
    ),
    threshold: Annotated[float, typer.Option(help="With --store: centres reach this value; 2 = summits.")] = 1,
    ambiguous: Annotated[str | None, typer.Option(help="With --store: attribute that no centre is in.")] = None,
    flank: Annotated[int, typer.Option(help="With --store: windows are centre ± flank, in bases.")] = 500,
    chroms: Annotated[str | None, typer.Option(help="With --store: chromosomes, comma-separated.")] = None,
    min_log_counts: Annotated[float | None, typer.Option(help="With --store: leave out windows below ln(counts).")] = (
        None
    ),
    max_log_counts: Annotated[float | None, typer.Option(help="With --store: leave out windows above ln(counts).")] = (
        None
    ),
    overrides: Overrides = [],  # noqa: B006
    data: DataFolder = None,
    verbose: Verbose = 0,
) -> None:
    """Print the weight of the counts loss: the median counts of peak windows / 10.

    Training takes it by itself where loss.counts is auto.
    """
    set_volume(verbose, quiet=False)
    if (experiment is None) == (store is None):
        raise ConfigError("give either an experiment file or --store ARRAY")
    if experiment is not None:
        rows = _of_experiment(read_experiment(experiment, tuple(overrides), data, open_console(quiet=False)))
    else:
        from kerasac.steps.loss_weights import CountsWindows
        from kerasac.store.schema import read_layout

        layout = read_layout(str(store))
        if counts is None:
            raise ConfigError(f"name the counts attributes: --counts A or --counts A,B; {store} has {_listed(layout)}")
        if dataset is None and len(layout.datasets) > 1:
            raise ConfigError(f"say which --dataset of {store}: {', '.join(layout.datasets)}")
        windows = CountsWindows(
            dataset=dataset or layout.datasets[0],
            counts=_names(counts),
            flank=flank,
            peaks=peaks,
            threshold=threshold,
            ambiguous=ambiguous,
            chroms=_names(chroms),
            min_log_counts=min_log_counts,
            max_log_counts=max_log_counts,
        )
        rows = _of_array(layout, windows)
    for name, weight in rows:
        facts = f"median {weight.median_counts:,.10g} counts of {weight.n_windows:,} windows"
        typer.echo(f"{name}\t{weight.weight:.10g}\t{facts}")


def _of_experiment(experiment: Experiment) -> list[tuple[str, CountsWeight]]:
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.steps.loss_weights import counts_outputs, unit_weight
    from kerasac.steps.prepare import prepare

    with closing_ray(), node_shards() as shards:
        prepared = prepare(experiment, shards)
    plans = [prepared.plan(fold, experiment.seeds[0]) for fold in prepared.folds]
    return [
        (f"fold-{plan.fold.index}\t{output}", unit_weight(prepared, plan, output))
        for plan in plans
        for output in counts_outputs(prepared)
    ]


def _of_array(layout: StoreLayout, windows: CountsWindows) -> list[tuple[str, CountsWeight]]:
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.steps.loss_weights import array_weight

    with closing_ray(), node_shards() as shards:
        return [(windows.dataset, array_weight(layout, windows, shards))]


def _names(listed: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (listed or "").split(",") if name.strip())


def _listed(layout: StoreLayout) -> str:
    return ", ".join(layout.attributes)
