"""kerasAC_predict_hdf5: predictions of the bins of a label file, in kerasAC's two tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasac.cache import with_ending
from kerasac.cli.original.bins import bin_sections
from kerasac.cli.original.commands import Done
from kerasac.cli.original.experiment import experiment_name
from kerasac.cli.original.flags import Given
from kerasac.cli.original.folds import predicted_chromosomes
from kerasac.cli.original.hints import hint, shortest
from kerasac.cli.original.lookups import Lookups
from kerasac.cli.original.models import model_file
from kerasac.cli.original.telling import tell
from kerasac.cli.original.train import local_prefix
from kerasac.config import Experiment, make_experiment
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    import keras
    from rich.console import Console

    from kerasac.sampling.plan import Windows
    from kerasac.steps.binned_predictions import BinnedPredictions
    from kerasac.steps.prepare_bins import PreparedBins


def predict_hdf5(given: Given, console: Console) -> Done:
    """Predict all bins of the chromosomes that are asked for, and write labels beside."""
    prefix = local_prefix(given, "predictions_and_labels_hdf5")
    logits, values = (given.is_on(f"calibrate_{kind}") for kind in ("classification", "regression"))
    if logits and values:
        raise ConfigError("give one of --calibrate_classification and --calibrate_regression")
    experiment = _experiment(given, "regression" if values else "classification")
    path = model_file(given)
    from kerasac.models.quiet_start import load_keras_quietly

    load_keras_quietly(gpus=True)
    from kerasac.steps.binned_predictions import labels_path, predictions_path, write_binned_predictions
    from kerasac.steps.predict_bins import predict_bins

    prepared = _prepared(experiment)
    windows, n_outside = _bins_on(given, prepared)
    found = _of_its_kind(predict_bins(_loaded(path, prepared), prepared, windows), values=values)
    if n_outside:
        tell(console, f"left out: {n_outside:,} bins whose window would leave its chromosome")
    numbered = not given.has("tasks")
    if not logits and not values:
        write_binned_predictions(prefix, found, numbered=numbered)
        written = [labels_path(prefix), predictions_path(prefix)]
    else:
        written = _write_for_calibration(prefix, found, logits=logits, numbered=numbered)
        tell(console, "no calibrated predictions are written: fit on other bins, with kerasAC_calibrate")
    same = hint("predict", "RUN", out=shortest(prefix)) + "   # the test bins of all folds of a run"
    return Done(same, tuple(str(shortest(path)) for path in written))


def _experiment(given: Given, kind: str) -> Experiment:
    sections, _ = bin_sections(given, kind, Path(), Lookups())
    sections["sampling"] = {"bins": {}}
    document = {
        "name": experiment_name(given.needed("predictions_and_labels_hdf5")),
        "genome": {"fasta": given.needed("ref_fasta")},
        **sections,
    }
    return make_experiment(document, base=Path.cwd(), origin=given.command)


def _prepared(experiment: Experiment) -> PreparedBins:
    """Open sequence and label files; nothing is checked that only a training needs."""
    from kerasac.genome.sequence import fasta_assembly
    from kerasac.models.contract import contract_of
    from kerasac.models.registry import read_parameters
    from kerasac.sampling.bins import make_bin_sources
    from kerasac.steps.prepare_bins import PreparedBins

    sources = make_bin_sources(experiment, fasta_assembly(experiment.genome.fasta))
    for source in sources:
        source.ensure()
    return PreparedBins(experiment, (), contract_of(experiment), read_parameters("basset", {}), *sources)


def _bins_on(given: Given, prepared: PreparedBins) -> tuple[Windows, int]:
    """Return the bins of named chromosomes, of a fold's test chromosomes or of all, and how many have no window."""
    from kerasac.genome.intervals import Spans
    from kerasac.sampling.plan import windows_at

    assembly = prepared.assembly
    chroms = predicted_chromosomes(given, assembly.names)
    rows = prepared.held_out.labels.open().center.astype(np.int64)
    rows = rows[Spans.of_chromosomes(list(chroms), assembly).contains(rows)]
    flank = max(spec.flank for spec in prepared.experiment.inputs)
    index = np.searchsorted(assembly.offsets, rows, side="right") - 1
    center = rows - assembly.offsets[index]
    inside = (center >= flank) & (center + flank <= assembly.sizes_bp[index])
    if not inside.any():
        raise ConfigError(f"{prepared.held_out.labels.path} has no bin on {', '.join(chroms)}")
    return windows_at(rows[inside], is_peak=False), int((~inside).sum())


def _loaded(path: Path, prepared: PreparedBins) -> keras.Model:
    """Load a model for the experiment's inputs and outputs; one of 2-D convolutions gets its axis of length 1."""
    import keras

    from kerasac.models.checkpoint import load_model
    from kerasac.models.fitted import fitted

    model = load_model(path)
    if any(len(tensor.shape) == 4 for tensor in model.inputs):
        flat = [keras.Input(_without_axis(tensor), name=f"flat_{i}") for i, tensor in enumerate(model.inputs)]
        given: list[Any] = [
            keras.layers.Reshape(tensor.shape[1:])(one) if len(tensor.shape) == 4 else one
            for one, tensor in zip(flat, model.inputs, strict=True)
        ]
        model = keras.Model(flat if len(flat) > 1 else flat[0], model(given if len(given) > 1 else given[0]))
    return fitted(model, prepared.contract, str(path))


def _without_axis(tensor: Any) -> tuple[int, ...]:
    shape = tuple(tensor.shape[1:])
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


def _of_its_kind(found: BinnedPredictions, *, values: bool) -> BinnedPredictions:
    """Say what was predicted by what the labels are, as neither kerasAC's flags nor its models say it."""
    labels = found.labels.values
    classes = not values and bool(np.isin(labels[~np.isnan(labels)], (0, 1)).all())
    return replace(found, kind="classification" if classes else "regression")


def _write_for_calibration(prefix: Path, found: BinnedPredictions, *, logits: bool, numbered: bool) -> list[Path]:
    """Write labels, and logits or values, under kerasAC's names."""
    from kerasac.cli.original.calibrate import write_table
    from kerasac.steps.binned_predictions import labels_path
    from kerasac.steps.calibration import logits as logits_of

    ending, kind = ("logits", "classification") if logits else ("preacts", "regression")
    values = logits_of(found.predicted).astype(np.float32) if logits else found.predicted
    paths = [labels_path(prefix), with_ending(prefix, f"predictions.{ending}.0")]
    for path, table in zip(paths, (found.labels.values, values), strict=True):
        write_table(path, found.labels, table, kind, numbered=numbered)
    return paths
