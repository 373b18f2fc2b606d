"""Keep the variants that can be scored, and say of each other one why it cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.cache import write_whole
from kerasac.genome.assembly import Assembly
from kerasac.genome.sequence import N, TokenArray, encode
from kerasac.interpret.variants import BoolArray, GivenVariant, Variants, changed

UNKNOWN_CHROM = "on a chromosome that the genome lacks"
BEYOND = "whose window would leave its chromosome"
MISMATCH = "whose reference allele is not the genome's"
MISMATCH_SWAPPED = "whose alternate allele is the genome's, not its reference allele (--swap-alleles)"
LETTERS = "with an allele of other letters than A, C, G, T (symbolic, missing or N)"
SAME = "with two alleles that are the same"
LONG = "with a change longer than the model's narrowest flank"
UNKNOWN_BASES = "with N in its window"
NO_MODEL = "on a chromosome that no fold tests on"

_LETTERS = frozenset("ACGT")


class LeftOut(NamedTuple):
    """A variant that is not scored, and why."""

    variant: GivenVariant
    reason: str


@dataclass(frozen=True, eq=False)
class Checked:
    """The variants to score, in order, and those that are left out."""

    variants: Variants
    left_out: list[LeftOut] = field(default_factory=list)

    @cached_property
    def reasons(self) -> dict[str, int]:
        """Number of variants that are left out, by reason."""
        return dict(Counter(one.reason for one in self.left_out))

    @property
    def doubt(self) -> str | None:
        """What may be wrong with the whole file, when the genome has few of its reference alleles."""
        read = [one.reason for one in self.left_out if one.reason in (MISMATCH, MISMATCH_SWAPPED)]
        compared = len(read) + len(self.variants)
        if 2 * len(read) <= compared:
            return None
        return (
            f"{len(read):,} of {compared:,} reference alleles are not the genome's, and others may be it by chance: "
            "are positions 1-based, as in VCF (a table's 0-based column is called start), and of this assembly?"
        )

    def on(self, scored: BoolArray, assembly: Assembly) -> Checked:
        """Leave out the variants on chromosomes (n_chroms,) that no model is to score."""
        kept = scored[self.variants.chrom]
        if kept.all():
            return self
        others = self.variants.take(np.flatnonzero(~kept)).given(assembly)
        left_out = [*self.left_out, *(LeftOut(one, NO_MODEL) for one in others)]
        return Checked(self.variants.take(np.flatnonzero(kept)), left_out)

    @property
    def n_swapped(self) -> int:
        """Variants whose alleles were swapped."""
        return int(self.variants.swapped.sum())


class Window(NamedTuple):
    """What a variant's window must have room for, in bases: the widest flank, and the narrowest one."""

    flank: int
    longest: int


def checked(
    given: Iterable[GivenVariant], assembly: Assembly, genome: TokenArray, window: Window, *, swap: bool = False
) -> Checked:
    """Check variants against a genome's tokens (total_bp,).

    ``swap``: a variant whose alternate allele is the genome's, where its reference allele is not, is scored with the
    two swapped; without it such a variant is left out.
    """
    kept: list[tuple[GivenVariant, int, bool]] = []
    left_out = []
    for one in given:
        variant = one._replace(ref=one.ref.upper(), alt=one.alt.upper())
        reason = _reason(variant, assembly, genome, window)
        swapped = reason == MISMATCH_SWAPPED and swap
        if swapped:
            variant = variant._replace(ref=variant.alt, alt=variant.ref)
            reason = _reason(variant, assembly, genome, window)
        if reason:
            left_out.append(LeftOut(one, reason))
        else:
            kept.append((variant, assembly.index(variant.chrom), swapped))
    return Checked(_table(kept), left_out)


def write_left_out(path: Path, left_out: Iterable[LeftOut]) -> None:
    """List variants that are not scored, with the reasons, by tabs."""
    rows = [("id", "chrom", "pos", "ref", "alt", "reason"), *((*one.variant, one.reason) for one in left_out)]
    write_whole(path, "".join("\t".join(map(str, row)) + "\n" for row in rows))


def _reason(variant: GivenVariant, assembly: Assembly, genome: TokenArray, window: Window) -> str:
    """Say why a variant cannot be scored; nothing when it can."""
    if variant.chrom not in assembly:
        return UNKNOWN_CHROM
    if not (set(variant.ref) | set(variant.alt)) <= _LETTERS:
        return LETTERS
    if variant.ref == variant.alt:
        return SAME
    change = changed(variant.ref, variant.alt)
    if max(len(change.ref), len(change.alt)) > window.longest:
        return LONG
    index = assembly.index(variant.chrom)
    first = variant.position - 1
    start, size = first + change.skipped, assembly.sizes[index]
    spare = max(0, len(change.ref) - len(change.alt))  # a deletion takes its window's last bases from further on
    # Two alleles may become each other's: what holds for one holds for the other then.
    if first < 0 or start < window.flank or start + window.flank + spare > size:
        return BEYOND
    offset = int(assembly.offsets[index])
    if not _is_there(genome, offset + first, variant.ref):
        # An allele of no bases is the genome's everywhere, which says nothing.
        there = variant.alt and _is_there(genome, offset + first, variant.alt)
        return MISMATCH_SWAPPED if there else MISMATCH
    around = genome[offset + start - window.flank : offset + start + window.flank + spare]
    return UNKNOWN_BASES if (around == N).any() else ""


def _is_there(genome: TokenArray, row: int, letters: str) -> bool:
    return np.array_equal(genome[row : row + len(letters)], encode(letters))


def _table(kept: list[tuple[GivenVariant, int, bool]]) -> Variants:
    return Variants(
        name=tuple(variant.name for variant, _, _ in kept),
        chrom=np.array([chrom for _, chrom, _ in kept], dtype=np.int64),
        position=np.array([variant.position - 1 for variant, _, _ in kept], dtype=np.int64),
        ref=tuple(variant.ref for variant, _, _ in kept),
        alt=tuple(variant.alt for variant, _, _ in kept),
        swapped=np.array([swapped for _, _, swapped in kept], dtype=bool),
    )
