"""Choose the files of the genome among those of a folder, and those that were named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasac.cache import local_copy
from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly, read_chrom_sizes
from kerasac.genome.fold_files import read_folds
from kerasac.genome.peak_centers import read_spans
from kerasac.genome.sequence import check_fasta, fasta_assembly
from kerasac.steps.draft.files import Kind, KnownFile
from kerasac.steps.draft.given import Given

_NUMBERED_FOLD = re.compile(r"fold_(\d+)\.json")


@dataclass(frozen=True)
class GenomeFiles:
    """The files of a genome, which fit each other; ``n_folds`` are those of the fold files."""

    assembly: Assembly
    fasta: Path
    chrom_sizes: Path | None
    blacklist: Path | None
    folds: tuple[Path, ...]
    n_folds: int | None

    def files(self) -> list[tuple[str, Path]]:
        """Return the files, and what each is."""
        named: list[tuple[str, Path | None]] = [
            (Kind.FASTA, self.fasta),
            (Kind.CHROM_SIZES, self.chrom_sizes),
            (Kind.BLACKLIST, self.blacklist),
            *((Kind.FOLDS, path) for path in self.folds),
        ]
        return [(kind, path) for kind, path in named if path is not None]


def choose_genome(known: Sequence[KnownFile], folder: Path, given: Given) -> GenomeFiles:
    """Choose the genome's files: what is given, else the only file of its kind.

    Raises
    ------
    ConfigError
        When there is no FASTA, or there are two files of a kind.
    KerasacError
        When the files do not fit each other.
    """
    fasta = given.fasta or _only(known, Kind.FASTA, "--fasta")
    if fasta is None:
        raise ConfigError(f"{folder} has no FASTA; name the genome's: --fasta genome.fa")
    sizes = given.chrom_sizes or _only(known, Kind.CHROM_SIZES, "--chrom-sizes")
    blacklist = given.blacklist or _only(known, Kind.BLACKLIST, "--blacklist")
    folds = given.folds or _folds([file.path for file in known if file.kind is Kind.FOLDS])
    n_folds = len(read_folds([local_copy(path) for path in folds])) if folds else None
    if sizes is None:
        assembly = fasta_assembly(fasta)
    else:
        assembly = read_chrom_sizes(local_copy(sizes))
        check_fasta(fasta, assembly)
    if blacklist is not None:
        read_spans(local_copy(blacklist), assembly)
    return GenomeFiles(assembly, fasta, sizes, blacklist, folds, n_folds)


def _only(known: Sequence[KnownFile], kind: Kind, option: str) -> Path | None:
    return _one([file.path for file in known if file.kind is kind], kind, option)


def _one(found: Sequence[Path], kind: Kind, option: str) -> Path | None:
    if len(found) > 1:
        listed = ", ".join(path.name for path in found)
        raise ConfigError(f"{found[0].parent} has more than one {kind} ({listed}); say which: {option}")
    return found[0] if found else None


def _folds(found: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files of the only table: one file, or chrombpnet's fold_0.json, fold_1.json, … in their order."""
    numbers = [_NUMBERED_FOLD.fullmatch(path.name) for path in found]
    if len(found) > 1 and None not in numbers:
        return tuple(sorted(found, key=lambda path: int(path.stem.removeprefix("fold_"))))
    only = _one(found, Kind.FOLDS, "--folds")
    return () if only is None else (only,)
