"""Predict the test bins of a fold, once, with a trained model, and score them."""

from __future__ import annotations

import keras
import numpy as np

from kerasac.models.loss_names import label_loss
from kerasac.sampling.plan import Windows
from kerasac.steps.binned_predictions import BinnedPredictions
from kerasac.steps.binned_scores import BinnedScores, score_classification, score_regression
from kerasac.steps.predict import PREDICT_BATCH, blocks_of
from kerasac.steps.prepare_bins import PreparedBins
from kerasac.store.labels.read import BinLabels


def predict_bins(model: keras.Model, prepared: PreparedBins, windows: Windows) -> BinnedPredictions:
    """Predict bins, in the order of the windows, and put their labels beside; log rates become counts."""
    (port,) = prepared.contract.outputs
    predicted, labels = [], []
    for block in blocks_of(windows):
        batch = prepared.held_out.batch(block)
        found = model.predict(batch.inputs, batch_size=PREDICT_BATCH, verbose=0)
        values = np.asarray(found[port.name], dtype=np.float32)
        predicted.append(np.exp(values) if label_loss(prepared.experiment.loss, port) == "poisson" else values)
        labels.append(batch.outputs[port.name])
    return BinnedPredictions(
        _labels(prepared, windows, np.concatenate(labels)),
        np.concatenate(predicted),
        "classification" if port.role == "classification" else "regression",
    )


def score_bins(predictions: BinnedPredictions) -> BinnedScores:
    """Score predictions of bins by their kind."""
    score = score_classification if predictions.kind == "classification" else score_regression
    return score(predictions.labels.values, predictions.predicted, predictions.labels.tasks)


def _labels(prepared: PreparedBins, windows: Windows, values: np.ndarray) -> BinLabels:
    assembly, bins = prepared.assembly, prepared.held_out.labels
    index = np.searchsorted(assembly.offsets, windows.center, side="right") - 1
    start = windows.center - assembly.offsets[index] - bins.bin_bp // 2
    return BinLabels(
        assembly.names, index.astype(np.int32), start, start + bins.bin_bp, values.astype(np.float32), bins.tasks
    )
