"""Free what the trainers of a unit hold when the trial that started them is killed.

Ray Train's placement group outlives a killed trial (github.com/ray-project/ray/issues/54305): its workers would keep
their CPUs and GPUs, and the next attempt would wait for them for ever.
"""

from __future__ import annotations

from pathlib import Path

import ray
from ray._raylet import PlacementGroupID
from ray.util.placement_group import PlacementGroup, remove_placement_group

from kerasac.cache import read_small, remove_small, write_small

_NOTE = ".placement_group"


def note_placement(place: Path) -> None:
    """Note at a unit's place, from its first trainer, what its trainers are placed by."""
    group = ray.util.get_current_placement_group()
    if group is not None:
        write_small(place / _NOTE, f"{ray.get_runtime_context().gcs_address} {group.id.hex()}\n")


def remove_orphans(place: Path) -> None:
    """Remove what an earlier attempt of the unit at a place left placed; its processes end with it."""
    note = read_small(place / _NOTE)
    if note is None:
        return
    address, group = note.split()
    if address == ray.get_runtime_context().gcs_address:  # else of a cluster that is gone
        remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(group)))
    remove_small(place / _NOTE)
