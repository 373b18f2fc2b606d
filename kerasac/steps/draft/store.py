"""Draft an experiment of an array."""

from __future__ import annotations

from pathlib import Path

from kerasac.cache import local_copy, shown, url_of
from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly, check_same_sizes, read_chrom_sizes
from kerasac.genome.fold_files import read_folds
from kerasac.genome.intervals import Spans
from kerasac.genome.peak_centers import read_spans
from kerasac.genome.sequence import check_fasta
from kerasac.steps.draft.given import Given, plain_name, written_path
from kerasac.steps.draft.peaks import n_chroms_of, region_shape
from kerasac.steps.draft.text import Draft, Positions, Regions
from kerasac.steps.draft.tracks import Roles, assign_roles
from kerasac.store.scan import scan_spans
from kerasac.store.schema import StoreLayout, read_layout
from kerasac.store.slabs import Track
from kerasac.store.stored_runs import stored_runs

_QUICK_BP = 50_000_000  # rows that are scanned within seconds


def draft_of_store(store: Path, given: Given, folder: Path) -> Draft:
    """Draft an experiment of all datasets of an array, for a file in ``folder``.

    Regions of a BED file are sampled where one is given, else positions of an attribute of peaks. Peaks are counted
    when the array keeps them or is small.

    Raises
    ------
    ConfigError
        When the array has no signal to predict, or no peaks are known.
    KerasacError
        When the array is not of seqdataloader's schema, or a file that is given does not fit it.
    """
    given.check()
    layout = read_layout(str(store))
    signals = [name for name, dtype in layout.attributes.items() if dtype.kind == "f"]
    roles = assign_roles(signals, [name for name in layout.attributes if name not in signals])
    _check_roles(roles, layout, given)
    _check_genome(layout.assembly, given)
    attribute = given.peak_attribute or next(iter(roles.peaks), None)
    peaks: Spans | None
    sampling: Regions | Positions
    if given.peaks is not None:
        sampling = Regions(written_path(given.peaks, folder), region_shape(given.peaks).has_summits)
        peaks = read_spans(local_copy(given.peaks), layout.assembly)
    else:
        assert attribute is not None, "without a file, _check_roles found one"
        peaks = _peaks_at_hand(layout, attribute)
        sampling = Positions(attribute, None if peaks is None else len(peaks))
    return Draft(
        name=given.name or plain_name(layout.datasets[0] if len(layout.datasets) == 1 else Path(layout.path).stem),
        store=written_path(store, folder),
        datasets=layout.datasets,
        roles=roles,
        sampling=sampling,
        n_peak_chroms=len(layout.assembly.names) if peaks is None else n_chroms_of(peaks, layout.assembly),
        fasta=_written(given.fasta, folder),
        chrom_sizes=_written(given.chrom_sizes, folder),
        blacklist=_written(given.blacklist, folder),
        fold_files=tuple(written_path(path, folder) for path in given.folds),
        n_folds_of_files=len(read_folds([local_copy(path) for path in given.folds])) if given.folds else None,
    )


def _check_roles(roles: Roles, layout: StoreLayout, given: Given) -> None:
    listed = ", ".join(layout.attributes)
    if not roles.outputs:
        raise ConfigError(f"array {shown(layout.path)} has no signal to predict; its attributes: {listed}")
    if given.peak_attribute is not None:
        layout.require_attributes([given.peak_attribute])
    elif given.peaks is None and not roles.peaks:
        raise ConfigError(
            f"array {shown(layout.path)} has no attribute of peaks ({listed}); name a BED file (--peaks), or the "
            "attribute (--peak-attribute)"
        )


def _check_genome(assembly: Assembly, given: Given) -> None:
    """Raise GenomeError for a file that does not fit the array; a remote FASTA, which is large, is not fetched."""
    if given.fasta is not None and url_of(given.fasta) is None:
        check_fasta(given.fasta, assembly)
    if given.chrom_sizes is not None:
        sizes = read_chrom_sizes(local_copy(given.chrom_sizes))
        check_same_sizes(assembly.as_dict(), sizes.as_dict(), str(given.chrom_sizes))
    if given.blacklist is not None:
        read_spans(local_copy(given.blacklist), assembly)


def _peaks_at_hand(layout: StoreLayout, attribute: str) -> Spans | None:
    """Return the peak positions of all datasets, None when it would take a long scan."""
    kept = all(stored_runs(layout, Track(dataset, attribute)) is not None for dataset in layout.datasets)
    if not kept and layout.assembly.total_bp * len(layout.datasets) > _QUICK_BP:
        return None
    return scan_spans(layout, attribute, layout.datasets, 1)


def _written(path: Path | None, folder: Path) -> str | None:
    return None if path is None else written_path(path, folder)
