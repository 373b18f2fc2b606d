"""Make windows at places that a user names: the regions of a BED file, or steps along chromosomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasac.errors import SamplingError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.centering import Center
from kerasac.genome.intervals import BoolArray, Intervals, read_bed, summit_outside
from kerasac.sampling.plan import Windows, concatenate, windows_at


@dataclass(frozen=True, eq=False)
class GivenWindows:
    """Windows in the order in which they were named, on the forward strand.

    ``left_out`` counts, by reason, the places without a window. Of a BED file,
    ``regions`` are those of the windows, and ``dropped`` those without one.
    """

    windows: Windows
    left_out: dict[str, int]
    regions: Intervals | None = None
    dropped: Intervals | None = None

    def take(self, kept: BoolArray, why: str) -> GivenWindows:
        """Return only the windows that are ``kept`` (n,); the others are left out for this reason."""
        n = int((~kept).sum())
        left_out = {**self.left_out, **({why: n} if n else {})}
        if self.regions is None:
            return GivenWindows(self.windows.take(kept), left_out, dropped=self.dropped)
        dropped = _joined([*([] if self.dropped is None else [self.dropped]), self.regions[~kept]])
        return GivenWindows(self.windows.take(kept), left_out, self.regions[kept], dropped)


def windows_of_regions(
    path: Path, assembly: Assembly, flank: int, *, center: Center = Center.SUMMIT, is_peak: bool = True
) -> GivenWindows:
    """Return a window for each region of a BED or narrowPeak file, as wide as ``flank`` on each side of its centre.

    Raises
    ------
    GenomeError
        When the file is malformed, or names chromosomes as another assembly does.
    SamplingError
        When no region has a window.
    """
    read = read_bed(path, summits=center is Center.SUMMIT)
    if len(read):
        read.known(assembly, path)  # raises when none is, or they are named as another assembly's
    chrom = read.chrom_index(assembly)
    centers = np.where(read.summit >= 0, read.summit, (read.start + read.end) // 2)
    unknown = chrom < 0
    outside = ~unknown & summit_outside(read)
    beyond = ~unknown & ~outside & ((centers < flank) | (centers + flank > assembly.sizes_bp[chrom]))
    kept = ~unknown & ~outside & ~beyond
    left_out = {
        "on chromosomes that the genome lacks": int(unknown.sum()),
        "with a summit outside": int(outside.sum()),
        "whose window would leave its chromosome": int(beyond.sum()),
    }
    if not kept.any():
        said = ", ".join(f"{n:,} {why}" for why, n in left_out.items() if n)
        raise SamplingError(f"no region of {path} has a window of ±{flank:,} bases ({said or 'the file is empty'})")
    rows = (centers + assembly.offsets[chrom])[kept]
    left_out = {why: n for why, n in left_out.items() if n}
    return GivenWindows(windows_at(rows, is_peak=is_peak), left_out, read[kept], read[~kept])


def windows_along(assembly: Assembly, chroms: Sequence[str], flank: int, stride_bp: int) -> GivenWindows:
    """Return windows ``stride_bp`` apart along whole chromosomes, in genome order, and one that reaches their end.

    Nearer than ``flank`` to its ends a chromosome has no centre.

    Raises
    ------
    SamplingError
        When the stride is none, or no chromosome is long enough.
    GenomeError
        When a chromosome is unknown.
    """
    if stride_bp < 1:
        raise SamplingError(f"a stride of {stride_bp} bases; it must be at least 1")
    wanted = sorted({assembly.index(chrom) for chrom in chroms})
    short = [assembly.names[i] for i in wanted if assembly.sizes[i] < 2 * flank]
    if len(short) == len(wanted):
        raise SamplingError(f"no chromosome has {2 * flank:,} bases, as a window has")
    centers = [_along(assembly, i, flank, stride_bp) for i in wanted]
    left_out = {f"chromosomes shorter than a window ({', '.join(short[:5])})": len(short)} if short else {}
    return GivenWindows(windows_at(np.concatenate(centers), is_peak=False), left_out)


def joined(given: Sequence[GivenWindows]) -> GivenWindows:
    """Return all windows, in order."""
    left_out: dict[str, int] = {}
    for one in given:
        for why, n in one.left_out.items():
            left_out[why] = left_out.get(why, 0) + n
    regions = [one.regions for one in given if one.regions is not None]
    dropped = [one.dropped for one in given if one.dropped is not None]
    return GivenWindows(
        windows=concatenate([one.windows for one in given]),
        left_out=left_out,
        regions=_joined(regions) if len(regions) == len(given) else None,  # else not one a window
        dropped=_joined(dropped) if dropped else None,
    )


def _along(assembly: Assembly, index: int, flank: int, stride_bp: int) -> IntArray:
    last = assembly.sizes[index] - flank
    steps = np.arange(flank, last + 1, stride_bp, dtype=np.int64)
    if len(steps) and steps[-1] < last:
        steps = np.append(steps, last)
    centers: IntArray = steps + assembly.offsets[index]
    return centers


def _joined(parts: Sequence[Intervals]) -> Intervals:
    columns = ([getattr(part, name) for part in parts] for name in ("chrom", "start", "end", "summit"))
    return Intervals(*(np.concatenate(column) for column in columns))
