"""Translate a training of kerasAC into an experiment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kerasac.cli.original.architectures import ARCHITECTURES, Architecture, find_architecture, model_sections
from kerasac.cli.original.bins import bin_sections
from kerasac.cli.original.flags import Given
from kerasac.cli.original.folds import ChosenFold, training_fold
from kerasac.cli.original.lookups import Lookups
from kerasac.cli.original.tracks import SEQUENCE, by_attribute, named_datasets, read_tracks
from kerasac.config import Experiment, make_experiment
from kerasac.errors import ConfigError, StoreError

FOLD_FILE = "folds.json"
_LABELS = ("output_data_path", "output_train_path", "index_data_path", "index_train_path", "data_path")


@dataclass(frozen=True)
class Translation:
    """The keys of an experiment, the fold of it that the command trains, and what is to be said.

    ``own`` is a user's file of kerasAC's kind, which an architecture is to be made of.
    """

    document: dict[str, Any]
    chosen: ChosenFold
    remarks: tuple[str, ...]
    own: Path | None = None

    def experiment(self, changes: Mapping[str, Any], *, base: Path, origin: str) -> Experiment:
        """Return the checked experiment, with some sections replaced."""
        return make_experiment({**self.document, **changes}, base=base, origin=origin)


def training_translation(
    given: Given, lookups: Lookups, *, base: Path = Path(), chosen: ChosenFold | None = None
) -> Translation:
    """Translate the flags of a training; relative paths are relative to ``base``, the fold is ``chosen`` or a flag's.

    Raises
    ------
    ConfigError
        For what is missing, contradicts itself or has no counterpart here.
    """
    store = given.text("tdb_array")
    architecture, own = _architecture(given)
    _check_kind(given, architecture, own, binned=store is None)
    parameters = given.text("model_params")
    values = lookups.parameters(base / parameters) if parameters else {}
    sections, remarks = model_sections(architecture, values) if own is None else _own_sections(own, values)
    if store is not None:
        data, more = _window_sections(given, base, lookups)
    else:
        data, more = bin_sections(given, architecture.kind, base, lookups)
        _check_classes(given, architecture, data, base, lookups)
    _check_tasks(given, data, own)
    chosen = chosen or training_fold(given, base / store if store else None, lookups)
    document = {
        "name": experiment_name(given.needed("model_prefix")),
        "genome": _genome(given),
        **data,
        **_with_class_weights(given, sections),
        "training": _training(given),
        "folds": chosen.section(FOLD_FILE),
        "seeds": [given.whole("seed")],
        **({"compute": {"gpus": 0}} if given.whole("num_gpus") == 0 else {}),
    }
    return Translation(document, chosen, (*remarks, *more), own)


def experiment_name(prefix: str) -> str:
    """Make a name of the last part of a prefix."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(prefix).name).strip("-._")
    return name or "model"


def _genome(given: Given) -> dict[str, str]:
    sizes = given.text("chrom_sizes")
    return {"fasta": given.needed("ref_fasta"), **({"chrom_sizes": sizes} if sizes else {})}


