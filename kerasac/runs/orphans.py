"""Free what the trainers of a unit hold when the trial that started them is killed.

Ray Train's placement group outlives a killed trial (github.com/ray-project/ray/issues/54305): its workers would keep
their CPUs and GPUs, and the next attempt would wait for them for ever.
"""

from __future__ import annotations

from pathlib import Path

import ray
from ray._raylet import PlacementGroupID
from ray.util.placement_group import PlacementGroup, remove_placement_group

from kerasac.cache import write_whole

_NOTE = ".placement_group"


def note_placement(folder: Path) -> None:
    """Note, from the first trainer of a unit, what its trainers are placed by."""
    group = ray.util.get_current_placement_group()
    if group is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _NOTE, f"{ray.get_runtime_context().gcs_address} {group.id.hex()}\n")


def remove_orphans(folder: Path) -> None:
    """Remove what an earlier attempt of a unit left placed; its processes end with it."""
    try:
        address, group = (folder / _NOTE).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return
    if address == ray.get_runtime_context().gcs_address:  # else of a cluster that is gone
        remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(group)))
    (folder / _NOTE).unlink(missing_ok=True)
