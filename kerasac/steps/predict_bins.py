"""Predict bins: probabilities of classes, or values, with one or several trained models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasac.models.contract import Port
from kerasac.models.loss_names import label_loss
from kerasac.sampling.batches import Array
from kerasac.sampling.plan import Windows
from kerasac.steps.binned_predictions import BinnedPredictions
from kerasac.steps.predict import PREDICT_BATCH, Member, read_ahead, reading_of
from kerasac.steps.predict_average import average, average_probabilities
from kerasac.steps.prediction_data import Reading
from kerasac.steps.prepare_bins import PreparedBins
from kerasac.store.labels.read import BinLabels


def predicted_values(members: Sequence[Member], reading: Reading, windows: Windows) -> Iterator[tuple[Array, Any]]:
    """Yield what is predicted of the windows, in their order, (n, n_tasks) float32, and the labels where they are read.

    Log rates become counts. Several members are averaged: probabilities by their logits, values as they are.
    """
    (port,) = reading.contract.outputs
    mean = average_probabilities if port.role == "classification" else average
    for _, batch in read_ahead(reading.source, windows):
        given = {port.name: batch.inputs[port.name] for port in reading.contract.inputs}
        values = [_of_member(member, given, port, reading) for member in members]
        yield mean(values), batch.outputs.get(port.name)


def predict_bins(model: keras.Model, prepared: PreparedBins, windows: Windows) -> BinnedPredictions:
    """Predict bins, in the order of the windows, and put their labels beside."""
    (port,) = prepared.contract.outputs
    log_rates = label_loss(prepared.experiment.loss, port) == "poisson"
    reading = replace(reading_of(prepared), log_rates=log_rates)
    predicted, labels = zip(*predicted_values([Member(model)], reading, windows), strict=True)
    return BinnedPredictions(
        _labels(prepared, windows, np.concatenate(labels)),
        np.concatenate(predicted),
        "classification" if port.role == "classification" else "regression",
    )


def _of_member(member: Member, given: dict[str, Array], port: Port, reading: Reading) -> npt.NDArray[np.float32]:
    found = member.model.predict(given, batch_size=PREDICT_BATCH, verbose=0)
    values = np.asarray(found[port.name], dtype=np.float32)
    values = np.exp(values) if reading.log_rates else values
    return values if member.calibration is None else member.calibration.apply(values)


def _labels(prepared: PreparedBins, windows: Windows, values: np.ndarray) -> BinLabels:
    assembly, bins = prepared.assembly, prepared.held_out.labels
    index = np.searchsorted(assembly.offsets, windows.center, side="right") - 1
    start = windows.center - assembly.offsets[index] - bins.bin_bp // 2
    return BinLabels(
        assembly.names, index.astype(np.int32), start, start + bins.bin_bp, values.astype(np.float32), bins.tasks
    )