class Datasets(NamedTuple):
    """The datasets whose peaks are looked for, and those that tracks read that name none, in the array's order."""

    peaks: tuple[str, ...]
    tracks: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def track_sections(given: Given, base: Path, lookups: Lookups) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return store, datasets, inputs and outputs of an experiment of windows, and remarks."""
    inputs, outputs = read_tracks(given, "input"), read_tracks(given, "output")
    datasets = _window_datasets(given, [*inputs, *outputs], base, lookups)
    for track in (*inputs, *outputs):
        if track["source"] == SEQUENCE:
            continue
        if "dataset" not in track:
            track |= by_attribute(track["source"], datasets.tracks)
        if tuple(track["dataset"]) == datasets.peaks and "paired" not in track:
            del track["dataset"]
    return {
        "store": given.needed("tdb_array"),
        "datasets": list(datasets.peaks),
        "inputs": [_named_first(track) for track in inputs],
        "outputs": [_named_first(track) for track in outputs],
    }, datasets.remarks


def _window_datasets(given: Given, tracks: list[dict[str, Any]], base: Path, lookups: Lookups) -> Datasets:
    """Return the datasets of an experiment of windows: named, by number, those of the tracks, or all of the array."""
    tasks = named_datasets(given, "tasks") or _numbered(given, base, lookups)
    partition = named_datasets(given, "tdb_partition_datasets_for_upsample")
    of_tracks = tuple(dict.fromkeys(name for track in tracks for name in track.get("dataset", ())))
    if not (tasks or partition or of_tracks):
        there = _there(given, base, lookups)
        return Datasets(there, there)
    # A track that names its datasets has them in that order, in kerasAC too.
    if max(len(tasks), len(partition)) < 2:
        return Datasets(partition or tasks or of_tracks, tasks or partition or of_tracks)
    try:
        there = _there(given, base, lookups)
    except StoreError as error:
        order = "in the order of the array; put 'datasets' (and 'dataset') into that order"
        remark = f"--tasks: kerasAC reads them {order}: {error}"
        return Datasets(partition or tasks, tasks or partition, (remark,))
    tasks, partition = (_in_order(names, there) for names in (tasks, partition))
    return Datasets(partition or tasks, tasks or partition)


def _numbered(given: Given, base: Path, lookups: Lookups) -> tuple[str, ...]:
    places = given.texts("task_indices")
    if not places:
        return ()
    there = _there(given, base, lookups)
    try:
        return tuple(there[int(place)] for place in places)
    except (IndexError, ValueError):
        raise ConfigError(f"--task_indices {' '.join(places)}: the array has the datasets {', '.join(there)}") from None


def _there(given: Given, base: Path, lookups: Lookups) -> tuple[str, ...]:
    return lookups.datasets(base / given.needed("tdb_array"))


def _in_order(names: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, ...]:
    """Sort names by the array's order; those that it lacks come last, and are an error when it is opened."""
    return tuple(sorted(names, key=lambda name: there.index(name) if name in there else len(there)))


def _named_first(track: dict[str, Any]) -> dict[str, Any]:
    return {"name": track["name"], **track}


def _window_sections(given: Given, base: Path, lookups: Lookups) -> tuple[dict[str, Any], list[str]]:
    sections, said = track_sections(given, base, lookups)
    bed = _bed(given)
    sampling, remarks = _regions(given, bed) if bed else _positions(given)
    ambiguous = given.text("tdb_ambig_attribute")
    sampling |= {"ambiguous": ambiguous} if ambiguous else {}
    sampling["reverse_complement"] = given.is_on("revcomp")
    return {**sections, "sampling": sampling}, [*said, *remarks]


def _positions(given: Given) -> tuple[dict[str, Any], list[str]]:
    """Setting 1: positions of an attribute."""
    attribute = given.text("tdb_partition_attribute_for_upsample")
    ratios = given.numbers("upsample_ratio_list_train")
    if attribute is None or not ratios or not ratios[0]:
        raise ConfigError(
            "no peaks are named: windows of the whole genome, of which few have counts, are not trained on here; give "
            "--tdb_partition_attribute_for_upsample and --upsample_ratio_list_train, or --bed_regions"
        )
    threshold = given.number("tdb_partition_thresh_for_upsample")
    peaks = {"attribute": attribute, "threshold": 1.0 if threshold is None else threshold, "ratio": ratios[0]}
    remarks = []
    held_out = given.numbers("upsample_ratio_list_eval")
    if held_out[:1] != ratios[:1]:
        said = f"{held_out[0]:g}" if held_out else "not given"
        remarks.append(
            f"--upsample_ratio_list_eval ({said}): validation has the share of peaks that training has, {ratios[0]:g}"
        )
    return {"peaks": peaks, "train_size": given.whole("num_train"), "valid_size": given.whole("num_valid")}, remarks


def _regions(given: Given, bed: str) -> tuple[dict[str, Any], list[str]]:
    """Setting 2: regions of a BED file; an epoch is each of them once, unless its size is given."""
    center = given.text("bed_regions_center") or "summit"
    remarks = []
    jitter = given.whole("bed_regions_jitter") or 1
    if jitter > 1:
        said = (
            "every epoch draws a new base of each region, once"
            if center == "random"
            else f"in kerasAC too it goes with --bed_regions_center random, not with {center}"
        )
        remarks.append(f"--bed_regions_jitter {jitter}: {said}")
    sizes = {ours: given.whole(name) for ours, name in (("train_size", "num_train"), ("valid_size", "num_valid"))}
    asked = {
        ours: size
        for (ours, size), name in zip(sizes.items(), ("num_train", "num_valid"), strict=True)
        if given.has(name)
    }
    return {"regions": {"bed": bed, "center": center}, **asked}, remarks


