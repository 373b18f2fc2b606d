"""Say in words what every score of windows is: its statistic, its space and which way is better."""

from __future__ import annotations

import math
from typing import Protocol

from kerasac.steps.count_space import CountSpace, name_counts
from kerasac.steps.score_settings import ScoreSettings

_JSD = "Jensen–Shannon distance (square root of the divergence, natural log, 0 to 0.8326)"
_OVER = "over windows with counts"
_FLOOR = f"mean {_OVER}; a floor that a model has to come below."


class WindowSpace(CountSpace, Protocol):
    """What is known of predictions without reading them."""

    @property
    def n_bases(self) -> int:
        """Bases a profile."""


def definitions(predictions: WindowSpace, settings: ScoreSettings, *, pseudoreplicates: bool = False) -> dict[str, str]:
    """One sentence for every metric, with the transform, the window length and the smoothing of these predictions."""
    counts = f"predicted and observed {name_counts(predictions)}"
    smooth = settings.smooth_observed, settings.smooth_predicted
    observed = "observed" if smooth[0] is None else f"observed (smoothed: {smooth[0]})"
    predicted = "predicted" if smooth[1] is None else f"predicted (logits smoothed: {smooth[1]})"
    pair = f"{_JSD} between the {observed} and"
    trials = {"profile": "the window's count", "logcount": "exp(observed log count), as in kerasAC,"}[
        settings.mnll_trials
    ]
    uniform = math.log(max(predictions.n_bases, 1))
    found = {
        "counts_pearson": f"Pearson correlation of {counts} over windows; higher is better.",
        "counts_spearman": f"Spearman rank correlation of {counts} over windows; higher is better.",
        "counts_mse": f"Mean squared difference of {counts} over windows; lower is better.",
        "jsd_distance_mean": f"{pair} the {predicted} profile, mean {_OVER}; lower is better.",
        "jsd_distance_sd": f"{pair} the {predicted} profile, standard deviation {_OVER} (divided by n).",
        "jsd_distance_median": f"{pair} the {predicted} profile, median {_OVER}; lower is better.",
        "jsd_divergence_mean": "Jensen–Shannon divergence (no square root, natural log, 0 to 0.6931) between the "
        f"{observed} and the {predicted} profile, mean {_OVER}; lower is better.",
        "jsd_norm_median": f"{_JSD} of {observed} and {predicted} profile, scaled window by window from the uniform "
        f"profile (0, also when farther than it) to a perfect prediction (1), median {_OVER}; higher is better.",
        "mnll_mean": f"Negative log likelihood of the {observed} profile under a multinomial with the {predicted} "
        f"profile and {trials} as trials, combinatorial term included, in nats, mean {_OVER}; lower is better.",
        "mnll_sd": f"Standard deviation {_OVER} (divided by n) of what mnll_mean is the mean of.",
        "mnll_per_count": f"Negative log likelihood of the {observed} profiles without the combinatorial term, summed "
        f"over windows and divided by the sum of their counts, in nats; a uniform profile has {uniform:.3f}, "
        "lower is better.",
        "auroc": "Probability that a peak has a higher predicted log count than a background window; chance is "
        "0.5, higher is better.",
        "auprc": "Average precision of peaks against background, ranked by predicted log count; chance is the "
        "share of peaks, higher is better.",
        "jsd_distance_mean_profile": f"{pair} the mean profile of the training peaks, {_FLOOR}",
        "jsd_distance_uniform": f"{pair} the uniform profile, {_FLOOR}",
        "jsd_distance_shuffled": f"{pair} the same counts with their positions shuffled (one seeded shuffle a "
        f"window, as in chrombpnet), {_FLOOR}",
    }
    return found | (_ceilings(predictions, settings) if pseudoreplicates else {})


def _ceilings(predictions: CountSpace, settings: ScoreSettings) -> dict[str, str]:
    smoothed = "" if settings.smooth_observed is None else f" (smoothed: {settings.smooth_observed})"
    counts = f"{name_counts(predictions)} of two pseudoreplicates"
    pair = f"{_JSD} between the profiles{smoothed} of two pseudoreplicates"
    ceiling = "how well the data agree with themselves; each has half the reads, so a good model may come above"
    return {
        "counts_pearson_pseudoreplicate": f"Pearson correlation of {counts} over windows; {ceiling}.",
        "counts_spearman_pseudoreplicate": f"Spearman rank correlation of {counts} over windows; {ceiling}.",
        "jsd_distance_mean_pseudoreplicate": f"{pair}, mean over windows where both have counts; {ceiling}.",
        "jsd_distance_sd_pseudoreplicate": f"{pair}, standard deviation over those windows (divided by n).",
        "jsd_distance_median_pseudoreplicate": f"{pair}, median over windows where both have counts; {ceiling}.",
    }
