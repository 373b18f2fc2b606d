"""Lay out what is written into backgrounds: each motif both ways and scrambled, and pairs at distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kerasac.errors import InterpretError, suggest
from kerasac.genome.sequence import TokenArray, reverse_complement
from kerasac.interpret.motif_sites import Motif, scrambled, write_sites

FORWARD, REVERSE, SCRAMBLED = "+", "-", "scrambled"
_WAYS = (FORWARD, REVERSE, SCRAMBLED)


class Insertion(NamedTuple):
    """A motif's site in a sequence: which motif, which way (``+``, ``-`` or ``scrambled``), and its first base."""

    motif: int
    way: str
    start: int


class Pair(NamedTuple):
    """Two motifs at a distance: ``first`` as it is, ``second`` which ``way``, ``spacing_bp`` bases between them."""

    first: int
    second: int
    way: str
    spacing_bp: int


@dataclass(frozen=True, eq=False)
class Design:
    """What each background is predicted with.

    ``width_bp`` is that of the sequences. Condition 0 is the background itself; then come the three ways of each motif,
    in its middle; then of each pair the first one alone, the second one alone, and both.
    """

    motifs: tuple[Motif, ...]
    pairs: tuple[Pair, ...]
    width_bp: int

    @property
    def conditions(self) -> list[tuple[Insertion, ...]]:
        """What is written in each condition."""
        middle = self.width_bp // 2
        single = [
            (Insertion(i, way, middle - len(motif) // 2),) for i, motif in enumerate(self.motifs) for way in _WAYS
        ]
        return [(), *single, *(condition for pair in self.pairs for condition in self._of_pair(pair))]

    @property
    def n_single(self) -> int:
        """Number of the conditions without pairs."""
        return 1 + len(_WAYS) * len(self.motifs)

    def condition_of(self, motif: int, way: str) -> int:
        """Return the condition of a motif alone."""
        return 1 + len(_WAYS) * motif + _WAYS.index(way)

    def condition_of_pair(self, pair: int) -> int:
        """Return the condition of a pair's first motif alone; the second one's and both follow it."""
        return self.n_single + 3 * pair

    def sequences(self, background: TokenArray, rng: np.random.Generator) -> TokenArray:
        """Return a background (L,) in all conditions, (conditions, L); a motif has one site in all of them."""
        forward = [motif.sites(1, rng) for motif in self.motifs]
        mixed = [scrambled(site, rng) for site in forward]
        conditions = self.conditions
        out = np.tile(background, (len(conditions), 1))
        for row, condition in enumerate(conditions):
            for motif, way, start in condition:
                site = mixed[motif] if way == SCRAMBLED else forward[motif]
                write_sites(out[row : row + 1], reverse_complement(site) if way == REVERSE else site, start)
        return out

    def _of_pair(self, pair: Pair) -> list[tuple[Insertion, ...]]:
        first, second = self.motifs[pair.first], self.motifs[pair.second]
        whole = len(first) + pair.spacing_bp + len(second)
        start = self.width_bp // 2 - whole // 2
        left = Insertion(pair.first, FORWARD, start)
        right = Insertion(pair.second, pair.way, start + len(first) + pair.spacing_bp)
        return [(left,), (right,), (left, right)]


def pairs_of(
    names: Sequence[tuple[str, str]], spacings: Sequence[int], motifs: Sequence[Motif], width_bp: int
) -> tuple[Pair, ...]:
    """Return pairs at all spacings, the second motif both ways.

    Raises
    ------
    InterpretError
        For a name that is no motif's, or a pair longer than a window.
    """
    places = {motif.name: i for i, motif in enumerate(motifs)}
    pairs = []
    for first, second in names:
        for name in (first, second):
            if name not in places:
                raise InterpretError(f"--pair {first},{second}: no motif is called {name!r}{suggest(name, places)}")
        for way in (FORWARD, REVERSE):
            pairs += [Pair(places[first], places[second], way, spacing) for spacing in spacings]
    for pair in pairs:
        length = len(motifs[pair.first]) + pair.spacing_bp + len(motifs[pair.second])
        if pair.spacing_bp < 0 or length >= width_bp:
            raise InterpretError(
                f"a pair {pair.spacing_bp} bases apart has {length} bases, the model's input {width_bp}; a spacing is "
                "0 or more, and the pair shorter than the input"
            )
    return tuple(pairs)
