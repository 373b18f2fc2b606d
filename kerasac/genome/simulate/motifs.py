"""Describe the planted motifs, the footprints that they leave, and the enzyme that cuts around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating[Any]]

IUPAC = {"A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC"}
IUPAC["N"] = "ACGT"
CONSENSUS_PROBABILITY = 0.97  # of the letters of the consensus together, at every position


@dataclass(frozen=True)
class Motif:
    """A planted motif and what it does; lengths in bases, effects as seen on its own forward strand."""

    consensus: str  # IUPAC letters
    strength: float  # of a perfect site, in nats of log accessibility
    shoulder_bp: float  # from the motif's edge to the top of a shoulder
    shoulder_sd_bp: float
    depth: float  # 0..1, how far the core is protected from cutting
    skew: float  # -1..1, how much more the upstream shoulder holds than the downstream one

    @property
    def pwm(self) -> Floats:
        """Base probabilities, shape (width, 4), in A, C, G, T order."""
        letters = [[base in IUPAC[letter] for base in "ACGT"] for letter in self.consensus]
        allowed = np.array(letters, dtype=np.float64)
        n_allowed = allowed.sum(axis=1, keepdims=True)
        rest = (1 - CONSENSUS_PROBABILITY) / np.maximum(4 - n_allowed, 1)
        shared = np.where(allowed > 0, CONSENSUS_PROBABILITY / n_allowed, rest)
        return np.asarray(shared / shared.sum(axis=1, keepdims=True))

    @property
    def log_odds(self) -> Floats:
        """Log2 of the probabilities over 1/4, shape (width, 4); its sum over a site is the site's score in bits."""
        return np.asarray(np.log2(self.pwm / 0.25))


# Well-known consensus sequences in IUPAC letters; the strengths and footprints are made up.
MOTIFS: Mapping[str, Motif] = {
    "REB1-like": Motif("RTTACCCGK", 1.0, shoulder_bp=9, shoulder_sd_bp=5, depth=0.90, skew=0.3),
    "ABF1-like": Motif("RTCRYNNNNNACG", 0.8, shoulder_bp=7, shoulder_sd_bp=4, depth=0.80, skew=-0.3),
    "CTCF-like": Motif("CCASYAGRKGGCRS", 1.3, shoulder_bp=14, shoulder_sd_bp=6, depth=0.95, skew=0.5),
    "AP1-like": Motif("RTGASTCAY", 0.9, shoulder_bp=6, shoulder_sd_bp=4, depth=0.70, skew=0.0),
    "GATA-like": Motif("AGATAAGRA", 0.6, shoulder_bp=5, shoulder_sd_bp=3, depth=0.50, skew=0.2),
}
PAIR = ("AP1-like", "GATA-like")  # together in one element they do more than their sum
PAIR_BONUS = 0.5  # nats

STRAND_LEAN = 0.8  # share of the plus cuts that fall on the left shoulder; the minus cuts mirror it
BROAD_SHARE = 0.2  # of a site's cuts, spread around it with BROAD_SD_BP
BROAD_SD_BP = 35.0
REACH_BP = 90  # a site's cuts fall at most this far from its edges

# Log preference for the bases around the cut (3 before it, the cut base, 2 after), A C G T; of no real enzyme.
ENZYME_BIAS: Floats = np.array(
    [
        [0.0, -0.2, 0.2, 0.0],
        [-0.3, 0.1, 0.3, -0.1],
        [0.2, -0.4, 0.1, 0.1],
        [0.5, -0.5, 0.4, -0.4],
        [-0.1, 0.2, -0.3, 0.2],
        [0.2, 0.1, -0.3, 0.0],
    ]
)
BIAS_BEFORE_BP = 3


def footprint(motif: Motif) -> Floats:
    """Spread a site's cuts over the bases around it.

    Returns
    -------
    array, shape (2, width + 2 * REACH_BP), plus and minus; all of it sums to 1. The site lies in the middle, on the
    forward strand; for one on the reverse strand, reverse both axes.
    """
    width = len(motif.consensus)
    x = np.arange(width + 2 * REACH_BP, dtype=np.float64) - REACH_BP - (width - 1) / 2
    top = width / 2 + motif.shoulder_bp
    left = (1 + motif.skew) * _bell(x + top, motif.shoulder_sd_bp)
    right = (1 - motif.skew) * _bell(x - top, motif.shoulder_sd_bp)
    lean = np.array([[STRAND_LEAN], [1 - STRAND_LEAN]])
    shoulders = lean * left + (1 - lean) * right
    open_core = 1 - motif.depth * np.exp(-0.5 * (x / (width / 2)) ** 4)
    cuts = ((1 - BROAD_SHARE) * shoulders + BROAD_SHARE * _bell(x, BROAD_SD_BP)) * open_core
    return np.asarray(cuts / cuts.sum())


def enzyme_preference(tokens: Tokens, strength: float = 1.0) -> Floats:
    """Score how readily each base is cut, relative to the mean of the sequence; the logarithm is times ``strength``.

    Returns
    -------
    array, shape (2, len(tokens)), plus and minus, mean 1. The minus strand reads the reverse complement; N and what
    lies beyond the ends count as no preference.
    """
    complement = np.array([3, 2, 1, 0, 4], dtype=np.uint8)
    logs = np.stack([_log_preference(tokens), _log_preference(complement[tokens][::-1])[::-1]])
    preference = np.exp(strength * logs)
    return np.asarray(preference / preference.mean())


def _log_preference(tokens: Tokens) -> Floats:
    table = np.pad(ENZYME_BIAS, ((0, 0), (0, 1)))
    padded = np.pad(tokens, (BIAS_BEFORE_BP, len(table) - 1 - BIAS_BEFORE_BP), constant_values=4)
    total = np.zeros(len(tokens))
    for i, preference in enumerate(table):
        total += preference[padded[i : i + len(tokens)]]
    return total


def _bell(x: Floats, sd: float) -> Floats:
    return np.asarray(np.exp(-0.5 * (x / sd) ** 2) / (sd * np.sqrt(2 * np.pi)))
