"""Find where an attribute reaches a threshold: the candidates of kerasAC's peak sampling."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.cache import ShardMap, digest, entry, in_process
from kerasac.genome.assembly import IntArray
from kerasac.genome.intervals import Spans
from kerasac.store.schema import StoreLayout, check_unchanged
from kerasac.store.slabs import Array, Track, read_slabs
from kerasac.store.stored_runs import stored_runs

FORMAT_VERSION = 2
SHARD_BP = 32_000_000  # rows of one shard

logger = logging.getLogger(__name__)


def scan_spans(
    layout: StoreLayout, attribute: str, datasets: Sequence[str], threshold: float, *, shards: ShardMap = in_process
) -> Spans:
    """Return the positions, as spans of genome rows, where an attribute reaches a threshold in any dataset.

    Arrays of our own ingest have the runs of their peak attributes beside them; others are scanned once, and the
    result is kept in the cache.
    """
    layout.require_attributes([attribute])
    found = Spans.empty()
    for dataset in datasets:
        found = found.union(_spans_of(layout, Track(dataset, attribute), threshold, shards))
    return found


def cuts(total_bp: int, shard_bp: int) -> list[tuple[int, int]]:
    """Cut the genome's rows into shards."""
    return [(low, min(low + shard_bp, total_bp)) for low in range(0, total_bp, shard_bp)]


def entry_name(kind: str, track: Track, facts: object) -> str:
    """Return a cache entry's name for something made of a track: readable, and unlike any other."""
    readable = re.sub(r"[^\w.-]", "_", f"{track.dataset}.{track.attribute}")[:80]
    return f"{kind}/{readable}-{digest({'track': track, 'facts': facts})}"


def _spans_of(layout: StoreLayout, track: Track, threshold: float, shards: ShardMap) -> Spans:
    runs = stored_runs(layout, track) if threshold > 0 else None  # they leave out the cells that are 0
    if runs is not None:
        reached = runs.value >= threshold
        return Spans.from_bounds(runs.start[reached], runs.end[reached])
    name = entry_name("scans", track, {"state": layout.state, "threshold": threshold, "version": FORMAT_VERSION})
    bounds = np.load(entry(name, partial(_scan, layout, track, threshold, shards)) / "bounds.npy")
    return Spans.from_bounds(bounds[0], bounds[1])


class _Shard(NamedTuple):
    layout: StoreLayout
    track: Track
    threshold: float
    low: int
    high: int


def _scan(layout: StoreLayout, track: Track, threshold: float, shards: ShardMap, folder: Path) -> None:
    logger.info("scanning %s of %s for values >= %g, once", track.attribute, track.dataset, threshold)
    check_unchanged(layout)
    jobs = [_Shard(layout, track, threshold, *rows) for rows in cuts(layout.assembly.total_bp, SHARD_BP)]
    bounds = [np.stack(found) for found in shards(_scan_shard, jobs)]
    np.save(folder / "bounds.npy", np.concatenate(bounds, axis=1))


def _scan_shard(shard: _Shard) -> tuple[IntArray, IntArray]:
    """Return starts and ends of the runs within a shard; those that go on in the next are joined later."""
    starts, ends = [], []
    whole = Spans.from_bounds(np.array([shard.low]), np.array([shard.high]))
    for slab in read_slabs(shard.layout, shard.track, whole):
        edges = _edges(slab.cells >= shard.threshold) + slab.low
        starts.append(edges[::2])
        ends.append(edges[1::2])
    return np.concatenate(starts), np.concatenate(ends)


def _edges(reached: Array) -> IntArray:
    """Return where runs of true begin and, between, end."""
    changes = np.flatnonzero(reached[1:] != reached[:-1]) + 1
    first = [0] if len(reached) and reached[0] else []
    last = [len(reached)] if len(reached) and reached[-1] else []
    return np.concatenate([first, changes, last]).astype(np.int64)
