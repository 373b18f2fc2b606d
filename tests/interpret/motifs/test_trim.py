from __future__ import annotations

import numpy as np
import pytest
from modisco_made import padded

from kerasac.errors import InterpretError
from kerasac.genome.simulate.motifs import MOTIFS
from kerasac.interpret.motifs.choices import TrimBy
from kerasac.interpret.motifs.patterns import Pattern
from kerasac.interpret.motifs.trim import Trim, consensus, trimmed


def pattern(weights: list[float], probabilities: np.ndarray | None = None) -> Pattern:
    contributions = np.zeros((len(weights), 4))
    contributions[:, 0] = weights
    even = np.full((len(weights), 4), 0.25)
    return Pattern("pos_patterns.pattern_0", even if probabilities is None else probabilities, contributions, 9)


@pytest.mark.parametrize(
    ("weights", "trim", "kept"),
    [
        ([0, 0.1, 1, 0.1, 0.5, 0.2, 0], Trim(0.45, 0), (2, 5)),
        ([0, 0.1, 1, 0.1, 0.5, 0.2, 0], Trim(0.45, 1), (1, 6)),
        ([0, 0.1, -1, 0.1, -0.5, 0.2, 0], Trim(0.45, 0), (2, 5)),
        ([0, 0.1, 1, 0.1, 0.5, 0.2, 0], Trim(0, 0), (0, 7)),
        ([0, 0.1, 1, 0.1, 0.5, 0.2, 0], Trim(1, 0), (2, 3)),
        ([1, 0, 0, 1], Trim(0.3, 5), (0, 4)),
        ([0, 0, 0], Trim(), (0, 3)),
    ],
)
def test_a_pattern_is_cut_to_its_high_positions(weights: list[float], trim: Trim, kept: tuple[int, int]) -> None:
    core = trimmed(pattern(weights), trim)
    assert (core.start, core.end) == kept
    assert len(core.probabilities) == len(core.contributions) == kept[1] - kept[0]


def test_a_pattern_is_cut_by_information() -> None:
    probabilities = padded(MOTIFS["REB1-like"].pwm, 4, 6)
    core = trimmed(pattern([1.0] * len(probabilities), probabilities), Trim(0.3, 0, TrimBy.INFORMATION))
    assert core.consensus == MOTIFS["REB1-like"].consensus


@pytest.mark.parametrize("name", MOTIFS)
def test_a_motif_is_written_in_its_own_letters(name: str) -> None:
    assert consensus(MOTIFS[name].pwm) == MOTIFS[name].consensus


def test_letters_are_the_consensus_without_empty_ends() -> None:
    probabilities = padded(MOTIFS["ABF1-like"].pwm, 4, 6)
    assert trimmed(pattern([1.0] * len(probabilities), probabilities), Trim()).letters == "RTCRYNNNNNACG"
    assert trimmed(pattern([1.0] * 5), Trim()).letters == "N"


@pytest.mark.parametrize(("share", "flank"), [(-0.1, 0), (1.1, 0), (0.5, -1)])
def test_trimming_that_cannot_be_meant_is_said(share: float, flank: int) -> None:
    with pytest.raises(InterpretError, match=r"to trim at is|beside the trimmed"):
        Trim(share, flank)
