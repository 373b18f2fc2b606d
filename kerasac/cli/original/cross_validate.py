"""kerasAC_cross_validate: all folds on bins, and the files that kerasAC leaves of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cache import with_ending
from kerasac.cli.original.commands import Done
from kerasac.cli.original.experiment import training_translation
from kerasac.cli.original.flags import Given
from kerasac.cli.original.folds import GENOMES, SCHEME, ChosenFold, fold_there, table_fold
from kerasac.cli.original.hints import hint, shortest
from kerasac.cli.original.lookups import Lookups
from kerasac.cli.original.telling import tell
from kerasac.cli.original.train import RUN_FOLDER, local_prefix, prepare_experiment, write_files
from kerasac.errors import ConfigError, suggest
from kerasac.genome.folds import Fold

if TYPE_CHECKING:
    from rich.console import Console

    from kerasac.runs.unit import Unit

_N_FOLDS = 10


def cross_validate(given: Given, console: Console) -> Done:
    """Train, predict and score folds; the same command again goes on where it stopped."""
    prefix = local_prefix(given, "model_prefix")
    folds = _folds(given)
    translation = training_translation(given, Lookups(), chosen=ChosenFold(folds[0], SCHEME))
    for remark in translation.remarks:
        tell(console, remark)
    there = Lookups().chromosomes(None, given.path("ref_fasta"))
    folds = [fold_there(ChosenFold(fold, SCHEME), there) for fold in folds]
    run_folder = with_ending(prefix, RUN_FOLDER)
    experiment = prepare_experiment(given, translation, run_folder, folds)
    from kerasac.models.contract import contract_of
    from kerasac.models.registry import read_parameters
    from kerasac.runs.crossval import cross_validate as run_folds
    from kerasac.runs.one_fold import TrainedFold
    from kerasac.runs.opened import open_run

    result = run_folds(experiment, run_folder, console=console)
    on = hint("cv", shortest(run_folder) / "experiment.yaml", out=shortest(run_folder))
    if result.stopped is not None:
        tell(console, f"stopped, asked by {result.stopped}; the same command goes on")
        return Done(on, exit_status=result.exit_status)
    model = experiment.model
    contract, parameters = contract_of(experiment), read_parameters(model.architecture, model.parameters)
    written: list[Path] = []
    for unit in open_run(run_folder).units:
        one = with_ending(prefix, str(unit.fold.index))
        written += write_files(TrainedFold(unit, contract, parameters), one, given.texts("trackables"))
        written += _write_predictions(given, unit)
    return Done(on, tuple(str(shortest(path)) for path in written))


def _folds(given: Given) -> list[Fold]:
    assembly = given.text("assembly") or ""
    if assembly not in GENOMES:
        raise ConfigError(f"--assembly is {assembly!r}{suggest(assembly, GENOMES)}; these have kerasAC's folds")
    return [table_fold(int(split)) for split in given.texts("splits") or map(str, range(_N_FOLDS))]


def _write_predictions(given: Given, unit: Unit) -> list[Path]:
    """Write a fold's tables of test bins under kerasAC's names, and its scores, where they are asked for."""
    from kerasac.cli.original.score_bins import write_scores
    from kerasac.runs.unit_scores import BINNED_PREFIX
    from kerasac.steps.binned_predictions import (
        labels_path,
        predictions_path,
        read_binned_predictions,
        write_binned_predictions,
    )

    bins = read_binned_predictions(unit.folder / BINNED_PREFIX)
    written = []
    if given.has("predictions_and_labels_hdf5"):
        named = local_prefix(given, "predictions_and_labels_hdf5")
        prefix = with_ending(named, str(unit.fold.index))
        write_binned_predictions(prefix, bins, numbered=not given.has("tasks"))
        written += [labels_path(prefix), predictions_path(prefix)]
    assert bins.kind is not None, "the files of a unit say what they are"
    names = [
        *given.texts("performance_metrics_classification_file"),
        *given.texts("performance_metrics_regression_file"),
        *([given.needed("accuracy_metrics_file")] if given.has("accuracy_metrics_file") else []),
    ]
    for name in names:
        path = Path(f"{name}.{unit.fold.index}")
        write_scores(path, bins, bins.kind)
        written.append(path)
    return written
