"""Verify a fold table, and that held-out windows are not nearly the same as windows that are trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasac.cache import write_whole
from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly
from kerasac.genome.centering import Center
from kerasac.genome.fold_files import FoldLists
from kerasac.genome.folds import Fold, on_assembly
from kerasac.genome.intervals import Intervals
from kerasac.genome.leakage import HELD_OUT, MIN_SHARED, SplitLeaks, fold_leaks
from kerasac.genome.peak_centers import read_spans
from kerasac.genome.sequence import token_genome
from kerasac.steps.findings import Finding
from kerasac.steps.folds import Centers, read_centers, verify_table


@dataclass(frozen=True)
class LeakageSpec:
    """Which windows to compare: ``width_bp`` bases around peaks, and around the middles of other regions.

    ``max_leaking`` is the part of a split's windows that may leak before it is a finding.
    """

    fasta: Path
    peaks: Path
    background: Path | None = None
    blacklist: Path | None = None
    center: Center = Center.SUMMIT
    width_bp: int = 2114
    min_shared: float = MIN_SHARED
    max_leaking: float = 0.01


@dataclass(frozen=True, eq=False)
class Leakage:
    """Windows, in chromosome coordinates, and what those of each held-out split share with training windows."""

    spec: LeakageSpec
    windows: Intervals
    splits: tuple[SplitLeaks, ...]
    skipped: dict[str, int] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """Return a warning when more of a split leaks than may, and when too much of one is undecided."""
        limit = self.spec.max_leaking
        found = []
        leaking = {split: self.share(split) for split in self.splits if self.share(split) > limit}
        if leaking:
            message = (
                f"up to {max(leaking.values()):.1%} of the {' or '.join(HELD_OUT)} windows of fold {_folds(leaking)}"
                f" are nearly in train ({limit:.1%} may be); --out-bed writes them, to be blacklisted"
            )
            found.append(Finding("warning", "leakage", message))
        undecided = [split for split in self.splits if split.undecided.sum() > limit * len(split.windows)]
        if undecided:
            message = (
                f"windows of fold {_folds(undecided)} are of sequence so frequent that not all of train was compared;"
                " blacklist repeats"
            )
            found.append(Finding("warning", "leakage", message))
        return found

    def n_leaking(self, split: SplitLeaks) -> int:
        """Count the windows of a split that leak."""
        return len(split.leaking(self.spec.min_shared))

    def share(self, split: SplitLeaks) -> float:
        """Return which part of a split's windows leaks; 0 where there are none."""
        return self.n_leaking(split) / max(len(split.windows), 1)

    def name(self, window: int) -> str:
        """Return a window as chrom:start-end, 0-based and half-open."""
        return f"{self.windows.chrom[window]}:{self.windows.start[window]}-{self.windows.end[window]}"

    def worst(self, split: SplitLeaks, n: int) -> list[dict[str, Any]]:
        """Return the ``n`` windows of a split that share most, with the training window that they share it with."""
        return [
            {
                "window": self.name(split.windows[i]),
                "train_window": self.name(split.partner[i]),
                "shared": round(float(split.shared[i]), 4),
            }
            for i in split.leaking(self.spec.min_shared)[:n]
        ]

    def bed(self) -> Iterator[str]:
        """Yield a BED line for each window that leaks in any fold: its worst partner as name, share × 1000 as score."""
        worst: dict[int, tuple[float, int]] = {}
        for split in self.splits:
            for i in split.leaking(self.spec.min_shared).tolist():
                found = float(split.shared[i]), int(split.partner[i])
                worst[int(split.windows[i])] = max(found, worst.get(int(split.windows[i]), found))
        for window, (shared, partner) in sorted(worst.items(), key=lambda item: item[0]):
            row = self.windows
            fields = row.chrom[window], row.start[window], row.end[window], self.name(partner), round(1000 * shared)
            yield "\t".join(map(str, fields)) + "\t.\n"

    def as_dict(self, n_worst: int = 10) -> dict[str, Any]:
        """Return everything as plain JSON-able values."""
        return {
            "width_bp": self.spec.width_bp,
            "min_shared": self.spec.min_shared,
            "windows": len(self.windows),
            "skipped": self.skipped,
            "splits": [
                {
                    "fold": split.fold,
                    "split": split.split,
                    "windows": len(split.windows),
                    "leaking": self.n_leaking(split),
                    "undecided": int(split.undecided.sum()),
                    "worst": self.worst(split, n_worst),
                }
                for split in self.splits
            ],
        }


