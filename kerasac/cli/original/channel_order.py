"""Refuse models whose channels have kerasAC's order where that is not the order here."""

from __future__ import annotations

from pathlib import Path

from kerasac.cli.original.flags import Given
from kerasac.config import Experiment
from kerasac.errors import ConfigError


def check_channel_order(given: Given, experiment: Experiment) -> None:
    """Refuse a model of kerasAC with several attributes of several --tasks.

    Its channels are by attribute, and by task in it; here they are by task. Where datasets are named one by one
    (--tdb_output_datasets) the order is theirs in both.

    Raises
    ------
    ConfigError
        When the model's file was not written by this package.
    """
    sides = {"input": experiment.inputs, "output": experiment.outputs}
    mixed = [
        track
        for side, tracks in sides.items()
        for track in tracks
        if not given.texts(f"tdb_{side}_datasets")
        and len(track.source) > 1
        and len(experiment.track_datasets(track)) > 1
    ]
    path = Path(given.text("load_model_hdf5") or given.text("json") or "").expanduser()
    if not mixed or path.suffix == ".keras" or not path.is_file():
        return
    from kerasac.models.legacy.write import is_written_here

    if is_written_here(path):
        return
    sources, datasets = mixed[0].source[:2], experiment.track_datasets(mixed[0])[:2]
    here, there = (
        ", ".join(f"{source} of {dataset}" for dataset, source in pairs)
        for pairs in (
            [(dataset, source) for dataset in datasets for source in sources],
            [(dataset, source) for source in sources for dataset in datasets],
        )
    )
    raise ConfigError(
        f"{path} was not written by this package, and models of kerasAC have the channels of {mixed[0].name} in "
        f"another order ({there}) than here ({here}): train it here, or predict a model of one task"
    )
