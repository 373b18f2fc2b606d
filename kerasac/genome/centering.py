"""Say where the window of a peak is centred."""

from __future__ import annotations

from enum import StrEnum


class Center(StrEnum):
    """Where a peak's window is centred: at the summit of a narrowPeak file, or in the middle of the peak."""

    SUMMIT = "summit"
    CENTER = "center"
