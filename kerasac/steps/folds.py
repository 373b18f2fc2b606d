"""Make fold tables, say what their splits hold, and find what is wrong with them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.errors import FoldError
from kerasac.genome.assembly import Assembly, IntArray, naming_hint, renamed_chromosome
from kerasac.genome.centering import Center
from kerasac.genome.fold_files import FoldLists
from kerasac.genome.folds import SPLITS, Fold, balanced_folds
from kerasac.genome.intervals import Spans
from kerasac.genome.peak_centers import read_peaks
from kerasac.steps.findings import Finding

logger = logging.getLogger(__name__)


class Centers(NamedTuple):
    """Genome rows of the centres of regions, shape (N,), and how many regions were left out, by reason."""

    rows: IntArray
    skipped: dict[str, int]

    def by_chrom(self, assembly: Assembly) -> dict[str, int]:
        """Count the centres on each chromosome."""
        index = np.searchsorted(assembly.offsets, self.rows, side="right") - 1
        return dict(zip(assembly.names, np.bincount(index, minlength=len(assembly.names)).tolist(), strict=True))


def read_centers(
    path: Path, assembly: Assembly, *, center: Center = Center.CENTER, blacklist: Spans | None = None
) -> Centers:
    """Read the centres of a BED file's regions that are not blacklisted: their summits, or their middles.

    Raises
    ------
    GenomeError
        When the file does not fit the genome, or has no summits where they are asked for.
    """
    peaks = read_peaks(path, assembly, center)
    rows = peaks.centers[peaks.usable]
    kept = rows if blacklist is None else rows[~blacklist.contains(rows)]
    n_listed = len(rows) - len(kept)
    return Centers(kept, {**peaks.skipped, **({"blacklisted": n_listed} if n_listed else {})})


@dataclass(frozen=True)
class MadeFolds:
    """A balanced table; ``weights`` are the peaks or bases of each chromosome that it was balanced by."""

    folds: tuple[Fold, ...]
    weights: dict[str, int]
    excluded: tuple[str, ...]
    without_weight: tuple[str, ...]

    @property
    def spread(self) -> float:
        """Return by how much the heaviest test set is above the mean, as a part of it."""
        totals = [sum(self.weights[chrom] for chrom in fold.test) for fold in self.folds]
        return max(totals) * len(totals) / sum(totals) - 1


def make_balanced(weights: Mapping[str, int], n: int, *, exclude: Sequence[str] = (), what: str = "peaks") -> MadeFolds:
    """Divide whole chromosomes into ``n`` folds of about equal weight, without those that ``exclude`` names.

    ``exclude`` holds names and patterns (``chrUn*``); ``what`` is what the weights count.

    Raises
    ------
    FoldError
        When too few chromosomes are left, or a name to exclude is none of the chromosomes.
    """
    excluded = _matching(exclude, list(weights))
    kept = {chrom: weight for chrom, weight in weights.items() if chrom not in excluded}
    useful = [chrom for chrom, weight in kept.items() if weight > 0]
    if len(useful) < n:
        raise FoldError(
            f"{n} folds of whole chromosomes need {n} chromosomes with {what}, but only {len(useful)} have any"
            f" ({', '.join(useful) or 'none'}); ask for fewer folds with --n"
        )
    lost = tuple(chrom for chrom in kept if chrom not in useful)
    return MadeFolds(balanced_folds(kept, n), kept, tuple(c for c in weights if c in excluded), lost)


def bases_by_chrom(assembly: Assembly, blacklist: Spans | None = None) -> dict[str, int]:
    """Count the bases of each chromosome that are not blacklisted."""
    if blacklist is None:
        return assembly.as_dict()
    listed = blacklist.to_intervals(assembly)
    taken = np.zeros(len(assembly.names), np.int64)
    np.add.at(taken, listed.chrom_index(assembly), listed.end - listed.start)
    return dict(zip(assembly.names, (assembly.sizes_bp - taken).tolist(), strict=True))


class SplitSize(NamedTuple):
    """What a split holds; ``bases`` and ``peaks`` are None where no genome or no peaks were given."""

    chroms: tuple[str, ...]
    bases: int | None
    peaks: int | None


def split_sizes(
    fold: Fold, assembly: Assembly | None = None, peaks: Mapping[str, int] | None = None
) -> dict[str, SplitSize]:
    """Count what each split of a fold holds; chromosomes that the genome lacks count nothing."""
    sizes = assembly.as_dict() if assembly is not None else None

    def total(by_chrom: Mapping[str, int] | None, chroms: Sequence[str]) -> int | None:
        return None if by_chrom is None else sum(by_chrom.get(chrom, 0) for chrom in chroms)

    splits = {name: fold.split(name) for name in SPLITS}
    return {name: SplitSize(chroms, total(sizes, chroms), total(peaks, chroms)) for name, chroms in splits.items()}


def verify_table(table: Sequence[FoldLists], assembly: Assembly | None = None) -> list[Finding]:
    """Find all that is wrong with a table: errors make it useless, warnings are worth a look.

    Errors: a chromosome in two splits of a fold, an empty split, chromosomes that the genome calls otherwise.
    Warnings: a chromosome listed twice in a split, tested in two folds or in none, in no split of a fold, or not in
    the genome.
    """
    findings = list(_verify_names(table, assembly)) if assembly is not None else []
    other_names = any(finding.level == "error" for finding in findings)
    for lists in table:
        findings += _verify_fold(lists, None if other_names else assembly)
    return [*findings, *_verify_tests(table)]


def _matching(patterns: Sequence[str], chroms: Sequence[str]) -> set[str]:
    matched = set()
    for pattern in patterns:
        found = [chrom for chrom in chroms if fnmatchcase(chrom, pattern)]
        if not found and not set(pattern) & set("*?["):
            raise FoldError(f"chromosome {pattern!r} to exclude is not in the genome{naming_hint([pattern], chroms)}")
        if not found:
            logger.warning("no chromosome to exclude is like %s", pattern)
        matched.update(found)
    return matched


def _verify_fold(lists: FoldLists, assembly: Assembly | None) -> Iterator[Finding]:
    about = f"fold {lists.index}"
    for name in SPLITS:
        chroms = lists.split(name)
        repeated = [chrom for chrom, n in Counter(chroms).items() if n > 1]
        if repeated:
            yield Finding("warning", about, f"{_listed(repeated)} more than once in {name}")
        if not chroms:
            yield Finding("error", about, f"{name} has no chromosome")
        elif assembly is not None and not any(chrom in assembly for chrom in chroms):
            yield Finding("error", about, f"{name} has no chromosome of the genome: {_listed(chroms)}")
    for one, other in combinations(SPLITS, 2):
        shared = [chrom for chrom in dict.fromkeys(lists.split(one)) if chrom in lists.split(other)]
        if shared:
            yield Finding("error", about, f"{_listed(shared)} in both {one} and {other}")


def _verify_tests(table: Sequence[FoldLists]) -> Iterator[Finding]:
    """Compare the folds with each other; a single fold has nothing to be compared with."""
    if len(table) < 2:
        return
    tested: dict[str, list[int]] = {}
    for lists in table:
        for chrom in dict.fromkeys(lists.test):
            tested.setdefault(chrom, []).append(lists.index)
    for chrom, folds in tested.items():
        if len(folds) > 1:
            yield Finding("warning", "", f"{chrom} is tested in folds {', '.join(map(str, folds))}; it counts twice")
    everything = _named(table)
    untested = [chrom for chrom in everything if chrom not in tested]
    if untested:
        yield Finding("warning", "", f"never tested: {_listed(untested)}")
    for lists in table:
        absent = [chrom for chrom in everything if not any(chrom in lists.split(name) for name in SPLITS)]
        if absent:
            yield Finding("warning", f"fold {lists.index}", f"in no split, but used by other folds: {_listed(absent)}")


def _verify_names(table: Sequence[FoldLists], assembly: Assembly) -> Iterator[Finding]:
    unknown = [chrom for chrom in _named(table) if chrom not in assembly]
    if not unknown:
        return
    if renamed_chromosome(unknown, assembly.names) is not None:
        yield Finding("error", "", f"{unknown[0]!r} is not in the genome{naming_hint(unknown, assembly.names)}")
    else:
        yield Finding("warning", "", f"not in the genome, and left out of its folds: {_listed(unknown)}")


def _named(table: Sequence[FoldLists]) -> list[str]:
    """Return every chromosome that the table names, once."""
    return list(dict.fromkeys(chrom for lists in table for name in SPLITS for chrom in lists.split(name)))


def _listed(names: Sequence[str], most: int = 12) -> str:
    more = f", … ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
