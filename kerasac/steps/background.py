"""Write GC-matched background windows of a peak file, with a summary and a plot."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasac.cache import ShardMap, in_process, whole_file, write_whole
from kerasac.errors import GenomeError, SamplingError
from kerasac.genome.assembly import Assembly, IntArray, read_chrom_sizes
from kerasac.genome.centering import Center
from kerasac.genome.gc import FloatArray
from kerasac.genome.intervals import Spans
from kerasac.genome.peak_centers import PeakFile, read_peaks, read_spans
from kerasac.genome.sequence import fasta_assembly, token_genome
from kerasac.genome.window_bed import check_output, write_windows
from kerasac.sampling.free_windows import free_centers
from kerasac.sampling.match_spec import MatchSpec
from kerasac.sampling.negatives import ChromCounts, Negatives, match_negatives
from kerasac.steps.plots.gc import gc_distributions
from kerasac.steps.plots.style import DPI

logger = logging.getLogger(__name__)

_ENDINGS = (".gz", ".narrowPeak", ".bed")


@dataclass(frozen=True)
class BackgroundSpec:
    """Which windows are wanted, and where they may not lie.

    ``margin_bp`` (default: half a window, as chrombpnet) is kept clear around every peak of the file; no window
    touches a base of ``blacklist`` or ``exclude``, and peaks centred on the blacklist are not matched. Without
    ``chrom_sizes`` all chromosomes of the FASTA count.

    Raises
    ------
    SamplingError
        When the margin is negative.
    """

    peaks: Path
    fasta: Path
    match: MatchSpec
    chrom_sizes: Path | None = None
    center: Center = Center.SUMMIT
    margin_bp: int | None = None
    blacklist: tuple[Path, ...] = ()
    exclude: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.margin < 0:
            raise SamplingError(f"a margin of {self.margin} bases around peaks; it must be at least 0")

    @property
    def margin(self) -> int:
        """Bases around every peak that no window touches."""
        return self.match.half_bp if self.margin_bp is None else self.margin_bp


@dataclass(frozen=True, eq=False)
class BackgroundReport:
    """What was written: the windows, the files, peaks of the file and those that were not matched, by reason."""

    spec: BackgroundSpec
    negatives: Negatives
    files: tuple[Path, ...]
    n_read: int
    skipped: dict[str, int]

    @property
    def ks_distance(self) -> float:
        """Kolmogorov and Smirnov's distance of the GC contents of peaks and negatives: 0 alike, 1 apart."""
        ours, theirs = np.sort(self.negatives.peak_gc), np.sort(self.negatives.gc)
        both = np.concatenate([ours, theirs])
        shares = [np.searchsorted(side, both, side="right") / len(side) for side in (ours, theirs)]
        return float(np.abs(shares[0] - shares[1]).max())

    def summary(self) -> dict[str, Any]:
        """Return the report as JSON."""
        found = self.negatives
        return {
            "spec": asdict(self.spec),
            "files": self.files,
            "peaks": {"read": self.n_read, "matched": len(found.peak_gc), "skipped": self.skipped},
            "candidates": int(found.by_gc.candidates.sum()),
            "wanted": found.n_wanted,
            "found": len(found.centers),
            "missing": found.n_missing,
            "gc": {"peaks": _moments(found.peak_gc), "negatives": _moments(found.gc)},
            "ks_distance": self.ks_distance,
            "chromosomes": [_without_nan(row._asdict()) for row in found.chroms],
        }


def summary_files(out: Path) -> tuple[Path, Path]:
    """Name the table and the plot that are written beside windows."""
    stem = reduce(str.removesuffix, _ENDINGS, out.name)
    return out.with_name(f"{stem}.gc.tsv"), out.with_name(f"{stem}.gc.png")


def write_background(
    spec: BackgroundSpec, out: Path, *, shards: ShardMap = in_process, overwrite: bool = False
) -> BackgroundReport:
    """Match windows to peaks and write them in genome order as narrowPeak, with the files of :func:`summary_files`.

    ``shards`` runs the encoding of a FASTA whose tokens are not in the cache. The windows are written last.

    Raises
    ------
    ConfigError
        When one of the files is there and may not be replaced.
    GenomeError
        When a file is missing or does not fit the others.
    SamplingError
        When no window can be matched.
    """
    files = (out, *summary_files(out))
    for path in files:
        check_output(path, overwrite=overwrite)
    assembly = _assembly(spec)
    report = _match(spec, assembly, files, shards)
    _write(report, assembly)
    return report


