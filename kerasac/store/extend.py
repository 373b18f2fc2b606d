"""Join new tracks with those of an array that is there: an ingest that writes both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly
from kerasac.store.schema import StoreLayout
from kerasac.store.tables import AttributeType, Dataset, StoredTrack, TrackSource

_LISTED = 5


def extended(
    layout: StoreLayout,
    assembly: Assembly,
    attributes: Mapping[str, AttributeType],
    datasets: tuple[Dataset, ...],
    *,
    replace_tracks: bool,
) -> tuple[dict[str, AttributeType], tuple[Dataset, ...]]:
    """Return the attributes and datasets of an array and of new tables together, the array's first.

    Tracks that only the array has are read from it. With ``replace_tracks``, those that both have come from the new
    files.

    Raises
    ------
    StoreError
        When both have a track (and it may not be replaced), or the array is of another genome or of other types.
    """
    if list(layout.assembly.as_dict().items()) != list(assembly.as_dict().items()):
        raise StoreError(
            f"the chromosomes of array {layout.path} and of the sizes file differ; add to an array of the same genome, "
            "with its chromosomes in the same order"
        )
    kinds = {name: _kind_of(dtype) for name, dtype in layout.attributes.items()}
    for name, kind in attributes.items():
        if name in kinds and kinds[name].is_signal != kind.is_signal:
            raise StoreError(
                f"attribute {name} of array {layout.path} holds {layout.attributes[name]}, which is no {kind}; "
                "give the new tracks another name"
            )
    _check_new(layout, datasets, replace_tracks=replace_tracks)
    kinds |= attributes  # they say how the new files are read
    new = {dataset.name: dataset for dataset in datasets}
    names = dict.fromkeys((*layout.datasets, *new))
    return kinds, tuple(_joined(name, kinds, layout, new.get(name)) for name in names)


def _joined(name: str, kinds: Mapping[str, Any], layout: StoreLayout, new: Dataset | None) -> Dataset:
    files: dict[str, TrackSource] = {}
    for attribute in kinds:
        file = new.files.get(attribute) if new is not None else None
        if file is None and name in layout.datasets and attribute in layout.attributes:
            file = StoredTrack(layout, name, attribute)
        files[attribute] = file
    return Dataset(name, files)


def _check_new(layout: StoreLayout, datasets: tuple[Dataset, ...], *, replace_tracks: bool) -> None:
    there = [
        f"{attribute} of {dataset.name}"
        for dataset in datasets
        for attribute, file in dataset.files.items()
        if file is not None and dataset.name in layout.datasets and attribute in layout.attributes
    ]
    if there and not replace_tracks:
        more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
        raise StoreError(
            f"array {layout.path} has {', '.join(there[:_LISTED])}{more} already; say --overwrite as well to replace "
            "them, or empty their cells in the metadata table"
        )


def _kind_of(dtype: np.dtype[Any]) -> AttributeType:
    """Return a type of attribute with cells like a stored one's, which are copied, not made of a file."""
    return AttributeType.BIGWIG if dtype.kind == "f" else AttributeType.BED_NO_SUMMIT
