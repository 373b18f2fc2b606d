"""Name what can be chosen for a drawing."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a track shows."""

    CONTRIBUTIONS = "contributions"
    OBSERVED = "observed"
    PREDICTED = "predicted"


class Format(StrEnum):
    """What a figure is written as."""

    PNG = "png"
    PDF = "pdf"
    SVG = "svg"
