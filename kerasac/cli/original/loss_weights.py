"""kerasAC_loss_weights: the weight of the counts loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from kerasac.store.schema import StoreLayout


def loss_weights(given: Given, console: Console) -> Done:
    """Print the median counts of peak windows / 10, in kerasAC's words."""
    del console
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.steps.loss_weights import CountsWindows, array_weight
    from kerasac.store.schema import read_layout

    if given.text("upsample_attribute") is None:
        raise ConfigError("windows are those of peaks: name their attribute with --upsample_attribute")
    layout = read_layout(given.needed("tdb_array"))
    threshold = given.number("upsample_thresh")
    windows = CountsWindows(
        dataset=_dataset(given, layout),
        counts=tuple(given.needed("label_attribute").split(",")),
        flank=given.whole("flank") or 0,
        peaks=given.needed("upsample_attribute"),
        threshold=1.0 if threshold is None else threshold,
        ambiguous=given.text("ambig_attribute"),
        chroms=given.texts("chroms"),
        min_log_counts=given.number("label_min"),
        max_log_counts=given.number("label_max"),
    )
    with closing_ray(), node_shards() as shards:
        found = array_weight(layout, windows, shards)
    same = hint(
        "loss-weights",
        store=given.needed("tdb_array"),
        dataset=windows.dataset,
        counts=",".join(windows.counts),
        peaks=windows.peaks,
        threshold=windows.threshold,
        ambiguous=windows.ambiguous,
        flank=windows.flank,
        chroms=",".join(windows.chroms),
        min_log_counts=windows.min_log_counts,
        max_log_counts=windows.max_log_counts,
    )
    return Done(same, printed=(f"counts_loss_weight:{found.weight:.10g}",))


def _dataset(given: Given, layout: StoreLayout) -> str:
    """Return the dataset by its name or number; the only one where neither is given."""
    name, place = given.text("task"), given.whole("task_index")
    if name is not None:
        return name
    if place is None and len(layout.datasets) == 1:
        return layout.datasets[0]
    if place is None or not 0 <= place < len(layout.datasets):
        raise ConfigError(f"say which --task of {given.needed('tdb_array')}: {', '.join(layout.datasets)}")
    return layout.datasets[place]
