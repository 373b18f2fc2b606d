"""Say which stretches of the genome are to be drawn, and put values of windows together over one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.errors import InterpretError
from kerasac.genome.assembly import IntArray, naming_hint
from kerasac.genome.intervals import read_bed
from kerasac.store.bigwig_tracks import nearest_bounds

Array = npt.NDArray[Any]

_WRITTEN = re.compile(r"(?P<chrom>.+):(?P<start>[\d,_]+)[-–](?P<end>[\d,_]+)")


class Place(NamedTuple):
    """A stretch of a chromosome, 0-based, half-open."""

    chrom: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start:,}-{self.end:,}"

    @property
    def width_bp(self) -> int:
        """Number of its bases."""
        return self.end - self.start

    @property
    def file_name(self) -> str:
        """A name for files, without an ending."""
        chrom = re.sub(r"[^\w.+-]+", "_", self.chrom)
        return f"{chrom}_{self.start}-{self.end}"


def places(
    written: Sequence[str], bed: Path | None = None, *, first: int | None = None, flank_bp: int | None = None
) -> list[Place]:
    """Return the places of ``chrom:start-end`` texts, then those of a BED file, each once.

    ``first`` takes so many of the file. With ``flank_bp``, each becomes that many bases on both sides of its middle.

    Raises
    ------
    InterpretError
        For a text that is no place, a number that takes none, or when there is no place.
    """
    found = [_parsed(text) for text in written]
    if first is not None and (first < 1 or bed is None):
        raise InterpretError(f"--first {first} takes so many places of a file: give 1 or more, and --bed FILE")
    if bed is not None:
        rows = read_bed(bed)[slice(first)]
        if not len(rows):
            raise InterpretError(f"{bed} holds no region; give another --bed")
        found += map(Place, rows.chrom.tolist(), rows.start.tolist(), rows.end.tolist())
    if not found:
        raise InterpretError("nothing to draw: give regions, chrom:start-end, or a file with --bed")
    if flank_bp is not None:
        found = [_around(place, flank_bp) for place in found]
    return list(dict.fromkeys(found))


def check_on(place: Place, sizes: Mapping[str, int], path: Path) -> None:
    """Raise InterpretError unless a place lies on a chromosome that a file is of."""
    if place.chrom not in sizes:
        raise InterpretError(f"{path} has no chromosome {place.chrom!r}{naming_hint([place.chrom], sizes)}")
    if place.end > sizes[place.chrom]:
        raise InterpretError(
            f"{place} ends beyond the {sizes[place.chrom]:,} bases that {place.chrom} has in {path}; "
            "is it of this genome?"
        )


def from_windows(
    place: Place, chrom: Array, start: IntArray, width_bp: int, read: Callable[[int], Array], path: Path
) -> Array:
    """Put values of windows, (width_bp, …) each, together over a place; NaN where no window lies.

    A base has the value of the window whose centre is nearest, as in bigWig files; ``read`` reads a window by its row.

    Raises
    ------
    InterpretError
        When no window reaches into the place, saying where the nearest one is.
    """
    on_chrom = np.flatnonzero(chrom == place.chrom)
    if not len(on_chrom):
        names = list(dict.fromkeys(chrom.tolist()))
        raise InterpretError(f"{path} has no window on {place.chrom}{naming_hint([place.chrom], names)}")
    inside = on_chrom[(start[on_chrom] < place.end) & (start[on_chrom] + width_bp > place.start)]
    if not len(inside):
        middle = (place.start + place.end) // 2
        at = int(start[on_chrom][np.argmin(np.abs(start[on_chrom] + width_bp // 2 - middle))])
        raise InterpretError(
            f"no window of {path} reaches into {place}; the nearest is {place.chrom}:{at:,}-{at + width_bp:,}"
        )
    inside = inside[np.argsort(start[inside], kind="stable")]
    values: Array | None = None
    for row, low, high in zip(inside.tolist(), *nearest_bounds(start[inside], width_bp), strict=True):
        low, high = max(int(low), place.start), min(int(high), place.end)
        if low >= high:
            continue
        window = np.asarray(read(row), dtype=np.float64)
        if values is None:
            values = np.full((place.width_bp, *window.shape[1:]), np.nan)
        first = int(start[row])
        values[low - place.start : high - place.start] = window[low - first : high - first]
    assert values is not None, "a window reaches into the place"
    return values


def _parsed(text: str) -> Place:
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise InterpretError(
            f"{text!r} is no region; give chrom:start-end, as chrII:1,000-1,200 (or a file with --bed)"
        )
    start, end = (int(re.sub(r"[,_]", "", found[side])) for side in ("start", "end"))
    if end <= start:
        raise InterpretError(f"{text!r} is no region: its start is not below its end (0-based, half-open)")
    return Place(found["chrom"], start, end)


def _around(place: Place, flank_bp: int) -> Place:
    if flank_bp < 1:
        raise InterpretError(f"--flank is {flank_bp}; give 1 or more bases")
    middle = (place.start + place.end) // 2
    return Place(place.chrom, max(middle - flank_bp, 0), middle + flank_bp)
