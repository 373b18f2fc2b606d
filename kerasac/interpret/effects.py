"""Score how much one sequence is predicted to do beside another: in counts, and in the shape of the profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import logit, softmax

from kerasac.genome.assembly import IntArray
from kerasac.interpret.both_strands import Ends, Outputs
from kerasac.steps.count_space import counts_of
from kerasac.steps.profile_scores import profile_distances

Floats = npt.NDArray[np.float64]

CORE_BP = 50  # bases on each side of the first changed one that the log odds of a profile are of
_LEAST = 1e-12  # of a share, so that its log odds are finite

PROFILE_DEFINITIONS: Mapping[str, str] = {
    "log2fc": "log2 of (alternate + p) / (reference + p), each the predicted counts of the window, p the pseudocount "
    "of the model's counts (1 where it has none); of several tracks together, of the sums over tracks. 1 = twice as "
    "many.",
    "jsd": "Jensen-Shannon distance of the two predicted profiles: the square root of the divergence, natural "
    "logarithm; 0 = the same, 0.833 = nothing in common. variant-scorer's, with base 2, is 1.201 times this one. Bases "
    "that only one allele has are left out, and so are the last ones of the other's profile.",
    "log_odds": f"Change of the log odds (natural) that a count of the window falls within {CORE_BP} bases of the "
    "first changed one (within a quarter of the profile, where that is less).",
    "log2fc_x_jsd": "log2fc × jsd: the sign of the first, large where both are.",
    "ref_counts": "Predicted counts of the window with the reference allele.",
    "alt_counts": "Predicted counts of the window with the alternate allele.",
}
BIN_DEFINITIONS: Mapping[str, str] = {
    "log_odds": "Change of the log odds (natural) of the bin's probability, alternate less reference.",
    "log2fc": "log2 of the predicted counts of the bin, alternate less reference.",
    "difference": "Predicted value of the bin, alternate less reference.",
    "ref_value": "Predicted value of the bin with the reference allele.",
    "alt_value": "Predicted value of the bin with the alternate allele.",
}


class Target(NamedTuple):
    """What an effect is told of: one track, or several that are added up; ``tasks`` are their places."""

    name: str
    tasks: tuple[int, ...]


class Lengths(NamedTuple):
    """Changed bases of the two sequences of each pair, (n,) int64, which begin in the middle of their windows."""

    ref: IntArray
    alt: IntArray

    def take(self, rows: slice) -> Lengths:
        """Return some of the pairs."""
        return Lengths(self.ref[rows], self.alt[rows])


class Effects(Protocol):
    """Scores pairs of predictions; small and picklable."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scores, S; the first is the one that variants are ranked by."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """What they are told of, G."""

    @property
    def definitions(self) -> Mapping[str, str]:
        """What each score is."""

    def score(self, ref: Outputs, alt: Outputs, lengths: Lengths) -> Floats:
        """Score n pairs of windows, shape (n, G, S)."""


@dataclass(frozen=True)
class ProfileEffects:
    """Effects on counts and profiles; ``transform`` and ``pseudocount`` are those of the model's counts."""

    targets: tuple[Target, ...]
    transform: str
    pseudocount: float

    names = ("log2fc", "jsd", "log_odds", "log2fc_x_jsd", "ref_counts", "alt_counts")
    definitions = PROFILE_DEFINITIONS

    def score(self, ref: Outputs, alt: Outputs, lengths: Lengths) -> Floats:
        """Score n pairs of windows, shape (n, G, S)."""
        counts = [counts_of(outputs.values, self) for outputs in (ref, alt)]
        profiles = [_profiles(outputs) for outputs in (ref, alt)]
        places = _shared(profiles[0].shape[1], lengths)
        aligned = [_at(profile, at) for profile, at in zip(profiles, places, strict=True)]
        found = np.empty((len(ref.values), len(self.targets), len(self.names)))
        for g, target in enumerate(self.targets):
            tasks = list(target.tasks)
            log2fc = np.log2(np.divide(*(self._padded(one.values[:, tasks]).sum(axis=1) for one in (alt, ref))))
            before, after = (of_allele[:, tasks].sum(axis=1) for of_allele in counts)
            weights = [of_allele[:, tasks] for of_allele in counts]
            shares = [_joint(profile, weight, target) for profile, weight in zip(aligned, weights, strict=True)]
            distance = profile_distances(*shares)
            odds = _core_log_odds(shares[1], len(target.tasks)) - _core_log_odds(shares[0], len(target.tasks))
            found[:, g] = np.stack([log2fc, distance, odds, log2fc * distance, before, after], axis=1)
        return found

    def _padded(self, values: Any) -> Floats:
        """Return counts with their pseudocount: of logarithms the power itself, which is above 0."""
        wide = np.asarray(values, dtype=np.float64)
        if self.transform in ("log", "log1p"):
            return np.exp(wide)
        return np.asarray(10.0**wide if self.transform == "log10" else counts_of(wide, self) + 1.0)


