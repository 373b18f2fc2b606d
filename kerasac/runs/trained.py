"""Find trained models by what a user names: a run, units of it, or model files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kerasac.config import Experiment, OutputSpec, load_experiment
from kerasac.errors import ConfigError, ModelError, RunError
from kerasac.genome.assembly import Assembly
from kerasac.models.contract import Contract, Port, contract_of
from kerasac.models.loss_names import label_loss
from kerasac.models.own_model import is_own
from kerasac.models.registry import Parameters, read_parameters
from kerasac.runs.bias_stage import CORRECTED, CORRECTED_PREDICTIONS
from kerasac.runs.opened import OpenedRun, open_run
from kerasac.runs.unit import MARKER, Unit
from kerasac.runs.unit_scores import BINNED_PREFIX, PREDICTIONS
from kerasac.steps.calibration import CALIBRATION
from kerasac.steps.prediction_data import open_reading

_MODEL = "model.keras"
_PREDICTED = {_MODEL: PREDICTIONS, CORRECTED: CORRECTED_PREDICTIONS}


@dataclass(frozen=True)
class Trained:
    """Models of one experiment; ``units`` are theirs, or empty for files that are of no run.

    ``is_run``: whether a whole run was named, whose folds share the genome among them; ``unfinished`` are units that it
    should have.
    """

    experiment: Experiment
    models: tuple[Path, ...]
    units: tuple[Unit, ...]
    is_run: bool
    unfinished: tuple[str, ...] = ()

    @cached_property
    def contract(self) -> Contract:
        """What goes in and comes out."""
        return contract_of(self.experiment)

    @cached_property
    def parameters(self) -> Parameters:
        """The architecture's parameters, with the classes of a user's own."""
        return read_parameters(self.experiment.model.architecture, self.experiment.model.parameters)

    @property
    def is_binned(self) -> bool:
        """Whether the models predict bins, rather than profiles and counts."""
        return self.experiment.labels is not None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in the order of the outputs' last axis."""
        return self.contract.outputs[0].tasks if self.is_binned else self._output("profile").tasks

    @property
    def n_bases(self) -> int:
        """Bases of a profile."""
        return self._output("profile").width_bp

    @property
    def counts_spec(self) -> OutputSpec:
        """How the counts output is made."""
        name = self._output("counts").name
        return next(spec for spec in self.experiment.outputs if spec.name == name)

    @cached_property
    def calibrations(self) -> dict[Path, Path]:
        """Files of the calibrations, by model, of those that have one."""
        found = {path: path.with_name(CALIBRATION) for path in self.models if path.name == _MODEL}
        return {path: calibration for path, calibration in found.items() if calibration.is_file()}

    def prediction_files(self) -> dict[tuple[int, ...], list[Path]]:
        """Return the files of test predictions of each fold, by the places of the models that made them.

        Of bins: their prefixes.

        Raises
        ------
        ConfigError
            For a model whose unit predicted nothing with it.
        """
        by_fold: dict[int, list[int]] = {}
        for i, unit in enumerate(self.units):
            by_fold.setdefault(unit.fold.index, []).append(i)
        return {tuple(places): [self._predicted_by(self.models[i]) for i in places] for places in by_fold.values()}

    def assembly(self) -> Assembly:
        """Return the chromosomes of the experiment's array."""
        return open_reading(self.experiment).assembly

    def _predicted_by(self, model: Path) -> Path:
        names = {_MODEL: BINNED_PREFIX} if self.is_binned else _PREDICTED
        if model.name not in names:
            raise ConfigError(
                f"{model} is not one of the models that its unit predicted with ({', '.join(names)}); say where it is "
                "to predict: --regions, --chroms or --genome"
            )
        return model.with_name(names[model.name])

    def _output(self, role: str) -> Port:
        found = [port for port in self.contract.outputs if port.role == role]
        if not found:
            raise ConfigError(f"the experiment {self.experiment.name} has no {role} output, as is predicted here")
        return found[0]


