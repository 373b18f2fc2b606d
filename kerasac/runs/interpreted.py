"""Say of trained models what effects are told of, and which of them did not see a chromosome."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerasac.errors import ConfigError, GenomeError
from kerasac.genome.assembly import Assembly, naming_hint
from kerasac.interpret.both_strands import Ends
from kerasac.interpret.effects import BinnedEffects, Effects, ProfileEffects, targets_of
from kerasac.interpret.model_average import ModelSet
from kerasac.runs.trained import Trained, groups_by_chrom
from kerasac.steps.count_space import TRANSFORMS

HELD_OUT, ALL = "held_out", "all"


def effects_of(trained: Trained, ends: Ends, *, log_rates: bool) -> Effects:
    """Say how effects on what these models predict are scored; ``log_rates``: values of bins are log counts.

    Raises
    ------
    ConfigError
        When they do not predict a profile and counts, or values of bins, or the transform of their counts cannot be
        undone.
    """
    targets = targets_of(ends)
    if trained.is_binned:
        (port,) = ends.contract.outputs
        return BinnedEffects(targets, port.role, log_rates)
    _check_outputs(trained, ends)
    spec = trained.counts_spec
    if spec.transform not in TRANSFORMS:
        raise ConfigError(f"counts are transformed by {spec.transform!r}, which cannot be undone, so no fold change")
    return ProfileEffects(targets, spec.transform, spec.pseudocount)


def _check_outputs(trained: Trained, ends: Ends) -> None:
    """Raise ConfigError unless there is one profile and one output of counts."""
    if sorted(port.role for port in ends.contract.outputs) != ["counts", "profile"]:
        outputs = ", ".join(f"{port.name} ({port.role})" for port in ends.contract.outputs)
        name = trained.experiment.name
        raise ConfigError(
            f"effects of sequence need a profile and its counts, or values of bins; the outputs of {name} are {outputs}"
        )


def model_names(trained: Trained) -> list[str]:
    """Return a name for each model: ``fold-0/seed-1234`` of a run's, else its file's."""
    if not trained.units:
        return [path.name for path in trained.models]
    several = len({unit.run_folder for unit in trained.units}) > 1
    return [f"{Path(unit.run_folder).name}/{unit.name}" if several else unit.name for unit in trained.units]


def held_out_models(trained: Trained, assembly: Assembly) -> ModelSet | None:
    """Return the models of the folds that test on each chromosome; None for models of no run."""
    if not trained.units:
        return None
    used = np.zeros((len(assembly.names), len(trained.models)), dtype=bool)
    for chrom, places in enumerate(groups_by_chrom(trained, assembly, held_out=True)):
        used[chrom, list(places)] = True
    return ModelSet(HELD_OUT, used)


def used_models(
    trained: Trained, assembly: Assembly, held_out: ModelSet | None, *, held_out_only: bool
) -> npt.NDArray[np.bool_]:
    """Return which models are asked on each chromosome, (n_chroms, models): all, or those that did not see it.

    Raises
    ------
    ConfigError
        When only those are asked and the models are of no run.
    """
    if not held_out_only:
        return np.ones((len(assembly.names), len(trained.models)), dtype=bool)
    if held_out is None:
        raise ConfigError("files of models have no folds, so none that did not see a chromosome; leave out --held-out")
    return held_out.used


def check_chroms(path: Path, chroms: Iterable[str], assembly: Assembly) -> None:
    """Raise GenomeError when there are chromosomes in a file, and none of them is one of the genome's."""
    named = list(dict.fromkeys(chroms))
    if named and not any(chrom in assembly for chrom in named):
        hint = naming_hint(named, assembly.names)
        raise GenomeError(f"no chromosome of {path} is one of the genome's: {named[0]!r} is not{hint}")