def _bed(given: Given) -> str | None:
    bed, train, valid = (given.text(name) for name in ("bed_regions", "bed_regions_train", "bed_regions_validate"))
    if train != valid:
        raise ConfigError(
            "--bed_regions_train and --bed_regions_validate differ; the folds divide regions by chromosome: put both "
            "into one file and give it as --bed_regions"
        )
    if bed and train:
        raise ConfigError("--bed_regions and --bed_regions_train are both given; give the first alone")
    return bed or train


def _training(given: Given) -> dict[str, Any]:
    named = (given.text(name) for name in ("weights", "load_model_hdf5", "from_checkpoint_weights"))
    weights = next(filter(None, named), None)
    return {
        "epochs": given.whole("epochs"),
        "batch_size": given.whole("batch_size"),
        "patience": given.whole("patience"),
        "lr_patience": given.whole("patience_lr"),
        **({"tensorboard": True} if given.is_on("tensorboard") else {}),
        **({"initialize": weights} if weights and not weights.endswith(".npz") else {}),
    }


def _with_class_weights(given: Given, sections: dict[str, Any]) -> dict[str, Any]:
    """Add weights of classes to the loss, and published initial weights to the model."""
    found = {name: dict(section) for name, section in sections.items()}
    file = given.text("w1_w0_file")
    if file or given.is_on("weighted"):
        found["loss"] = {**found.get("loss", {}), "class_weights": file or "auto"}
    weights = given.text("weights")
    if weights and weights.endswith(".npz"):
        found["model"]["initial_weights"] = weights
    return found


def _architecture(given: Given) -> tuple[Architecture, Path | None]:
    file = given.text("architecture_from_file")
    if file is not None:
        return Architecture("own"), Path(file)
    return find_architecture(given.text("architecture_spec") or ""), None


def _own_sections(own: Path, parameters: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return sections of a user's own architecture; weights of its losses are those of its parameters."""
    weights = {
        ours: float(parameters[name])
        for name, ours in (("profile_loss_weight", "profile"), ("counts_loss_weight", "counts"))
        if name in parameters
    }
    remark = f"--architecture_from_file {own}: the losses are those of this package, whatever the file compiles"
    return {"model": {"architecture": f"{own}:build"}, "loss": {"profile": 1.0, "counts": 1.0, **weights}}, [remark]


def _check_kind(given: Given, architecture: Architecture, own: Path | None, *, binned: bool) -> None:
    """Refuse an architecture of profiles with bins, or the other way round; where neither is named, say so."""
    if binned and not any(given.has(name) for name in _LABELS):
        raise ConfigError(f"{given.command} needs --tdb_array, or labels of bins: --output_data_path")
    if own is not None or architecture.profile != binned:
        return
    needs = "--tdb_array" if architecture.profile else "--output_data_path"
    fitting = ", ".join(name for name, one in ARCHITECTURES.items() if one.profile != binned)
    name = given.text("architecture_spec")
    raise ConfigError(f"--architecture_spec {name} needs {needs}; with what is given go {fitting}")


def _check_classes(
    given: Given, architecture: Architecture, data: Mapping[str, Any], base: Path, lookups: Lookups
) -> None:
    """Refuse to classify labels that are no classes: after the training they could not be scored."""
    train, tasks = data["labels"]["train"], data["outputs"][0]["source"]
    if architecture.kind != "classification" or lookups.are_classes(base / train, tasks):
        return
    name = given.text("architecture_spec")
    regressions = ", ".join(known for known, one in ARCHITECTURES.items() if one.kind == "regression")
    raise ConfigError(
        f"labels of {train} are others than 0, 1 and NaN, and --architecture_spec {name} classifies; "
        f"take a regression: {regressions}"
    )


def _check_tasks(given: Given, data: Mapping[str, Any], own: Path | None) -> None:
    n_tasks = given.whole("num_tasks")
    if n_tasks is None or own is not None:
        return
    for output in data["outputs"]:
        n_datasets = max(1, len(output.get("dataset", data.get("datasets", ()))))
        n_channels = len(output["source"]) * (1 if output.get("paired") else n_datasets)
        if n_tasks != n_channels:
            raise ConfigError(f"--num_tasks is {n_tasks}, but output {output['name']} has {n_channels} channels")