@dataclass(frozen=True, eq=False)
class Verification:
    """What is wrong with a table; ``leakage`` is None where it was not asked for, or the table has errors."""

    n_folds: int
    findings: tuple[Finding, ...]
    leakage: Leakage | None

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON-able values."""
        return {
            "folds": self.n_folds,
            "passed": not self.findings,
            "findings": [vars(finding) for finding in self.findings],
            "leakage": self.leakage.as_dict() if self.leakage is not None else None,
        }


def verify(
    table: Sequence[FoldLists], assembly: Assembly | None = None, leakage: LeakageSpec | None = None
) -> Verification:
    """Find all that is wrong with a table; windows are compared when it has no error.

    Raises
    ------
    ConfigError
        When windows are to be compared without a genome.
    """
    if leakage is not None and assembly is None:
        raise ConfigError("comparing windows needs the chromosome sizes of the genome too")
    findings = verify_table(table, assembly)
    if leakage is None or assembly is None or any(finding.level == "error" for finding in findings):
        return Verification(len(table), tuple(findings), None)
    folds = on_assembly([lists.checked() for lists in table], assembly)
    found = check_leakage(leakage, folds, assembly)
    return Verification(len(table), (*findings, *found.findings()), found)


def check_leakage(spec: LeakageSpec, folds: Sequence[Fold], assembly: Assembly) -> Leakage:
    """Look for windows of validation and test chromosomes whose sequence is nearly that of a training window.

    The FASTA is encoded into the cache when it is not there. Windows that leave their chromosome are skipped and
    counted.

    Raises
    ------
    GenomeError
        When a file does not fit the genome.
    """
    genome = token_genome(spec.fasta, assembly)
    rows, skipped = _centers(spec, assembly)
    flank = spec.width_bp // 2
    index = np.searchsorted(assembly.offsets, rows, side="right") - 1
    start = rows - flank - assembly.offsets[index]
    inside = (start >= 0) & (start + spec.width_bp <= assembly.sizes_bp[index])
    if not inside.all():
        skipped["too near chromosome ends"] = int((~inside).sum())
    rows, index, start = rows[inside], index[inside], start[inside]
    windows = Intervals(
        np.array(assembly.names, np.str_)[index], start, start + spec.width_bp, rows - assembly.offsets[index]
    )
    splits = fold_leaks(genome.open(), rows, assembly, folds, width_bp=spec.width_bp, min_shared=spec.min_shared)
    return Leakage(spec, windows, splits, skipped)


def write_bed(leakage: Leakage, path: Path) -> None:
    """Write the windows that leak as a BED file: a blacklist for the next experiment."""
    write_whole(path, "".join(leakage.bed()))


def _folds(splits: Iterable[SplitLeaks]) -> str:
    return ", ".join(dict.fromkeys(str(split.fold) for split in splits))


def _centers(spec: LeakageSpec, assembly: Assembly) -> Centers:
    """Return the distinct centres of peaks and other regions, in genome order."""
    blacklist = read_spans(spec.blacklist, assembly) if spec.blacklist is not None else None
    read = [read_centers(spec.peaks, assembly, center=spec.center, blacklist=blacklist)]
    if spec.background is not None:
        read.append(read_centers(spec.background, assembly, blacklist=blacklist))
    skipped = sum((Counter(centers.skipped) for centers in read), Counter[str]())
    return Centers(np.unique(np.concatenate([centers.rows for centers in read])), dict(skipped))
