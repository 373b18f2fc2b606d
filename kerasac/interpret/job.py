"""Divide the explanation of many windows into shards, each of which any process can do, and any other go on from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from kerasac.cache import digest, file_digest, whole_file
from kerasac.genome.assembly import IntArray
from kerasac.genome.sequence import one_hot
from kerasac.interpret.contribution_files import (
    ContributionFacts,
    ContributionLayout,
    join_contributions,
    regions_text,
)
from kerasac.interpret.explained import Array, Explained
from kerasac.interpret.heads import Target, task_names
from kerasac.interpret.settings import ExplainSettings, Method
from kerasac.interpret.written import Mark
from kerasac.models.contract import Contract, Port
from kerasac.models.registry import Parameters
from kerasac.sampling.plan import Windows
from kerasac.steps.hdf5_rows import create_rows
from kerasac.steps.loaded import loaded_models
from kerasac.steps.predict_average import average
from kerasac.steps.prediction_data import Reading
from kerasac.steps.sharded import ShardedJob

if TYPE_CHECKING:
    from kerasac.interpret.explain import Explainer

# Windows of a shard, about a minute of a BPNet on two cores: what a killed call does again at most. Powers of two.
SHARD_WINDOWS = {Method.DEEPSHAP: 64, Method.GRADIENT: 1024, Method.ISM: 4, Method.SCRAMBLE: 2}
# Bases of all windows of a model, from which on XLA, which takes some ten seconds to start, saves more than that.
_WORTH_COMPILING_BP = {Method.DEEPSHAP: 130_000, Method.ISM: 4_000, Method.SCRAMBLE: 8_000}


@dataclass(frozen=True, eq=False, kw_only=True)
class ContributionJob(ShardedJob):
    """Windows, and for each the models whose contributions are averaged.

    ``group_of`` (n,) int64 says which of ``groups``, sets of places in ``models``, explains each window.
    """

    reading: Reading
    models: tuple[Path, ...]
    groups: tuple[tuple[int, ...], ...]
    windows: Windows
    group_of: IntArray
    parameters: Parameters
    targets: tuple[Target, ...]
    settings: ExplainSettings

    @property
    def n_items(self) -> int:
        """Number of windows."""
        return len(self.windows)

    @property
    def has_spread(self) -> bool:
        """Whether each window is explained by several models."""
        return all(len(self.groups[group]) > 1 for group in np.unique(self.group_of))

    def do(self, shard: int) -> int:
        """Explain a shard."""
        rows = self.rows(shard)
        windows, group_of = self.windows.take(rows), self.group_of[rows]
        inputs = self.reading.source.batch(windows).inputs
        columns: dict[str, Array] = {"input_seqs": one_hot(inputs[self._sequence.name]).astype(np.int8)}
        for group in np.unique(group_of).tolist():
            chosen = np.flatnonzero(group_of == group)
            given = {port.name: inputs[port.name][chosen] for port in self.reading.contract.inputs}
            found = self._explained(self.groups[group], given, windows.take(chosen))
            for name, values in found.items():
                columns.setdefault(name, np.empty((len(windows), *values.shape[1:]), np.float32))[chosen] = values
        with whole_file(self.part(shard)) as beside, h5py.File(beside, "w") as file:
            for name, values in columns.items():
                create_rows(file, name, len(values), values, self.shard_items)
                file[name][:] = values
        return len(windows)

    def digest(self) -> str:
        """Return 16 hex digits that change with whatever decides the contributions."""
        groups = hashlib.sha256(self.group_of.astype("<i8").tobytes()).hexdigest()[:16]
        return digest(
            {
                "models": [file_digest(path) for path in self.models],
                "windows": [self.windows.digest(), self.groups, groups, self.shard_items],
                "data": self.reading.content(),
                "contract": repr(self.reading.contract),
                "explained": [[str(head), task] for head, task in self.targets],
                "settings": [str(value) for value in astuple(self.settings)],
            }
        )

    def mark(self, layout: ContributionLayout, record: Path) -> Mark:
        """Return what the files of this explanation are known by."""
        chrom, center = self.windows.coordinates(self.reading.assembly)
        width = self._sequence.width_bp
        windows = {"windows": self.windows.digest(), "data": self.reading.content(), "width_bp": width}
        regions = regions_text(chrom, center - width // 2, width)
        return Mark(self.digest(), layout, digest(windows), regions, record)

    def join(self, target: int, out: Path, attrs: Mapping[str, Any]) -> None:
        """Join the finished shards into the file of one of the targets, with further attributes."""
        head, width = self.targets[target].head, self._sequence.width_bp
        chrom, center = self.windows.coordinates(self.reading.assembly)
        facts = ContributionFacts(
            chrom=chrom,
            start=center - width // 2,
            center=center,
            width_bp=width,
            chrom_sizes=self.reading.assembly.as_dict(),
            tasks=task_names(self.reading.contract, self.targets[target]),
            attrs={"head": str(head), **attrs},
        )
        names = {f"{name}_{target}": name for name in ("hyp_scores", "error", "scores_sd")}
        join_contributions(self.parts(), out, {**names, "input_seqs": "input_seqs"}, facts, self.shard_items)

    @property
    def _sequence(self) -> Port:
        port = self.reading.contract.input_of("sequence")
        assert port is not None, "every model here takes a sequence"
        return port

    def _explained(self, group: tuple[int, ...], inputs: Mapping[str, Array], windows: Windows) -> dict[str, Array]:
        """Return the datasets of windows that a group of models explains, by name and number of the target."""
        chrom, center = windows.coordinates(self.reading.assembly)
        keys = list(zip(chrom.tolist(), center.tolist(), strict=True))
        by_model = []
        for i in group:
            found: list[Explained] = []
            for explain in self._explainers(i):
                found += explain.explain(inputs, keys)
            by_model.append(found)
        bases = one_hot(inputs[self._sequence.name])
        columns: dict[str, Array] = {}
        for number, of_models in enumerate(zip(*by_model, strict=True)):
            hypothetical = [one.hypothetical for one in of_models]
            columns[f"hyp_scores_{number}"] = average(hypothetical)
            columns[f"error_{number}"] = np.max([one.error for one in of_models], axis=0)
            if self.has_spread:
                columns[f"scores_sd_{number}"] = _spread([(values * bases).sum(axis=2) for values in hypothetical])
        return columns

    def _explainers(self, model: int) -> list[Explainer]:
        """Return what explains with a model, one a head, in the order of the targets."""
        windows_each = np.bincount(self.group_of, minlength=len(self.groups))
        n_windows = sum(int(windows_each[i]) for i, group in enumerate(self.groups) if model in group)
        path, contract = self.models[model], self.reading.contract
        worth = _WORTH_COMPILING_BP.get(self.settings.method, np.inf)
        compiled = n_windows * self._sequence.width_bp >= worth
        return [
            _explainer(path, file_digest(path), contract, self.parameters, tuple(some), self.settings, compiled)
            for _, some in groupby(self.targets, key=lambda target: target.head)
        ]


def _spread(arrays: list[Array]) -> Array:
    """Return the standard deviation (n - 1) of arrays of one shape."""
    spread: Array = np.std(np.stack(arrays), axis=0, ddof=1)
    return spread


@lru_cache(maxsize=64)
def _explainer(
    path: Path,
    content: str,
    contract: Contract,
    parameters: Parameters,
    targets: tuple[Target, ...],
    settings: ExplainSettings,
    compiled: bool,
) -> Explainer:
    """Prepare a model once a process, so that it is compiled once; ``content`` is its file's digest."""
    from kerasac.interpret.explain import explainer

    (model,) = loaded_models([path], contract, parameters)
    return explainer(model, contract, targets, settings, compiled=compiled)
