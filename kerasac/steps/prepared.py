"""Hold an experiment that was checked, with all that its units of work share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasac.cache import digest, file_digest, local_copy
from kerasac.config import Experiment
from kerasac.genome.assembly import Assembly
from kerasac.genome.folds import Fold
from kerasac.models.contract import Contract
from kerasac.models.registry import Parameters
from kerasac.sampling.batches import Source
from kerasac.sampling.plan import Plan

# Keys that may differ between two runs into one folder: they do not change what a fold and seed gives.
UNIT_INDEPENDENT = ("name", "seeds", "folds", "compute", "tracking")
_BY_CONTENT_OR_FREE = (*UNIT_INDEPENDENT, "genome", "store", "labels")

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Prepared(ABC):
    """An experiment that was checked, of either kind; it travels to every worker."""

    experiment: Experiment
    folds: tuple[Fold, ...]
    contract: Contract
    parameters: Parameters

    @property
    @abstractmethod
    def assembly(self) -> Assembly:
        """The genome's chromosomes."""

    @property
    @abstractmethod
    def source(self) -> Source:
        """What training windows are read from."""

    @property
    def held_out(self) -> Source:
        """What validation and test windows are read from."""
        return self.source

    @property
    def left_out(self) -> Mapping[str, int]:
        """Counts, by reason, of what is never planned."""
        return {}

    @abstractmethod
    def plan(self, fold: Fold, seed: int) -> Plan:
        """Return the sampling plan of a fold and seed."""

    @abstractmethod
    def data_facts(self) -> Facts:
        """Return what windows there are to draw from, as (what, value) lines for a person."""

    @abstractmethod
    def origin(self) -> dict[str, Any]:
        """Return where the data came from, for provenance.json."""

    @abstractmethod
    def content(self) -> list[str]:
        """Return what changes when the data does, wherever it lies."""

    def fingerprint(self) -> str:
        """Return 16 hex digits that change with whatever decides the results of a fold and seed.

        Files count by their content, wherever they lie: a moved data folder changes nothing, an edited FASTA does.
        Keys at their default are left out: one that a later version brings changes nothing either.
        """
        given = self.experiment.training.initialize
        initial = [] if given is None else [file_digest(local_copy(given.file))]
        chroms = list(self.assembly.as_dict().items())
        facts = {"experiment": self._deciding(), "chromosomes": chroms, "content": [*self.content(), *initial]}
        return digest(facts)

    def _deciding(self) -> dict[str, Any]:
        """Return the keys that decide a result, less those of files, which count by their content."""
        spec = {key: value for key, value in self.experiment.changed().items() if key not in _BY_CONTENT_OR_FREE}
        sampling, training, loss = (spec.get(key, {}) for key in ("sampling", "training", "loss"))
        for section in (sampling.get("regions"), sampling.get("negatives")):
            _drop(section, "bed")
        for track in (*spec.get("inputs", []), *spec.get("outputs", [])):
            _drop(track, "file", "valid_file")
        _drop(spec.get("score"), "peaks", "pseudoreplicates")  # a ceiling changes no model
        if loss.get("class_weights") != "auto":
            _drop(loss, "class_weights")
        _drop(spec.get("bias"), "model_file", "warn_below", "fail_below")  # a verdict changes no model
        _drop(training, "tensorboard", "batch_log")  # changes no result
        _drop(training.get("initialize"), "file")
        spec["model"] = spec.get("model", {}) | self.parameters.digests  # files of the model, by content
        return {key: value for key, value in spec.items() if value != {} or key == "bias"}  # bias: {} asks for one

    def describe(self) -> Facts:
        """Return what an experiment amounts to, as (what, value) lines for a person."""
        lines = [
            ("genome", f"{len(self.assembly.names)} chromosomes, {self.assembly.total_bp:,} bases"),
            *self.data_facts(),
            ("units of work", f"{len(self.folds)} folds × {len(self.experiment.seeds)} seeds"),
        ]
        for fold in self.folds:
            plan = self.plan(fold, self.experiment.seeds[0])
            counts = {"train": len(plan.train(0)), "valid": len(plan.valid()), "test": len(plan.test())}
            lines.append((f"fold {fold.index}", ", ".join(f"{name} {count:,}" for name, count in counts.items())))
        return lines


def _drop(section: dict[str, Any] | None, *keys: str) -> None:
    for key in keys:
        if section is not None:
            section.pop(key, None)
