"""kerasAC_train: one fold of an experiment, and the files that kerasAC leaves of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasac.cache import digest, file_digest, with_ending, write_whole
from kerasac.cli.original.commands import Done
from kerasac.cli.original.experiment import FOLD_FILE, Translation, training_translation
from kerasac.cli.original.flags import Given
from kerasac.cli.original.folds import fold_there
from kerasac.cli.original.hints import hint, shortest
from kerasac.cli.original.logs import losses_of, write_batch_log, write_log
from kerasac.cli.original.lookups import Lookups
from kerasac.cli.original.own_architecture import OWN_FILE, flags_of, own_source
from kerasac.cli.original.telling import tell
from kerasac.config import Experiment
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from kerasac.genome.folds import Fold
    from kerasac.runs.one_fold import TrainedFold
    from kerasac.runs.unit import Event

RUN_FOLDER = "kerasac-ray"  # ending of the folder of the run
_BIAS_FILE = "bias.keras"
_HISTORY = "history.csv"


def train(given: Given, console: Console) -> Done:
    """Train a fold; the same command again goes on with an interrupted training, and keeps a finished one."""
    prefix = local_prefix(given, "model_prefix")
    translation = training_translation(given, Lookups())
    for remark in translation.remarks:
        tell(console, remark)
    store = given.text("tdb_array")
    chroms = Lookups().chromosomes(Path(store) if store else None, given.path("ref_fasta"))
    fold = fold_there(translation.chosen, chroms)
    run_folder = with_ending(prefix, RUN_FOLDER)
    _check_alone(run_folder, fold, given.whole("seed"))
    experiment = prepare_experiment(given, translation, run_folder, [fold])
    from kerasac.runs.one_fold import train_fold

    trained = train_fold(experiment, run_folder, say=lambda event: _tell_event(event, console))
    folder = shortest(run_folder)
    on = hint("cv", folder / "experiment.yaml", out=folder)
    if trained.stopped is not None:
        tell(console, f"{trained.stopped}; the same command goes on")
        return Done(on, exit_status=trained.exit_status)
    written = write_files(trained, prefix, given.texts("trackables"))
    there = losses_of(trained.unit.folder / _HISTORY)
    for name in given.texts("trackables"):
        if name not in there:
            tell(console, f"--trackables {name}: None in .log.batch; there are {', '.join(there)}")
    return Done(
        f"{on}   # predicts and scores the test chromosomes of this model",
        tuple(str(shortest(path)) for path in written),
    )


def local_prefix(given: Given, name: str) -> Path:
    """Return the prefix of files to write, which is one of this machine."""
    text = given.needed(name)
    if "://" in text:
        raise ConfigError(f"--{name} {text}: files are written to this machine; copy them when they are there")
    prefix = Path(text).expanduser().absolute()
    prefix.parent.mkdir(parents=True, exist_ok=True)
    return prefix


def prepare_experiment(given: Given, translation: Translation, run_folder: Path, folds: Sequence[Fold]) -> Experiment:
    """Write what the experiment names beside it, its folds, an own architecture, a bias model, and return it.

    Each file has its content in its name: what a run in the folder has is never replaced, should this one be refused.
    """
    from kerasac.genome.fold_files import write_folds

    run_folder.mkdir(parents=True, exist_ok=True)
    fold_file = _by_content(run_folder / FOLD_FILE, digest({str(fold.index): fold.as_dict() for fold in folds}))
    write_folds(fold_file, folds)
    document = translation.document
    changes: dict[str, Any] = {
        "folds": {"files": [str(fold_file)]},
        "training": {**document["training"], "batch_log": True},
    }
    if translation.own is not None:
        source = own_source(translation.own)
        own_file = _by_content(run_folder / OWN_FILE, digest({"source": source}))
        write_whole(own_file, source)
        changes["model"] = {"architecture": f"{own_file}:build", "flags": flags_of(given)}
    if "bias" in document:
        changes["bias"] = {
            **document["bias"],
            "model_file": str(_bias_model(document["bias"]["model_file"], run_folder)),
        }
    return translation.experiment(changes, base=Path.cwd(), origin=given.command)


def _by_content(path: Path, content: str) -> Path:
    return path.with_stem(f"{path.stem}-{content}")


def _check_alone(run_folder: Path, fold: Fold, seed: int | None) -> None:
    """Refuse a prefix that has a training on other chromosomes, or of another seed: its files would be replaced."""
    from kerasac.genome.fold_files import read_folds

    units = sorted(run_folder.glob("fold-*/seed-*"))
    if not units:
        return
    if units != [run_folder / f"fold-{fold.index}" / f"seed-{seed}"] or read_folds([run_folder / FOLD_FILE]) != (fold,):
        raise ConfigError(
            f"{shortest(units[0])} was trained with this --model_prefix, on other chromosomes or with another --seed; "
            f"give another --model_prefix, or remove {shortest(run_folder)}"
        )


def write_files(trained: TrainedFold, prefix: Path, trackables: tuple[str, ...]) -> list[Path]:
    """Write .hdf5, .arch, .weights, .log and .log.batch of a trained fold."""
    from kerasac.models.checkpoint import load_model
    from kerasac.models.legacy.write import write_legacy
    from kerasac.models.registry import register_classes
    from kerasac.steps.callbacks import BATCH_LOG

    register_classes(trained.parameters)
    contract = trained.contract
    inputs, outputs = ([port.name for port in ports] for ports in (contract.inputs, contract.outputs))
    log, batch_log = (with_ending(prefix, ending) for ending in ("log", "log.batch"))
    write_log(trained.unit.folder / _HISTORY, log)
    write_batch_log(trained.unit.folder / BATCH_LOG, batch_log, trackables)
    models = write_legacy(load_model(trained.model), prefix, inputs=inputs, outputs=outputs)
    return [*models, log, batch_log]


def _bias_model(name: str, run_folder: Path) -> Path:
    """Return a bias model that can be loaded: one that Keras 2 saved is converted."""
    from kerasac.models.legacy import is_legacy

    path = Path(name).expanduser().absolute()
    if not is_legacy(path):
        return path
    from kerasac.models.quiet_start import load_keras_quietly

    load_keras_quietly(gpus=True)
    from kerasac.steps.convert import convert_once

    converted = _by_content(run_folder / _BIAS_FILE, file_digest(path))
    convert_once(path, converted)
    return converted


def _tell_event(event: Event, console: Console) -> None:
    if event["event"] in ("epoch", "bias epoch"):
        losses = ", ".join(f"{name} {event[name]:.5g}" for name in ("loss", "val_loss") if name in event)
        tell(console, f"{event['event']} {int(event['epoch'])}: {losses}")
    elif event["event"] == "bias":
        tell(console, str(event["message"]))
