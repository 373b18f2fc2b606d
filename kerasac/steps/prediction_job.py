"""Divide a long prediction into shards, each of which any process can do, and any other go on from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasac.cache import digest, file_digest, whole_file
from kerasac.genome.assembly import IntArray
from kerasac.models.registry import Parameters
from kerasac.sampling.plan import Windows
from kerasac.steps.calibration import CALIBRATION, read_calibration
from kerasac.steps.loaded import loaded_models
from kerasac.steps.predicted_bins import write_predicted_bins
from kerasac.steps.prediction_data import Reading
from kerasac.steps.prediction_shards import (
    SHARD_WINDOWS,
    Block,
    PredictionFacts,
    PredictionWriter,
    join_shards,
    joined_blocks,
)
from kerasac.steps.sharded import ShardedJob

if TYPE_CHECKING:
    from kerasac.steps.predict import Member


@dataclass(frozen=True, eq=False, kw_only=True)
class PredictionJob(ShardedJob):
    """Windows, and for each the models whose predictions are averaged.

    ``group_of`` (n,) int64 says which of ``groups``, sets of places in ``models``, predicts each window.
    """

    reading: Reading
    facts: PredictionFacts
    models: tuple[Path, ...]
    groups: tuple[tuple[int, ...], ...]
    windows: Windows
    group_of: IntArray
    parameters: Parameters
    calibrated: bool
    shard_items: int = SHARD_WINDOWS

    @property
    def n_items(self) -> int:
        """Number of windows."""
        return len(self.windows)

    @property
    def is_binned(self) -> bool:
        """Whether the models predict bins, rather than profiles and counts."""
        return self.reading.contract.output_of("profile") is None

    @property
    def suffix(self) -> str:
        """Ending of the files of shards: HDF5, or an array of bins."""
        return "npy" if self.is_binned else "h5"

    def do(self, shard: int) -> int:
        """Predict a shard."""
        rows = self.rows(shard)
        windows, group_of = self.windows.take(rows), self.group_of[rows]
        if self.is_binned:
            _predict_values(self, shard, windows, group_of)
        else:
            _predict_profiles(self, shard, windows, group_of)
        return len(windows)

    def digest(self) -> str:
        """Return 16 hex digits that change with whatever decides the predictions."""
        groups = hashlib.sha256(self.group_of.astype("<i8").tobytes()).hexdigest()[:16]
        calibrations = [file_digest(path.with_name(CALIBRATION)) for path in self.models] if self.calibrated else []
        return digest(
            {
                "models": [file_digest(path) for path in self.models],
                "calibrations": calibrations,
                "windows": [self.windows.digest(), self.groups, groups, self.shard_items],
                "data": [self.reading.labelled, *self.reading.content()],
                "contract": repr(self.reading.contract),
                "counts": [self.reading.log_rates, self.facts.transform, self.facts.pseudocount],
            }
        )


def join(job: PredictionJob, out: Path, attrs: Mapping[str, Any]) -> None:
    """Join the finished shards into one file, with further attributes; of bins, at the prefix ``out``."""
    facts = replace(job.facts, attrs={**job.facts.attrs, **attrs})
    if not job.is_binned:
        join_shards(job.parts(), out, facts, job.shard_items)
        return
    (port,) = job.reading.contract.outputs
    flank = max(port.width_bp for port in job.reading.contract.inputs) // 2
    chrom, center = job.windows.coordinates(job.reading.assembly)
    settings = {"kind": port.role, **facts.attrs}
    write_predicted_bins(out, chrom, center - flank, center + flank, map(np.load, job.parts()), facts.tasks, settings)


def _predict_profiles(job: PredictionJob, shard: int, windows: Windows, group_of: IntArray) -> None:
    with (
        whole_file(job.part(shard)) as beside,
        PredictionWriter(beside, len(windows), job.shard_items) as writer,
        ThreadPoolExecutor(1) as pool,
    ):
        writing: Future[None] | None = None
        for block in _blocks(job, windows, group_of):
            if writing is not None:
                writing.result()
            writing = pool.submit(writer.write, block)
        if writing is not None:
            writing.result()


def _blocks(job: PredictionJob, windows: Windows, group_of: IntArray) -> Iterator[Block]:
    """Yield windows in their order, predicted; those of several groups in one block, each group's models used once."""
    from kerasac.steps.predict import predicted_blocks

    groups = np.unique(group_of).tolist()
    if len(groups) == 1:
        yield from predicted_blocks(_members(job, job.groups[groups[0]]), job.reading, windows)
        return
    blocks: list[Block] = []
    order = []
    for group in groups:  # places in the order of a file jump between chromosomes
        rows = np.flatnonzero(group_of == group)
        blocks += predicted_blocks(_members(job, job.groups[group]), job.reading, windows.take(rows))
        order.append(rows)
    yield joined_blocks(blocks, np.argsort(np.concatenate(order)))


def _predict_values(job: PredictionJob, shard: int, windows: Windows, group_of: IntArray) -> None:
    from kerasac.steps.predict_bins import predicted_values

    values = np.empty((len(windows), len(job.facts.tasks)), dtype=np.float32)
    for group in np.unique(group_of).tolist():
        rows = np.flatnonzero(group_of == group)
        found = predicted_values(_members(job, job.groups[group]), job.reading, windows.take(rows))
        values[rows] = np.concatenate([predicted for predicted, _ in found])
    with whole_file(job.part(shard)) as beside, beside.open("wb") as file:
        np.save(file, values)


def _members(job: PredictionJob, group: Sequence[int]) -> list[Member]:
    from kerasac.steps.predict import Member

    paths = [job.models[i] for i in group]
    models = loaded_models(paths, job.reading.contract, job.parameters)
    corrections = [read_calibration(path.with_name(CALIBRATION), path) if job.calibrated else None for path in paths]
    return [Member(*pair) for pair in zip(models, corrections, strict=True)]
