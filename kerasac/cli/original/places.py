"""Find the windows that kerasAC_predict_tdb predicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.cli.original.flags import Given
from kerasac.cli.original.folds import predicted_chromosomes
from kerasac.config import Experiment
from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.centering import Center
from kerasac.genome.intervals import Spans, read_bed, summit_outside
from kerasac.sampling.given_windows import windows_along
from kerasac.sampling.plan import windows_at
from kerasac.steps.prediction_data import open_reading

_SEED = 1234  # of bases that are drawn in regions


class Places(NamedTuple):
    """Centres of windows, genome rows in order, and how many were left out, by reason."""

    rows: IntArray
    left_out: dict[str, int]
    assembly: Assembly


def find_places(given: Given, experiment: Experiment) -> Places:
    """Find the centres: of regions of a BED file, of all peak positions, or steps along chromosomes.

    Windows that leave their chromosome are left out, and those outside the outputs' min and max.

    Raises
    ------
    ConfigError
        When the flags contradict each other, or no window is left.
    """
    reading = open_reading(experiment)
    reading.source.ensure()
    assembly, flank = reading.assembly, experiment.widest_flank
    chroms = predicted_chromosomes(given, assembly.names)
    inner = _inner(assembly, chroms, flank)
    centers, what = _centers(given, experiment, assembly, chroms)
    rows = centers[inner.contains(centers)]
    left_out = {f"{what} whose window would leave its chromosome": len(centers) - len(rows)}
    passed = reading.source.accepts(windows_at(rows, is_peak=True))  # type: ignore[attr-defined]
    left_out["windows outside --tdb_output_min and --tdb_output_max"] = int((~passed).sum())
    if not passed.any():
        said = ", ".join(f"{n:,} {why}" for why, n in left_out.items() if n)
        raise ConfigError(
            f"no window is left to predict on {', '.join(chroms)} ({said or f'no {what}'}); "
            f"give other {what}, or other chromosomes (--fold, --predict_chroms)"
        )
    return Places(rows[passed], {why: n for why, n in left_out.items() if n}, assembly)


def write_centers(path: Path, places: Places) -> None:
    """Write centres as a BED file of regions of one base."""
    index = np.searchsorted(places.assembly.offsets, places.rows, side="right") - 1
    starts = places.rows - places.assembly.offsets[index]
    names = np.asarray(places.assembly.names)[index]
    path.write_text(
        "".join(f"{name}\t{start}\t{start + 1}\n" for name, start in zip(names, starts.tolist(), strict=True))
    )


def _inner(assembly: Assembly, chroms: Sequence[str], flank: int) -> Spans:
    """Return the centres whose window of ± flank stays on its chromosome."""
    index = np.array([assembly.index(chrom) for chrom in sorted(chroms, key=assembly.index)])
    index = index[assembly.sizes_bp[index] >= 2 * flank]
    starts = assembly.offsets[index]
    return Spans.from_bounds(starts + flank, starts + assembly.sizes_bp[index] - flank + 1)


def _centers(given: Given, experiment: Experiment, assembly: Assembly, chroms: Sequence[str]) -> tuple[IntArray, str]:
    bed = given.text("bed_regions")
    if bed is not None:
        return _of_regions(given, Path(bed).expanduser(), experiment, assembly, chroms), "regions"
    ratios = given.numbers("upsample_ratio_list_predict")
    if ratios and ratios[0] > 0:
        return _of_peaks(experiment, assembly, chroms), "peak positions"
    stride = given.whole("tiledb_stride") or 1
    return windows_along(assembly, chroms, experiment.widest_flank, stride).windows.center, "steps"


def _of_regions(given: Given, bed: Path, experiment: Experiment, assembly: Assembly, chroms: Sequence[str]) -> IntArray:
    rule = given.text("bed_regions_center") or ("summit" if given.is_on("center_on_summit") else "center")
    read = read_bed(bed, summits=rule in (Center.SUMMIT, "edges")).known(assembly, bed)
    regions = read[np.isin(read.chrom, list(chroms)) & ~summit_outside(read)]
    offsets = regions.offsets(assembly)
    if rule == "random":
        drawn = np.random.default_rng(_SEED).integers(regions.start, regions.end)
        return np.asarray(drawn + offsets)
    centers = np.where(regions.summit >= 0, regions.summit, (regions.start + regions.end) // 2) + offsets
    if rule != "edges":
        return np.asarray(centers)
    flank = experiment.output_flank
    return np.stack([centers - flank, centers + flank], axis=1).ravel()


def _of_peaks(experiment: Experiment, assembly: Assembly, chroms: Sequence[str]) -> IntArray:
    """Return every position at which the peak attribute reaches its threshold, but for ambiguous ones."""
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.store.scan import scan_spans
    from kerasac.store.schema import read_layout

    peaks, ambiguous = experiment.sampling.peaks, experiment.sampling.ambiguous
    assert peaks is not None, "the translation gives this section"
    layout = read_layout(str(experiment.store))
    layout.require_attributes([peaks.attribute, *([ambiguous] if ambiguous else [])])
    with closing_ray(), node_shards() as shards:
        found = scan_spans(layout, peaks.attribute, experiment.datasets, peaks.threshold, shards=shards)
        if ambiguous is not None:
            found = found.subtract(scan_spans(layout, ambiguous, experiment.datasets, 1, shards=shards))
    found = found.intersect(Spans.of_chromosomes(list(chroms), assembly))
    return found.rows_at(np.arange(found.total_bp))
