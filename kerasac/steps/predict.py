"""Predict the test windows of a fold, once, with a trained model."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasac.models.contract import Contract, Port
from kerasac.sampling.batches import Array, Source
from kerasac.sampling.plan import Windows
from kerasac.steps.predictions import Predictions
from kerasac.steps.prepared import Prepared

logger = logging.getLogger(__name__)

PREDICT_BATCH = 256
_BLOCK = 4096  # windows held as model input at a time


def predict(model: keras.Model, prepared: Prepared, windows: Windows, train_peaks: Windows) -> Predictions:
    """Predict windows and put the labels beside.

    ``train_peaks`` are the windows whose mean profile is stored as the floor that the model has to beat.
    """
    contract, source = prepared.contract, prepared.held_out
    profile, counts = _port(contract, "profile"), _port(contract, "counts")
    labels: dict[str, list[Array]] = {profile.name: [], counts.name: []}
    outputs: dict[str, list[Array]] = {profile.name: [], counts.name: []}
    for block in blocks_of(windows):
        batch = source.batch(block)
        predicted = model.predict(batch.inputs, batch_size=PREDICT_BATCH, verbose=0)
        for name in labels:
            labels[name].append(batch.outputs[name])
            outputs[name].append(np.asarray(predicted[name], dtype=np.float32))
    chrom, center = windows.coordinates(prepared.assembly)
    spec = next(spec for spec in prepared.experiment.outputs if spec.name == counts.name)
    return Predictions(
        chrom=chrom,
        center=center,
        strand=np.where(windows.reverse, "r", "."),
        is_peak=windows.is_peak,
        label_profile=np.concatenate(labels[profile.name]),
        logits=np.concatenate(outputs[profile.name]),
        label_logcount=np.concatenate(labels[counts.name]),
        logcount=np.concatenate(outputs[counts.name]),
        tasks=profile.tasks,
        transform=spec.transform,
        pseudocount=spec.pseudocount,
        mean_profile=mean_profile(prepared.source, train_peaks, profile),
    )


def mean_profile(source: Source, windows: Windows, profile: Port) -> npt.NDArray[np.float32]:
    """Return the share of all counts of the windows that falls on each position, shape (L, T), float32."""
    total: Any = np.zeros((profile.width_bp, profile.n_tracks))
    for block in blocks_of(windows):
        total = total + source.batch(block).outputs[profile.name].sum(axis=0, dtype=np.float64)
    share: npt.NDArray[np.float32] = (total / _divisor(total.sum(axis=0))).astype(np.float32)
    return share


def _divisor(totals: Any) -> Any:
    """Return totals to divide by; a task without counts has shares of 0."""
    return np.where(totals > 0, totals, 1)


def blocks_of(windows: Windows) -> Iterator[Windows]:
    """Yield some windows at a time, as many as are held as model input."""
    for low in range(0, len(windows), _BLOCK):
        yield windows.take(slice(low, low + _BLOCK))


def _port(contract: Contract, role: Any) -> Port:
    port = contract.output_of(role)
    assert port is not None, "the architecture's check passed without this output"
    return port
