"""Start an experiment from a folder of bigWigs and peaks: tables for ingest, and a draft."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kerasac.cache import local_copy, write_whole
from kerasac.errors import ConfigError, suggest
from kerasac.genome.intervals import Spans
from kerasac.genome.peak_centers import read_spans
from kerasac.steps.draft.files import Kind, KnownFile, Unused, recognise
from kerasac.steps.draft.genome import GenomeFiles, choose_genome
from kerasac.steps.draft.given import Given, plain_name, written_path
from kerasac.steps.draft.grouping import Tracks, group
from kerasac.steps.draft.peaks import n_chroms_of, region_shape
from kerasac.steps.draft.text import Draft, Positions, Regions, experiment_text
from kerasac.steps.draft.tracks import Roles, assign_roles
from kerasac.store.cells import check_file

_METADATA, _ATTRIBUTES, _EXPERIMENT = "metadata.tsv", "attributes.tsv", "experiment.yaml"
_STORE, _CHROM_SIZES = "signal.tdb", "chrom.sizes"
_LISTED = 3  # files of an attribute that a message names
_OF_DATASETS = (Kind.SIGNAL, Kind.PEAKS, Kind.AMBIGUOUS)


@dataclass(frozen=True)
class Started:
    """What was found in a folder, the files that were written, and the commands that come next."""

    draft: Draft
    datasets: Mapping[str, Mapping[str, Path]]
    genome: GenomeFiles
    unused: tuple[Unused, ...]
    written: tuple[Path, ...]
    commands: tuple[str, ...]


def start_from_folder(folder: Path, out: Path, given: Given) -> Started:
    """Write metadata.tsv, attributes.tsv and experiment.yaml to ``out``; chrom.sizes too when the folder has none.

    Every bigWig, and every BED file of peaks or ambiguous regions, becomes a track. What could be one of several files
    has to be given. All files are checked against the genome, as ingest does.

    Raises
    ------
    ConfigError
        When the folder has no bigWig, FASTA or peaks, two files could be the same thing, or a file that would be
        written is there.
    KerasacError
        When a file does not fit the genome.
    """
    given.check()
    if not folder.is_dir():
        raise ConfigError(f"--from {folder} is not a folder")
    known, unused = recognise(folder)
    tracks = group([file for file in known if file.kind in _OF_DATASETS], nameless=plain_name(folder.resolve().name))
    if not tracks.datasets:
        raise ConfigError(f"{folder} has no bigWig of a signal (subfolders are not read); {_counted(known)}")
    genome = choose_genome(known, folder, given)
    sizes = genome.chrom_sizes or out / _CHROM_SIZES
    _check_free(out, [_METADATA, _ATTRIBUTES, _EXPERIMENT, _STORE, *([] if genome.chrom_sizes else [_CHROM_SIZES])])
    draft = _draft(tracks, genome, sizes, out, given)
    _check_tracks(tracks, genome)
    texts = {out / _METADATA: _metadata(tracks, out), out / _ATTRIBUTES: _tsv(tracks.types.items())}
    if genome.chrom_sizes is None:
        texts[sizes] = _tsv(genome.assembly.as_dict().items())
    texts[out / _EXPERIMENT] = experiment_text(draft)
    for path, text in texts.items():
        write_whole(path, text)
    explained = {given.peaks}  # by the option, where its name did not
    not_used = tuple(file for file in (*unused, *tracks.unused) if file.path not in explained)
    return Started(draft, tracks.datasets, genome, not_used, tuple(texts), _commands(out, sizes))


def _counted(known: Sequence[KnownFile]) -> str:
    found = ", ".join(dict.fromkeys(f"{file.path.name} ({file.kind})" for file in known))
    return f"found: {found or 'nothing that is known'}"


def _check_free(out: Path, names: Sequence[str]) -> None:
    for path in (out / name for name in names):
        if path.exists():
            raise ConfigError(f"{path} is there already and stays as it is; name another folder (--out), or move it")


def _check_tracks(tracks: Tracks, genome: GenomeFiles) -> None:
    """Raise StoreError or GenomeError for the first file that does not fit the genome."""
    for files in tracks.datasets.values():
        for attribute, path in files.items():
            check_file(tracks.types[attribute], path, genome.assembly)


def _draft(tracks: Tracks, genome: GenomeFiles, sizes: Path, out: Path, given: Given) -> Draft:
    roles = assign_roles(tracks.signals(), tracks.marks())
    ambiguous = [name for name in tracks.marks() if "ambig" in name]
    if len(ambiguous) > 1:
        raise ConfigError(f"both {ambiguous[0]} and {ambiguous[1]} are ambiguous regions; move one of the files away")
    datasets, left_out = _with_outputs(tracks, roles)
    chosen = _sampling(tracks, roles, datasets, genome, out, given)
    name = datasets[0] if len(datasets) == 1 else out.resolve().name
    return Draft(
        name=given.name or plain_name(name),
        store=_STORE,
        datasets=datasets,
        roles=roles,
        sampling=chosen.sampling,
        n_peak_chroms=n_chroms_of(chosen.peaks, genome.assembly),
        fasta=written_path(genome.fasta, out),
        chrom_sizes=written_path(sizes, out),
        blacklist=None if genome.blacklist is None else written_path(genome.blacklist, out),
        score_peaks=chosen.scored,
        fold_files=tuple(written_path(path, out) for path in genome.folds),
        n_folds_of_files=genome.n_folds,
        left_out=left_out,
    )


def _with_outputs(tracks: Tracks, roles: Roles) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the datasets that have all that is predicted, and what to say of the others."""
    lacking = {
        dataset: [name for name in roles.outputs if name not in files] for dataset, files in tracks.datasets.items()
    }
    datasets = tuple(dataset for dataset, names in lacking.items() if not names)
    left_out = [f"dataset {dataset}, which has no {', '.join(names)}" for dataset, names in lacking.items() if names]
    if not datasets:
        raise ConfigError(f"no dataset has all of {', '.join(roles.outputs)}: {'; '.join(left_out)}")
    return datasets, tuple(left_out)


