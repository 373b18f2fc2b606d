"""Say which of the models that a user named work on each window, and list the places without one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.cache import with_ending, write_whole
from kerasac.errors import RunError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.intervals import Intervals
from kerasac.sampling.given_windows import GivenWindows


class WindowModels(NamedTuple):
    """Windows, and for each (n,) int64 which of the groups, sets of places among the models, works on it."""

    given: GivenWindows
    groups: tuple[tuple[int, ...], ...]
    group_of: IntArray

    @property
    def n_models(self) -> int:
        """Number of models that work on any window."""
        return len({model for group in np.unique(self.group_of) for model in self.groups[group]})


def with_models(given: GivenWindows, by_chrom: Sequence[tuple[int, ...]], assembly: Assembly) -> WindowModels:
    """Give each window the models of its chromosome; those on chromosomes that have none are left out.

    Raises
    ------
    RunError
        When none is left.
    """
    chrom = np.searchsorted(assembly.offsets, given.windows.center, side="right") - 1
    groups = tuple(dict.fromkeys(group for group in by_chrom if group))
    place = np.array([groups.index(group) if group else -1 for group in by_chrom], dtype=np.int64)
    group_of: IntArray = place[chrom]
    kept = group_of >= 0
    if not kept.any():
        raise RunError("no fold tests on a chromosome of these windows; --by all takes all models for them")
    names = ", ".join(assembly.names[i] for i in np.unique(chrom[~kept])[:5])
    return WindowModels(given.take(kept, f"on chromosomes that no fold tests on ({names})"), groups, group_of[kept])


def write_dropped(out: Path, dropped: Intervals | None) -> Path | None:
    """List the regions that have no window beside an output; an older list goes."""
    path = with_ending(out, "left_out.bed")
    if dropped is None or not len(dropped):
        path.unlink(missing_ok=True)
        return None
    rows = zip(dropped.chrom.tolist(), dropped.start.tolist(), dropped.end.tolist(), strict=True)
    write_whole(path, "".join(f"{chrom}\t{start}\t{end}\n" for chrom, start, end in rows))
    return path
