"""Divide a genome's chromosomes into folds of train, validation and test."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kerasac.errors import FoldError, suggest
from kerasac.genome.assembly import Assembly, naming_hint, renamed_chromosome

logger = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")

# kerasAC's ten folds: the test chromosomes of fold 0..9; validation is the test of the fold before.
_KERASAC_TEST = ("1", "2 19", "3 20", "6 13 22", "5 16 Y", "4 15 21", "7 14 18", "11 17 X", "9 12", "8 10")
# The five folds of ENCODE's ChromBPNet models on hg38: test and validation chromosomes.
_ENCODE_TEST_VALID = (
    ("1 3 6", "8 20"),
    ("2 8 9 16", "12 17"),
    ("4 11 12 15 Y", "7 22"),
    ("5 10 14 18 20 22", "6 21"),
    ("7 13 17 19 21 X", "10 18"),
)
_HUMAN = tuple(f"chr{c}" for c in (*range(1, 23), "X", "Y"))
BUILT_IN = ("hg38-5", "kerasac-10")


@dataclass(frozen=True)
class Fold:
    """One division of the chromosomes; the three splits share none.

    Raises
    ------
    FoldError
        When a chromosome is in two splits or a split is empty.
    """

    index: int
    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        for i, one in enumerate(SPLITS):
            if not self.split(one):
                raise FoldError(f"fold {self.index} has no {one} chromosome; add one to its table")
            for other in SPLITS[i + 1 :]:
                shared = sorted(set(self.split(one)) & set(self.split(other)))
                if shared:
                    raise FoldError(
                        f"{', '.join(shared)} in both {one} and {other} of fold {self.index}; "
                        "a chromosome belongs to one split"
                    )

    def split(self, name: str) -> tuple[str, ...]:
        """Return the chromosomes of ``train``, ``valid`` or ``test``."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[name]

    def as_dict(self) -> dict[str, list[str]]:
        """Return chrombpnet's fold dictionary: lists named train, valid, test."""
        return {name: list(self.split(name)) for name in SPLITS}


def rotated_folds(groups: Sequence[Sequence[str]], *, valid_step: int = 1) -> tuple[Fold, ...]:
    """Make one fold a group: the group is its test, the group ``valid_step`` further its validation.

    Raises
    ------
    FoldError
        With fewer than three groups: each of train, valid and test needs one.
    """
    n = len(groups)
    if n < 3:
        raise FoldError(f"the number of folds is {n}; training, validation and test need at least 3")
    folds = []
    for k, test in enumerate(groups):
        v = (k + valid_step) % n
        train = [chrom for g, group in enumerate(groups) if g not in (k, v) for chrom in group]
        folds.append(Fold(k, tuple(train), tuple(groups[v]), tuple(test)))
    return tuple(folds)


def balanced_folds(weights: Mapping[str, int], n: int) -> tuple[Fold, ...]:
    """Divide whole chromosomes into ``n`` folds of about equal weight (peaks, or bases).

    The heaviest chromosome goes to the lightest group, in turn (longest-processing-time rule), which is
    deterministic: the same peaks always give the same folds.

    Raises
    ------
    FoldError
        When fewer than ``n`` chromosomes carry any weight.
    """
    useful = sorted((chrom for chrom in weights if weights[chrom] > 0), key=lambda c: (-weights[c], c))
    if len(useful) < n:
        raise FoldError(
            f"{n} folds of whole chromosomes need {n} chromosomes with peaks, but only {len(useful)} have any"
            f" ({', '.join(useful) or 'none'}); ask for fewer folds"
        )
    groups: list[list[str]] = [[] for _ in range(n)]
    totals = [0] * n
    for chrom in useful:
        lightest = totals.index(min(totals))
        groups[lightest].append(chrom)
        totals[lightest] += weights[chrom]
    return rotated_folds(groups)


def built_in_folds(scheme: str) -> tuple[Fold, ...]:
    """Return a published fold table for genomes with human-style chromosome names.

    ``hg38-5``: the five folds of ENCODE's ChromBPNet models. ``kerasac-10``: the ten folds of kerasAC for
    hg19, hg38, mm9 and mm10 (chromosomes that a genome lacks are dropped by :func:`on_assembly`).
    """
    if scheme == "kerasac-10":
        groups = [[f"chr{c}" for c in line.split()] for line in _KERASAC_TEST]
        return rotated_folds(groups, valid_step=-1)
    if scheme == "hg38-5":
        folds = []
        for k, (test_line, valid_line) in enumerate(_ENCODE_TEST_VALID):
            test, valid = (tuple(f"chr{c}" for c in line.split()) for line in (test_line, valid_line))
            train = tuple(chrom for chrom in _HUMAN if chrom not in test + valid)
            folds.append(Fold(k, train, valid, test))
        return tuple(folds)
    raise FoldError(f"unknown fold scheme {scheme!r}{suggest(scheme, ['balanced', *BUILT_IN])}")


def on_assembly(folds: Sequence[Fold], assembly: Assembly) -> tuple[Fold, ...]:
    """Keep the chromosomes that the assembly has; those that it lacks are dropped, and logged as a warning.

    Raises
    ------
    FoldError
        When names differ only by ``chr``, or a split is left empty.
    """
    named = {chrom for fold in folds for name in SPLITS for chrom in fold.split(name)}
    unknown = sorted(chrom for chrom in named if chrom not in assembly)
    if unknown:
        if renamed_chromosome(unknown, assembly.names) is not None:
            hint = naming_hint(unknown, assembly.names)
            raise FoldError(f"chromosome {unknown[0]!r} of the fold table is not in the genome{hint}")
        logger.warning("the fold table names chromosomes that the genome lacks: %s", ", ".join(unknown))
    kept = []
    for fold in folds:
        splits = {name: tuple(c for c in fold.split(name) if c in assembly) for name in SPLITS}
        kept.append(Fold(fold.index, **splits))
    return tuple(kept)