def open_trained(sources: Sequence[Path], experiment: Path | None, *, corrected: bool = False) -> Trained:
    """Open runs, units' folders or ``.keras`` files, which are all to be of one kind of model.

    A file that lies in no unit's folder needs an ``experiment`` file that says what goes in.

    Raises
    ------
    ConfigError
        When the models take or give different things, or an experiment is missing.
    RunError
        When a source is neither.
    """
    files = [source for source in sources if source.is_file()]
    for source in files:
        if source.suffix != ".keras":
            raise ConfigError(
                f"{source} is no model; name a run, a unit of it, or a .keras file (`kerasac-ray convert` makes one of "
                "other formats)"
            )
        if corrected and source.name != CORRECTED:
            raise ConfigError(f"{source} is one model; --corrected goes with a run or a unit, which has {CORRECTED}")
    loose = [source for source in files if not (source.parent / MARKER).is_file()]
    if loose and len(loose) < len(sources):
        raise ConfigError(f"{loose[0]} is of no run, {sources[0]} may be; predict with one kind at a time")
    if loose:
        return _of_files(tuple(path.resolve() for path in loose), experiment)
    if experiment is not None:
        raise ConfigError(f"{sources[0]} is of a run, which keeps its experiment; leave out --experiment")
    runs = [open_run(source.parent if source.is_file() else source) for source in sources]
    _check_alike(runs, sources)
    units = tuple(unit for run in runs for unit in run.units)
    names = [source.name if source.is_file() else None for source in sources]
    models = tuple(
        _model_of(unit, name or (CORRECTED if corrected else _MODEL))
        for run, name in zip(runs, names, strict=True)
        for unit in run.units
    )
    is_run = len(sources) == 1 and sources[0].resolve() == runs[0].folder
    return Trained(runs[0].experiment, models, units, is_run, runs[0].unfinished if is_run else ())


def groups_by_chrom(trained: Trained, assembly: Assembly, *, held_out: bool) -> list[tuple[int, ...]]:
    """Return, for each chromosome, the places of the models that predict it.

    ``held_out``: those of the folds that test on it, which never saw it in training; none for a chromosome that no fold
    tests on. Else all of them.
    """
    if not held_out:
        return [tuple(range(len(trained.models)))] * len(assembly.names)
    if not trained.units:
        raise ConfigError(
            "files of models have no folds, so none that did not see a chromosome; leave out --by held-out"
        )
    return [tuple(i for i, unit in enumerate(trained.units) if chrom in unit.fold.test) for chrom in assembly.names]


def _of_files(paths: tuple[Path, ...], experiment: Path | None) -> Trained:
    if experiment is None:
        raise ConfigError(
            f"{paths[0]} is of no run, so nothing says what goes in and comes out: add --experiment FILE, whose inputs "
            "and outputs are the model's"
        )
    return Trained(load_experiment(experiment), paths, (), is_run=False)


def _model_of(unit: Unit, name: str) -> Path:
    path = unit.folder / name
    if not path.is_file():
        why = "its experiment has no bias section; leave out --corrected" if name == CORRECTED else "train it again"
        raise ModelError(f"{unit.folder} has no {name}: {why}")
    return path


def _check_alike(runs: Sequence[OpenedRun], sources: Sequence[Path]) -> None:
    first = _ends(runs[0].experiment)
    for run, source in zip(runs[1:], sources[1:], strict=True):
        if _ends(run.experiment) != first:
            raise RunError(
                f"{sources[0]} and {source} take or give different things (inputs, flanks, tasks, transforms, "
                "pseudocounts, or the loss of bins), so their predictions have no average"
            )


def _ends(experiment: Experiment) -> tuple[object, ...]:
    """Return what decides the meaning of a model's inputs and outputs."""
    contract = contract_of(experiment)
    pseudocounts = tuple((spec.name, spec.pseudocount) for spec in (*experiment.inputs, *experiment.outputs))
    losses = tuple(label_loss(experiment.loss, port) for port in contract.outputs) if experiment.labels else ()
    own = experiment.model.architecture if is_own(experiment.model.architecture) else ""
    return contract, pseudocounts, losses, own