@dataclass(frozen=True)
class BinnedEffects:
    """Effects on the values of bins: probabilities, values of a regression, or log counts (``log_rates``)."""

    targets: tuple[Target, ...]
    kind: str
    log_rates: bool = False

    definitions = BIN_DEFINITIONS

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scores, S."""
        first = {"classification": "log_odds"}.get(self.kind, "log2fc" if self.log_rates else "difference")
        return (first, "ref_value", "alt_value")

    def score(self, ref: Outputs, alt: Outputs, lengths: Lengths) -> Floats:
        """Score n pairs of windows, shape (n, G, S)."""
        before, after = (outputs.values.astype(np.float64) for outputs in (ref, alt))
        if self.kind == "classification":
            effect = _log_odds(after) - _log_odds(before)
        elif self.log_rates:
            effect, before, after = (after - before) / np.log(2), np.exp(before), np.exp(after)
        else:
            effect = after - before
        return np.stack([effect, before, after], axis=2)


def targets_of(ends: Ends) -> tuple[Target, ...]:
    """Return what effects are told of: pairs of strands together, tracks without a partner, then each strand alone."""
    tasks = ends.tasks
    pairs = [(i, j) for i, j in enumerate(ends.partner) if i < j]
    together = [Target("+".join(tasks[i] for i in pair), pair) for pair in pairs]
    alone = [Target(name, (i,)) for i, name in enumerate(tasks)]
    unpaired = [target for target, j in zip(alone, ends.partner, strict=True) if target.tasks == (j,)]
    strands = [target for target in alone if target not in unpaired]
    return (*together, *unpaired, *strands)


def _profiles(outputs: Outputs) -> Floats:
    """Return the share of each base, (n, W, T)."""
    assert outputs.logits is not None, "these are effects on profiles"
    shares: Floats = softmax(outputs.logits.astype(np.float64), axis=1)
    return shares


def _shared(width: int, lengths: Lengths) -> tuple[IntArray, IntArray]:
    """Return, of each allele, where the bases that both have lie in its profile, (n, W); −1 beyond them.

    The profile's middle is the first changed base. Alleles of one length share all bases. Of an indel the bases before
    it, as many changed ones as both have, and then those that follow the longer one's rest.
    """
    both = np.minimum(lengths.ref, lengths.alt)
    at = np.arange(width)
    after = at >= (width // 2 + both)[:, None]
    places = [at + after * (length - both)[:, None] for length in lengths]
    inside = np.maximum(*places) < width
    ref, alt = (np.where(inside, place, -1) for place in places)
    return ref, alt


def _at(profile: Floats, places: IntArray) -> Floats:
    """Take the bases at ``places`` (n, W) of profiles (n, W, T); 0 at −1."""
    taken = np.take_along_axis(profile, np.maximum(places, 0)[:, :, None], axis=1)
    return np.asarray(np.where(places[:, :, None] < 0, 0.0, taken))


def _joint(profile: Floats, weights: Floats, target: Target) -> Floats:
    """Lay a target's profiles (n, W, T) side by side, weighed by counts (n, tracks), (n, tracks × W); sum 1."""
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), _LEAST)
    none = weights.sum(axis=1) <= 0
    shares[none] = 1 / len(target.tasks)
    joint = profile[:, :, list(target.tasks)].swapaxes(1, 2) * shares[:, :, None]
    total = joint.sum(axis=(1, 2), keepdims=True)
    return np.asarray((joint / np.maximum(total, _LEAST)).reshape(len(profile), -1))


def _core_log_odds(shares: Floats, n_tracks: int) -> Floats:
    """Log odds of the middle of profiles, which lie side by side (n, tracks × W)."""
    width = shares.shape[1] // n_tracks
    half = min(CORE_BP, width // 4)
    middle = shares.reshape(len(shares), n_tracks, width)[:, :, width // 2 - half : width // 2 + half]
    return _log_odds(middle.sum(axis=(1, 2)))


def _log_odds(probabilities: Any) -> Floats:
    return np.asarray(logit(np.clip(probabilities, _LEAST, 1 - _LEAST)))
