"""Say what of a file is scored, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from kerasac.steps.profile_scores import MnllTrials
from kerasac.steps.smoothing import Smoothing

LabelRange = tuple[float | None, float | None]


@dataclass(frozen=True)
class ScoreSettings:
    """What a user may ask of scores.

    ``seed`` is of the shuffles behind ``jsd_distance_shuffled``. ``label_range`` leaves out windows whose observed log
    count is below the first or above the second number in any task, as kerasAC's ``label_min_to_score`` and
    ``label_max_to_score``. ``mnll_trials`` of the multinomial are the counts of the profile, or exp(observed log
    count), which is kerasAC's choice and takes the pseudocount for a part of the counts. ``smooth_observed`` smooths
    observed counts and those of pseudoreplicates, ``smooth_predicted`` predicted logits, before profiles are compared,
    as in kerasAC; window counts stay as they are.
    """

    seed: int = 0
    label_range: LabelRange = (None, None)
    mnll_trials: MnllTrials = "profile"
    smooth_observed: Smoothing | None = None
    smooth_predicted: Smoothing | None = None

    def changed(self) -> dict[str, Any]:
        """Return what is not at its default, as JSON-able values."""
        found = asdict(self) | {"smooth_observed": self.smooth_observed, "smooth_predicted": self.smooth_predicted}
        changed = {field.name: found[field.name] for field in fields(self) if found[field.name] != field.default}
        return {
            name: str(value) if isinstance(value, Smoothing) else list(value) if isinstance(value, tuple) else value
            for name, value in changed.items()
        }


DEFAULT_SETTINGS = ScoreSettings()
