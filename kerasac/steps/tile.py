"""Write windows of one width that cover the peaks of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kerasac.errors import SamplingError
from kerasac.genome.assembly import read_chrom_sizes
from kerasac.genome.intervals import Spans
from kerasac.genome.peak_centers import PeakFile, read_peaks
from kerasac.genome.window_bed import check_output, is_narrowpeak, write_windows
from kerasac.sampling.tiling import Tiling, tile_peaks
from kerasac.sampling.tiling_spec import TilingSpec


@dataclass(frozen=True, eq=False)
class TilingReport:
    """What was written; of ``peak_bp`` bases in peaks, ``covered_bp`` lie in a window.

    ``n_read`` peaks are in the file, ``skipped``, by reason, have no window.
    """

    tiling: Tiling
    n_read: int
    skipped: dict[str, int]
    peak_bp: int
    covered_bp: int


def write_tiling(
    peaks: Path, chrom_sizes: Path, out: Path, spec: TilingSpec, *, overwrite: bool = False
) -> TilingReport:
    """Cover peaks with windows and write them, in the peaks' order: BED, or narrowPeak where the name says so.

    Raises
    ------
    ConfigError
        When the file is there and may not be replaced.
    GenomeError
        When a file is missing or does not fit the other.
    SamplingError
        When no window is left.
    """
    check_output(out, overwrite=overwrite)
    assembly = read_chrom_sizes(chrom_sizes)
    read = read_peaks(peaks, assembly, spec.center)
    offsets = read.intervals.offsets(assembly)
    starts, ends = read.intervals.start + offsets, read.intervals.end + offsets
    tiling = tile_peaks(assembly, starts[read.usable], ends[read.usable], read.centers[read.usable], spec)
    if not len(tiling.starts):
        raise SamplingError(
            f"none of {read.n_read:,} peaks has a window of {spec.width_bp:,} bases on its chromosome; use a smaller "
            "width, or move windows in (--edges shift)"
        )
    write_windows(out, assembly, tiling.starts, spec.width_bp, summits=is_narrowpeak(out))
    return _report(read, tiling, spec)


def _report(read: PeakFile, tiling: Tiling, spec: TilingSpec) -> TilingReport:
    bases = read.spans()
    covered = bases.intersect(Spans.from_bounds(tiling.starts, tiling.starts + spec.width_bp))
    return TilingReport(tiling, read.n_read, read.skipped, bases.total_bp, covered.total_bp)
