"""Tell what the tracks of an array are for by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kerasac.sampling.batches import other_strands

CONTROL_WORDS = frozenset({"control", "controls", "ctrl", "ctl", "input", "igg", "mock", "wce"})
FORWARD_WORDS = frozenset({"plus", "pos", "fwd", "forward"})
NO_PEAK_WORDS = frozenset({"nonpeak", "nonpeaks", "negative", "negatives", "background", "blacklist"})
_RATIO_WORDS = frozenset({"over", "vs", "fc", "fold", "foldchange", "log2", "enrichment"})
_PVALUE_WORDS = frozenset({"pval", "pvalue", "p", "qval", "qvalue", "ppois"})
_PEAK_ORDER = ("overlap", "idr", "peak")


@dataclass(frozen=True)
class Roles:
    """What the tracks of an array are for.

    ``outputs`` are predicted: the two strands, plus first, or one or more tracks. ``controls`` are inputs beside the
    sequence. ``peaks`` are marks of peaks, the likeliest first. ``others`` are signals that none of this takes.
    """

    outputs: tuple[str, ...]
    controls: tuple[str, ...]
    peaks: tuple[str, ...]
    ambiguous: str | None
    others: tuple[str, ...]

    @property
    def are_counts(self) -> bool:
        """Whether the outputs may be counts: they are called neither a ratio nor a p-value."""
        return all(_rank(name) < 2 for name in self.outputs)


def assign_roles(signals: Sequence[str], marks: Sequence[str]) -> Roles:
    """Tell what tracks are for: ``signals`` hold values of bases, ``marks`` intervals.

    Outputs are a pair of strands; without one an unstranded track, without that all other signals of the best kind:
    counts before unknown ones, before ratios, before p-values. A control is never an output.
    """
    controls = [name for name in signals if is_control(name)]
    others = [name for name in signals if name not in controls]
    outputs = _outputs(others)
    ambiguous = [name for name in marks if "ambig" in name.lower()]
    peaks = [name for name in marks if name not in ambiguous and not words(name) & NO_PEAK_WORDS]
    return Roles(
        outputs=outputs,
        controls=_pair(controls) or _unstranded(controls) or tuple(controls[:1]),
        peaks=tuple(sorted(peaks, key=_peak_rank)),
        ambiguous=ambiguous[0] if ambiguous else None,
        others=tuple(name for name in others if name not in outputs),
    )


def words(name: str) -> frozenset[str]:
    """Return the words of a name, in lower case."""
    return frozenset(re.split(r"[^a-z0-9]+", name.lower()))


def is_control(name: str) -> bool:
    """Whether a track is of a control, not a ratio over one."""
    return bool(words(name) & CONTROL_WORDS) and not words(name) & _RATIO_WORDS


def _outputs(signals: Sequence[str]) -> tuple[str, ...]:
    best = min(map(_rank, signals), default=0)
    return _pair(signals) or _unstranded(signals) or tuple(name for name in signals if _rank(name) == best)


def _pair(signals: Sequence[str]) -> tuple[str, ...]:
    """Return the two strands of the best track that has two, plus first."""
    pairs = [
        (name, other)
        for name in signals
        if words(name) & FORWARD_WORDS
        for other in other_strands(name)
        if other in signals
    ]
    return min(pairs, key=lambda pair: _rank(pair[0]), default=())


def _unstranded(signals: Sequence[str]) -> tuple[str, ...]:
    found = [name for name in signals if "unstranded" in words(name)]
    return tuple(sorted(found, key=_rank)[:1])


def _rank(name: str) -> int:
    """Order signals by how likely they are counts."""
    if words(name) & _PVALUE_WORDS:
        return 3
    if words(name) & _RATIO_WORDS:
        return 2
    return 0 if words(name) & {"count", "counts"} else 1


def _peak_rank(name: str) -> tuple[int, int]:
    """Order marks of peaks: overlap, idr, others; among these the plainest name first."""
    rank = next((rank for rank, word in enumerate(_PEAK_ORDER) if word in name.lower()), len(_PEAK_ORDER))
    return rank, len(words(name))
