"""Choose the fold that kerasAC's flags name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasac.cli.original.flags import Given
from kerasac.cli.original.lookups import Lookups
from kerasac.errors import ConfigError
from kerasac.genome.folds import SPLITS, Fold, built_in_folds

SCHEME = "kerasac-10"
GENOMES = ("hg19", "hg38", "mm9", "mm10")
_FLAGS = {"train": "train_chroms", "valid": "validation_chroms"}


@dataclass(frozen=True)
class ChosenFold:
    """A fold of kerasAC's table, or one of chromosomes that are named; ``scheme`` is None for these."""

    fold: Fold
    scheme: str | None

    def section(self, file: str) -> dict[str, Any]:
        """Return the experiment's section: the scheme, or the file that the fold is to be written to."""
        return {"scheme": self.scheme} if self.scheme is not None else {"files": [file]}


def training_fold(given: Given, store: Path | None, lookups: Lookups) -> ChosenFold:
    """Return the fold of a training: --train_chroms and --validation_chroms, or --fold with --genome.

    With named chromosomes, those that are left are the test chromosomes.

    Raises
    ------
    ConfigError
        When neither is given, or no chromosome is left to test on.
    """
    named = [given.texts(name) for name in ("train_chroms", "validation_chroms")]
    if not any(named):
        return kerasac_fold(given)
    if not all(named):
        raise ConfigError(f"{given.command} needs both --train_chroms and --validation_chroms, or --fold and --genome")
    train, valid = named
    there = lookups.chromosomes(store, given.path("ref_fasta"))
    rest = tuple(chrom for chrom in there if chrom not in {*train, *valid})
    if not rest:
        raise ConfigError(
            f"--train_chroms and --validation_chroms leave none of {', '.join(there)} to test on; leave one out of them"
        )
    return ChosenFold(Fold(0, train, valid, rest), None)


def fold_there(chosen: ChosenFold, there: Sequence[str]) -> Fold:
    """Return a fold with the chromosomes that are there; where names differ (1, chr1) as it is: the library says so.

    Raises
    ------
    ConfigError
        When a split of the table has none, or flags name one that is not there.
    """
    fold = chosen.fold
    if not {chrom for split in SPLITS for chrom in fold.split(split)} & set(there):
        return fold
    splits = {split: tuple(chrom for chrom in fold.split(split) if chrom in there) for split in SPLITS}
    for split, chroms in splits.items():
        missing = [chrom for chrom in fold.split(split) if chrom not in chroms]
        if missing and chosen.scheme is None:
            raise ConfigError(f"--{_FLAGS[split]}: the data have no {', '.join(missing)}; there are {', '.join(there)}")
        if not chroms:
            raise ConfigError(
                f"kerasAC's fold {fold.index} has the {split} chromosomes {', '.join(missing)}; the data have "
                f"{', '.join(there)}: take another fold, or --train_chroms and --validation_chroms"
            )
    return Fold(fold.index, **splits)


def predicted_chromosomes(given: Given, there: Sequence[str]) -> tuple[str, ...]:
    """Return the chromosomes that are predicted: named ones, the test chromosomes of a fold, or all.

    Raises
    ------
    ConfigError
        When both are given, or one is not there.
    """
    named, fold = given.texts("predict_chroms"), given.whole("fold")
    if named and fold is not None:
        raise ConfigError("--predict_chroms and --fold are both given; give one of them")
    for chrom in named:
        if chrom not in there:
            raise ConfigError(f"--predict_chroms: {chrom} is not in the data; there are {', '.join(there)}")
    if fold is None:
        return named or tuple(there)
    if given.text("genome") is None:
        raise ConfigError("--fold needs --genome")
    test = table_fold(fold).test
    chroms = tuple(chrom for chrom in test if chrom in there)
    if not chroms:
        raise ConfigError(
            f"the data have none of fold {fold}'s test chromosomes {', '.join(test)}; there are {', '.join(there)}: "
            "take another --fold, or --predict_chroms"
        )
    return chroms


def kerasac_fold(given: Given) -> ChosenFold:
    """Return the fold of kerasAC's table that --fold and --genome name."""
    index = given.whole("fold")
    if index is None or given.text("genome") is None:
        raise ConfigError(
            f"{given.command} does not say on which chromosomes: give --fold and --genome, or chromosomes by name"
        )
    return ChosenFold(table_fold(index), SCHEME)


def table_fold(index: int) -> Fold:
    """Return a fold of kerasAC's table by its number."""
    table = built_in_folds(SCHEME)
    if not 0 <= index < len(table):
        raise ConfigError(f"--fold {index} is none of kerasAC's folds 0 to {len(table) - 1}")
    return table[index]
