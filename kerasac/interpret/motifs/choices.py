"""Name what can be chosen for motifs."""

from __future__ import annotations

from enum import StrEnum


class Group(StrEnum):
    """JASPAR's taxonomic groups."""

    ALL = "all"
    DIATOMS = "diatoms"
    FUNGI = "fungi"
    INSECTS = "insects"
    NEMATODES = "nematodes"
    PLANTS = "plants"
    UROCHORDATES = "urochordates"
    VERTEBRATES = "vertebrates"


class TrimBy(StrEnum):
    """What a position of a pattern must have to be kept."""

    CONTRIBUTIONS = "contributions"
    INFORMATION = "information"