def _match(spec: BackgroundSpec, assembly: Assembly, files: tuple[Path, ...], shards: ShardMap) -> BackgroundReport:
    peaks = read_peaks(spec.peaks, assembly, spec.center)
    blacklist = _union(spec.blacklist, assembly)
    allowed = _allowed(spec, assembly, peaks, blacklist)
    tokens = token_genome(spec.fasta, assembly)
    tokens.ensure(shards)
    centers, n_blacklisted = _matched_peaks(peaks, blacklist)
    found = match_negatives(tokens.open(), assembly, allowed, centers, spec.match)
    if not len(found.centers):
        raise SamplingError(
            f"no negative for any of {len(found.peak_gc):,} peaks: of {int(found.by_gc.candidates.sum()):,} candidates "
            "none has the GC content of one; use a larger tolerance, a smaller margin or stride, or match across "
            "chromosomes"
        )
    skipped = peaks.skipped | {
        "centred on blacklisted bases": n_blacklisted,
        "whose window leaves its chromosome": found.n_off_chromosome,
        "whose window is all N": found.n_unknown,
    }
    return BackgroundReport(spec, found, files, peaks.n_read, {why: n for why, n in skipped.items() if n})


def _assembly(spec: BackgroundSpec) -> Assembly:
    if not spec.fasta.exists():
        raise GenomeError(f"{spec.fasta} does not exist")
    return fasta_assembly(spec.fasta) if spec.chrom_sizes is None else read_chrom_sizes(spec.chrom_sizes)


def _union(paths: tuple[Path, ...], assembly: Assembly) -> Spans:
    return reduce(Spans.union, (read_spans(path, assembly) for path in paths), Spans.empty())


def _allowed(spec: BackgroundSpec, assembly: Assembly, peaks: PeakFile, blacklist: Spans) -> Spans:
    """Return the centres that a background window may have."""
    blocked = peaks.spans(spec.margin).union(blacklist).union(_union(spec.exclude, assembly))
    allowed = free_centers(assembly, blocked, spec.match.width_bp)
    if not len(allowed):
        raise SamplingError(
            f"no window of {spec.match.width_bp:,} bases is {spec.margin:,} bases clear of the peaks and touches no "
            "excluded base; use a smaller width or margin"
        )
    return allowed


def _matched_peaks(peaks: PeakFile, blacklist: Spans) -> tuple[IntArray, int]:
    """Return the centres of peaks that training would use, and how many are centred on blacklisted bases."""
    centers = peaks.centers[peaks.usable]
    listed = blacklist.contains(centers)
    return centers[~listed], int(listed.sum())


def _write(report: BackgroundReport, assembly: Assembly) -> None:
    out, table, plot = report.files
    match, found = report.spec.match, report.negatives
    rows = _table(report)
    write_whole(table, rows.to_csv(sep="\t", index=False, float_format="%.4f", na_rep="NA"))
    with whole_file(plot) as beside:
        gc_distributions(found, match, title=out.name).savefig(beside, format="png", dpi=DPI)
    write_windows(out, assembly, found.centers - match.half_bp, match.width_bp, summits=True)


def _table(report: BackgroundReport) -> pd.DataFrame:
    """Return a row a chromosome, and one of all; where they were pooled, none tells what a chromosome lacks."""
    found = report.negatives
    n_candidates = int(found.by_gc.candidates.sum())
    means = float(np.mean(found.peak_gc)), float(np.mean(found.gc))
    total = ChromCounts("all", len(found.peak_gc), n_candidates, found.n_wanted, len(found.centers), *means)
    rows = pd.DataFrame([*found.chroms, total])
    if not report.spec.match.across_chromosomes:
        rows["n_missing"] = rows["n_wanted"] - rows["n_found"]
    return rows


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    """Make NaN, which JSON lacks, null."""
    return {name: None if value != value else value for name, value in row.items()}


def _moments(gc: FloatArray) -> dict[str, float]:
    return {"mean": float(np.mean(gc)), "sd": float(np.std(gc))}
