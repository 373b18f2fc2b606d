"""Draw the sites of motifs, and write them into sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kerasac.errors import InterpretError
from kerasac.genome.sequence import N, TokenArray

Floats = npt.NDArray[np.float64]

FREE_BITS = 0.25  # a base of probability 0.5 and three of 1/6 hold 0.21

IUPAC: Mapping[str, str] = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Motif:
    """A motif whose sites are drawn position by position.

    ``letters`` are IUPAC's, or the most probable base of each position. ``probabilities`` (w, 4) float64 are in A, C,
    G, T order; ``free`` (w,) bool: positions where the sequence that the motif is written into keeps its base.
    """

    name: str
    letters: str
    probabilities: Floats
    free: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.probabilities)

    def sites(self, n: int, rng: np.random.Generator) -> TokenArray:
        """Draw n sites, (n, w) uint8; N where the sequence keeps its base."""
        cumulative = np.cumsum(self.probabilities, axis=1)[:, :3]
        draws = rng.random((n, len(self), 1))
        bases: TokenArray = (draws > cumulative).sum(axis=2).astype(np.uint8)
        bases[:, self.free] = N
        return bases


def motif_of_letters(name: str, letters: str) -> Motif:
    """Make a motif of IUPAC letters; each letter stands for its bases alike, N for whatever is there.

    Raises
    ------
    InterpretError
        For other letters, or none.
    """
    upper = letters.upper()
    odd = sorted(set(upper) - IUPAC.keys())
    if odd or not upper or set(upper) == {"N"}:
        what = f"has {', '.join(map(repr, odd))}" if odd else "names no base"
        raise InterpretError(f"motif {name}={letters} {what}; a motif is written in A, C, G, T and IUPAC's letters")
    allowed = np.array([[base in IUPAC[letter] for base in "ACGT"] for letter in upper], dtype=np.float64)
    free = np.array([letter == "N" for letter in upper])
    return Motif(name, upper, allowed / allowed.sum(axis=1, keepdims=True), free)


def motif_of_matrix(name: str, probabilities: Floats, *, drawn: bool) -> Motif:
    """Make a motif of probabilities (w, 4): of the most probable bases, or with each site ``drawn`` from them.

    Positions of the most probable bases that hold less than :data:`FREE_BITS` keep what is there.
    """
    best = probabilities.argmax(axis=1)
    letters = "".join("ACGT"[i] for i in best)
    if drawn:
        return Motif(name, letters, probabilities, np.zeros(len(best), dtype=bool))
    bits = 2 + (probabilities * np.log2(np.maximum(probabilities, np.finfo(np.float64).tiny))).sum(axis=1)
    free = bits < FREE_BITS
    if free.all():
        raise InterpretError(f"motif {name}: no position holds {FREE_BITS} bits, so nothing is there to be written")
    shown = "".join("N" if keeps else letter for letter, keeps in zip(letters, free, strict=True))
    return Motif(name, shown, np.eye(4)[best], free)


def check_motifs(motifs: Iterable[Motif], width_bp: int) -> None:
    """Raise InterpretError when two motifs have one name, or one is as long as a window."""
    seen: set[str] = set()
    for motif in motifs:
        if motif.name in seen:
            raise InterpretError(f"two motifs are called {motif.name!r}; give each a name of its own")
        seen.add(motif.name)
        if len(motif) >= width_bp:
            raise InterpretError(f"motif {motif.name} has {len(motif)} bases, the model's input {width_bp}")


def scrambled(sites: TokenArray, rng: np.random.Generator) -> TokenArray:
    """Return sites with their bases in another order, each in one of its own; what is N stays."""
    out = sites.copy()
    written = np.flatnonzero((sites != N).all(axis=0))
    out[:, written] = rng.permuted(sites[:, written], axis=1)
    return out


def write_sites(sequences: TokenArray, sites: TokenArray, start: int) -> None:
    """Write sites (n, w) into sequences (n, L) from ``start`` on, in place; N leaves what is there."""
    part = sequences[:, start : start + sites.shape[1]]
    np.copyto(part, sites, where=sites != N)
