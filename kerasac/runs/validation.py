"""Score a unit's model on its validation windows: what a study judges by."""

from __future__ import annotations

import keras

from kerasac.sampling.plan import Plan, SamplingPlan
from kerasac.steps.binned_scores import score_bins
from kerasac.steps.predict import predict
from kerasac.steps.predict_bins import predict_bins
from kerasac.steps.prepare_bins import PreparedBins
from kerasac.steps.prepared import Prepared
from kerasac.steps.score import Scored, score
from kerasac.steps.score_settings import ScoreSettings

_MEAN_PROFILE_PEAKS = 5_000  # of training, whose mean profile is a floor


def validation_scores(model: keras.Model, prepared: Prepared, plan: Plan, settings: ScoreSettings) -> Scored:
    """Predict and score the validation chromosomes of a plan, as the test chromosomes are later; these are not read."""
    if isinstance(prepared, PreparedBins):
        return score_bins(predict_bins(model, prepared, plan.valid()))
    assert isinstance(plan, SamplingPlan), "windows of tracks have this plan"
    return score(predict(model, prepared, plan.scored_valid(), plan.train_peaks(_MEAN_PROFILE_PEAKS)), settings)
