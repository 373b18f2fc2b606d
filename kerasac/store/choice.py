"""Choose how tracks are read: by what training asks for, what the tracks hold, and the memory of this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.genome.intervals import Spans
from kerasac.store.readers import ReaderKind
from kerasac.store.schema import StoreLayout
from kerasac.store.slabs import DTYPES, Track, narrowed, read_slabs

# Decoded tracks up to this size are kept whole: the fastest to read, and too small to save anything on.
SMALL_BYTES = 1024**3
# Above this share of cells other than 0, a sparse track is neither much smaller nor nearly as fast as a dense one.
SPARSE_BELOW = 0.15
_SAMPLES, _SAMPLE_BP = 24, 65_536
_SPARSE_CELL_BYTES = 5.0  # of a row and its value


class Choice(NamedTuple):
    """A reader, and in words why."""

    kind: ReaderKind
    reason: str


class TrackSample(NamedTuple):
    """What a sample of a track's cells looks like: bytes of the narrowest exact type, share of cells other than 0."""

    item_bytes: int
    whole_numbers: bool
    density: float


def choose_reader(
    layout: StoreLayout, tracks: Sequence[Track], spans: Spans | None, *, memory_bytes: int | None = None
) -> Choice:
    """Return the reader that is fastest among those whose decoded tracks take at most half of the free memory.

    Whole tracks when they are small; else spans around the candidates when training reads nowhere else (``spans``
    is None when it does); else sparse tracks when they hold whole numbers, most of them 0; else whole tracks; and
    block reads of the array when none of these fits. ``memory_bytes`` are free; by default this machine's.
    """
    samples = [sample_track(layout, track) for track in tracks]
    room = (available_memory() if memory_bytes is None else memory_bytes) / 2
    sizes = {
        "map": sum(layout.assembly.total_bp * sample.item_bytes for sample in samples),
        "spans": sum(spans.total_bp * sample.item_bytes for sample in samples) if spans is not None else None,
        "sparse": _sparse_bytes(layout, samples),
    }
    kinds = _kinds_by_preference(sizes["map"] or 0, spans, samples)
    fitting = [kind for kind in kinds if (sizes[kind] or 0) <= room]
    if not fitting:
        least = min(size for size in sizes.values() if size is not None)
        return Choice(
            "blocks", f"decoded tracks would take {_gb(least)} or more, half of the free memory is {_gb(room)}"
        )
    kind = fitting[0]
    return Choice(kind, f"{_WHY[kind]}; about {_gb(sizes[kind] or 0)} decoded, half of the free memory is {_gb(room)}")


def sample_track(layout: StoreLayout, track: Track) -> TrackSample:
    """Look at stretches spread evenly over the genome, about 1.5 Mb in all."""
    total = layout.assembly.total_bp
    starts = np.unique(np.linspace(0, max(0, total - _SAMPLE_BP), _SAMPLES).astype(np.int64))
    spans = Spans.from_bounds(starts, np.minimum(starts + _SAMPLE_BP, total))
    n_cells, n_other, widest = 0, 0, 0
    for slab in read_slabs(layout, track, spans):
        values, _ = narrowed(slab.cells)
        n_cells += len(values)
        n_other += int(np.count_nonzero(values))
        widest = max(widest, DTYPES.index(values.dtype))
    return TrackSample(DTYPES[widest].itemsize, widest < len(DTYPES) - 1, n_other / max(1, n_cells))


def available_memory() -> int:
    """Return the bytes that a process may still take: what the system has free, within its container's limit."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError):
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    with suppress(OSError, ValueError):  # no limit reads "max"
        group = Path("/sys/fs/cgroup")
        used = int((group / "memory.current").read_text())
        free = min(free, max(0, int((group / "memory.max").read_text()) - used))
    return free


_WHY: dict[ReaderKind, str] = {
    "map": "whole tracks",
    "spans": "no training window lies outside the candidates' surroundings",
    "sparse": "whole numbers, most of them 0",
}


def _kinds_by_preference(map_bytes: int, spans: Spans | None, samples: Sequence[TrackSample]) -> list[ReaderKind]:
    kinds: list[ReaderKind] = ["map"] if map_bytes <= SMALL_BYTES else []
    if spans is not None:
        kinds.append("spans")
    if all(sample.whole_numbers and sample.density < SPARSE_BELOW for sample in samples):
        kinds.append("sparse")
    return [*kinds, "map"]


def _sparse_bytes(layout: StoreLayout, samples: Sequence[TrackSample]) -> int:
    return int(sum(layout.assembly.total_bp * sample.density * _SPARSE_CELL_BYTES for sample in samples))


def _gb(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2f} GB"
