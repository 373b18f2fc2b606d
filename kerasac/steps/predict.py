"""Predict windows with one or several trained models, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasac.models.contract import Contract, Port
from kerasac.sampling.batches import Batch, Source
from kerasac.sampling.plan import Windows
from kerasac.steps.calibration import Calibration
from kerasac.steps.predict_average import average
from kerasac.steps.prediction_data import Reading
from kerasac.steps.prediction_shards import Block, PredictionFacts, write_blocks
from kerasac.steps.predictions import Predictions
from kerasac.steps.prepared import Prepared

PREDICT_BATCH = 256
_BLOCK = 1024  # windows held as model input at a time: the next ones are read, the last ones written meanwhile


@dataclass(frozen=True)
class Member:
    """One of the models whose predictions are averaged, and what corrects its log counts, if anything does."""

    model: keras.Model
    calibration: Calibration | None = None


def predicted_blocks(members: Sequence[Member], reading: Reading, windows: Windows) -> Iterator[Block]:
    """Yield the windows in their order, predicted; several members are averaged: logits, and log counts.

    The next block is read while the models work on one.
    """
    profile, counts = _port(reading.contract, "profile"), _port(reading.contract, "counts")
    for block, batch in read_ahead(reading.source, windows):
        given = {port.name: batch.inputs[port.name] for port in reading.contract.inputs}
        predicted = [member.model.predict(given, batch_size=PREDICT_BATCH, verbose=0) for member in members]
        raw = [np.asarray(found[counts.name], dtype=np.float32) for found in predicted]
        calibrated = [
            values if member.calibration is None else member.calibration.apply(values)
            for member, values in zip(members, raw, strict=True)
        ]
        chrom, center = block.coordinates(reading.assembly)
        yield Block(
            chrom=chrom,
            center=center,
            reverse=block.reverse,
            is_peak=block.is_peak,
            logits=average([np.asarray(found[profile.name], dtype=np.float32) for found in predicted]),
            logcount=average(calibrated),
            label_profile=batch.outputs[profile.name] if reading.labelled else None,
            label_logcount=batch.outputs[counts.name] if reading.labelled else None,
            raw_logcount=average(raw) if any(member.calibration for member in members) else None,
        )


def predict(model: keras.Model, prepared: Prepared, windows: Windows, train_peaks: Windows) -> Predictions:
    """Predict windows into memory, and put the labels beside.

    ``train_peaks`` are the windows whose mean profile is stored as the floor that the model has to beat.
    """
    blocks = list(predicted_blocks([Member(model)], reading_of(prepared), windows))
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(block, name) for block in blocks])
        for name in ("chrom", "center", "reverse", "is_peak", "logits", "logcount", "label_profile", "label_logcount")
    }
    facts = facts_of(prepared)
    return Predictions(
        strand=np.where(joined.pop("reverse"), "r", "."),
        **joined,
        tasks=facts.tasks,
        transform=facts.transform,
        pseudocount=facts.pseudocount,
        mean_profile=mean_profile(prepared, train_peaks),
    )


def write_predicted(path: Path, model: keras.Model, prepared: Prepared, windows: Windows, train_peaks: Windows) -> None:
    """Predict windows into a file, in memory that does not grow with them; see :func:`predict`."""
    blocks = predicted_blocks([Member(model)], reading_of(prepared), windows)
    floor = mean_profile(prepared, train_peaks)
    write_blocks(path, blocks, len(windows), facts_of(prepared), mean_profile=floor)


def reading_of(prepared: Prepared) -> Reading:
    """Return where an experiment's held-out windows are read."""
    return Reading(prepared.held_out, prepared.contract, prepared.assembly)


def facts_of(prepared: Prepared, **attrs: Any) -> PredictionFacts:
    """Return what all predictions of an experiment share."""
    counts = _port(prepared.contract, "counts")
    spec = next(spec for spec in prepared.experiment.outputs if spec.name == counts.name)
    sizes = prepared.assembly.as_dict()
    return PredictionFacts(_port(prepared.contract, "profile").tasks, spec.transform, spec.pseudocount, sizes, attrs)


def mean_profile(prepared: Prepared, windows: Windows) -> npt.NDArray[np.float32]:
    """Return the share of all counts of the windows that falls on each position, shape (L, T), float32."""
    profile = _port(prepared.contract, "profile")
    total: Any = np.zeros((profile.width_bp, profile.n_tracks))
    for block in blocks_of(windows):
        total = total + prepared.source.batch(block).outputs[profile.name].sum(axis=0, dtype=np.float64)
    share: npt.NDArray[np.float32] = (total / _divisor(total.sum(axis=0))).astype(np.float32)
    return share


def read_ahead(source: Source, windows: Windows) -> Iterator[tuple[Windows, Batch]]:
    """Yield some windows at a time with what is read of them; a thread reads the next ones meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        pending = None
        for block in blocks_of(windows):
            coming = block, pool.submit(source.batch, block)
            if pending is not None:
                yield pending[0], pending[1].result()
            pending = coming
        if pending is not None:
            yield pending[0], pending[1].result()


def blocks_of(windows: Windows) -> Iterator[Windows]:
    """Yield some windows at a time, as many as are held as model input."""
    for low in range(0, len(windows), _BLOCK):
        yield windows.take(slice(low, low + _BLOCK))


def _divisor(totals: Any) -> Any:
    """Return totals to divide by; a task without counts has shares of 0."""
    return np.where(totals > 0, totals, 1)


def _port(contract: Contract, role: Any) -> Port:
    port = contract.output_of(role)
    assert port is not None, "the architecture's check passed without this output"
    return port
