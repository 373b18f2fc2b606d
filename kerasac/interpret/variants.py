"""Hold variants: where each lies, and the bases that it changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.genome.assembly import Assembly, IntArray

BoolArray = npt.NDArray[np.bool_]


class GivenVariant(NamedTuple):
    """A line of a file, one alternate allele; ``position`` is 1-based, as in VCF."""

    name: str
    chrom: str
    position: int
    ref: str
    alt: str


class Change(NamedTuple):
    """What is left of two alleles without the bases that they begin and end with alike.

    ``ref`` is replaced by ``alt``, ``skipped`` bases after the position that was given; either may be empty.
    """

    skipped: int
    ref: str
    alt: str


def changed(ref: str, alt: str) -> Change:
    """Cut what both alleles end with, then what both begin with: ``GAA``, ``GA`` become ``A`` and nothing, 1 later."""
    end = 0
    while end < min(len(ref), len(alt)) and ref[-1 - end] == alt[-1 - end]:
        end += 1
    ref, alt = ref[: len(ref) - end], alt[: len(alt) - end]
    start = 0
    while start < min(len(ref), len(alt)) and ref[start] == alt[start]:
        start += 1
    return Change(start, ref[start:], alt[start:])


@dataclass(frozen=True, eq=False)
class Variants:
    """Variants of a genome, on its forward strand, in the order in which they were given.

    ``chrom`` (n,) int64 points into the assembly's chromosomes, ``position`` (n,) int64 is 0-based. ``ref`` and ``alt``
    are upper-case letters, of which either may be empty. ``swapped`` (n,) bool: the file has the two the other way.
    """

    name: tuple[str, ...]
    chrom: IntArray
    position: IntArray
    ref: tuple[str, ...]
    alt: tuple[str, ...]
    swapped: BoolArray

    def __len__(self) -> int:
        return len(self.name)

    def take(self, rows: IntArray) -> Variants:
        """Return the variants at ``rows``."""
        names, refs, alts = ([column[i] for i in rows.tolist()] for column in (self.name, self.ref, self.alt))
        return Variants(
            tuple(names), self.chrom[rows], self.position[rows], tuple(refs), tuple(alts), self.swapped[rows]
        )

    def changes(self) -> list[Change]:
        """Return what each one changes."""
        return [changed(ref, alt) for ref, alt in zip(self.ref, self.alt, strict=True)]

    @property
    def is_indel(self) -> BoolArray:
        """Which of them change the length, (n,)."""
        return np.array([len(ref) != len(alt) for ref, alt in zip(self.ref, self.alt, strict=True)], dtype=bool)

    def given(self, assembly: Assembly) -> list[GivenVariant]:
        """Return them as lines of a file."""
        columns = (self.name, self.chrom.tolist(), self.position.tolist(), self.ref, self.alt)
        return [
            GivenVariant(name, assembly.names[chrom], position + 1, ref, alt)
            for name, chrom, position, ref, alt in zip(*columns, strict=True)
        ]

    def digest(self) -> str:
        """Return 16 hex digits of the whole table."""
        text = hashlib.sha256()
        for column in (self.chrom.astype("<i8"), self.position.astype("<i8"), self.swapped):
            text.update(np.ascontiguousarray(column).tobytes())
        for letters in (self.name, self.ref, self.alt):
            text.update("\n".join((*letters, "")).encode())
        return text.hexdigest()[:16]
