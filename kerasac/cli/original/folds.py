"""Choose the fold that kerasAC's flags name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasac.cli.original.flags import Given
from kerasac.cli.original.lookups import Lookups
from kerasac.errors import ConfigError
from kerasac.genome.folds import Fold, built_in_folds

SCHEME = "kerasac-10"
GENOMES = ("hg19", "hg38", "mm9", "mm10")


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