class _Chosen(NamedTuple):
    """Where windows are drawn, all bases of the peaks, and the file whose summits are scored."""

    sampling: Regions | Positions
    peaks: Spans
    scored: str | None


def _sampling(
    tracks: Tracks, roles: Roles, datasets: Sequence[str], genome: GenomeFiles, out: Path, given: Given
) -> _Chosen:
    """Sample the regions of a file where there is one for all datasets, else the positions of their attribute."""
    if given.peaks is not None:
        return _regions(given.peaks, genome, out)
    attribute = given.peak_attribute or _only_attribute(tracks, roles, datasets)
    if attribute not in roles.peaks:
        raise ConfigError(f"--peak-attribute {attribute} is none of the folder's{suggest(attribute, roles.peaks)}")
    files = _files_of(tracks, attribute, datasets)
    if len(files) == 1 and given.peak_attribute is None:
        return _regions(files[0], genome, out)
    peaks = Spans.empty()
    for path in files:
        peaks = peaks.union(read_spans(path, genome.assembly))
    scored = written_path(files[0], out) if len(files) == 1 and region_shape(files[0]).has_summits else None
    return _Chosen(Positions(attribute, len(peaks)), peaks, scored)


def _regions(path: Path, genome: GenomeFiles, out: Path) -> _Chosen:
    regions = Regions(written_path(path, out), region_shape(path).has_summits)
    return _Chosen(regions, read_spans(local_copy(path), genome.assembly), None)


def _only_attribute(tracks: Tracks, roles: Roles, datasets: Sequence[str]) -> str:
    found = {name: files for name in roles.peaks if (files := _files_of(tracks, name, datasets))}
    if not found:
        raise ConfigError("there are no peaks (narrowPeak, or BED files named so); name a file: --peaks")
    if len(found) > 1:
        listed = [f"  {name}: {_some(files)}" for name, files in found.items()]
        way_out = "name those to train on: --peaks FILE (its regions) or --peak-attribute NAME (all its positions)"
        raise ConfigError("\n".join([f"there are {len(found)} kinds of peaks; {way_out}", *listed]))
    return next(iter(found))


def _some(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files[:_LISTED])) + (f", … ({len(files)} in all)" if len(files) > _LISTED else "")


def _files_of(tracks: Tracks, attribute: str, datasets: Sequence[str]) -> list[Path]:
    files = (tracks.datasets[dataset].get(attribute) for dataset in datasets)
    return list(dict.fromkeys(path for path in files if path is not None))


def _metadata(tracks: Tracks, out: Path) -> str:
    rows = [("dataset", *tracks.types)]
    for dataset, files in tracks.datasets.items():
        rows.append((dataset, *(written_path(files[a], out) if a in files else "" for a in tracks.types)))
    return _tsv(rows)


def _tsv(rows: Iterable[Iterable[object]]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def _commands(out: Path, sizes: Path) -> tuple[str, ...]:
    """Return what to run from the working directory."""

    def word(path: Path) -> str:
        return shlex.quote(written_path(path, Path.cwd()))

    tables = f"{word(out / _METADATA)} --attributes {word(out / _ATTRIBUTES)} --chrom-sizes {word(sizes)}"
    experiment = word(out / _EXPERIMENT)
    return (
        f"kerasac-ray ingest {tables} --out {word(out / _STORE)}",
        f"kerasac-ray check {experiment}",
        f"kerasac-ray cv {experiment}",
    )
